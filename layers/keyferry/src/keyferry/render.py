"""A mapping and the values of its sources → the data of the Secret."""

from collections.abc import Mapping
from typing import Any

import jmespath

from keyferry import document
from keyferry.errors import SourceUnusable
from keyferry.mapping import Entry, SecretMapping
from keyferry.model import SecretValue, SourceValue


def render(mapping: SecretMapping, sources: Mapping[str, SourceValue]) -> dict[str, SecretValue]:
    """Return the Secret's data.

    Args:
        mapping: what to make.
        sources: the value of each of its sources, by alias.

    Raises:
        SourceUnusable: a value from which a key cannot be made. The text names mapping, key and source, no value.
    """
    return {
        key: _entry(entry, sources, f"mapping {mapping.name}, key {key}")
        for key, entry in mapping.spec.secret.data.items()
    }


def _entry(entry: Entry, sources: Mapping[str, SourceValue], where: str) -> SecretValue:
    if entry.template is not None:
        return _encoded(_fill(entry.template, sources, where), where)
    source = sources[entry.source or ""]
    if entry.path is None:
        return source.content
    where = f"{where}: source {entry.source}"
    return _encoded(_find(entry.path, source, where), where)


def _encoded(text: str, where: str) -> SecretValue:
    try:
        return SecretValue(text.encode())
    except UnicodeEncodeError:  # its text holds the value
        raise SourceUnusable(f"{where}: half a character (\\ud800 to \\udfff alone), which no text can hold") from None


def _find(path: str, source: SourceValue, where: str) -> str:
    held = _document(source, where)
    try:
        found = jmespath.search(path, held)
        if found is not None:
            return document.text(found)
    except Exception as error:
        # The library's own texts can quote the value.
        raise SourceUnusable(f"{where}: path {path} does not fit the value ({type(error).__name__})") from None
    raise SourceUnusable(f"{where}: path {path} finds nothing; look at the secret's keys, or change the path")


def _document(source: SourceValue, where: str) -> Any:  # noqa: ANN401  # JSON is anything
    if source.binary:
        raise SourceUnusable(f"{where} is binary: use it whole, without path or template")
    try:
        return document.parse(source.content.reveal())
    except ValueError:
        raise SourceUnusable(f"{where} is not JSON: use it whole, without a path") from None


def _fill(template: str, sources: Mapping[str, SourceValue], where: str) -> str:
    # Imported here: a function that meets no template starts without Jinja.
    from keyferry import template as templates  # noqa: PLC0415

    try:
        used = templates.names(template) & sources.keys()
    except ValueError as error:
        raise SourceUnusable(f"{where}: {error}") from None
    return templates.fill(
        template, {alias: _in_scope(sources[alias], f"{where}: source {alias}") for alias in used}, where
    )


def _in_scope(source: SourceValue, where: str) -> object:
    """Return what a template sees: the document where the value is a JSON object, its text otherwise."""
    try:
        found = None if source.binary else document.parse(source.content.reveal())
    except ValueError:
        found = None  # a password can begin with a brace
    try:
        return found if isinstance(found, dict) else source.content.reveal().decode()
    except UnicodeDecodeError:
        raise SourceUnusable(f"{where} is binary: use it whole, without path or template") from None
