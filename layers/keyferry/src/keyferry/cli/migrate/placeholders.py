"""Placeholders that a tool was to fill in before Kubernetes gets a manifest, and that are still there."""

import re
from collections.abc import Iterator

from keyferry.cli.migrate.manifests import FILL_IN, OF_HELM
from keyferry.cli.migrate.model import LAST_APPLIED, FieldPath, Manifest, Refusal, Refusals

_BRACES = re.compile(r"\{\{.*?\}\}|\{\{|\}\}", re.DOTALL)
_VARIABLE = re.compile(r"\$\{[^}]*\}|\$\([A-Za-z_][A-Za-z0-9_]*\)")
FREE_TEXT = {"template", "literal", "regexp", "transform", "rewrite"}
"""Fields in which text in braces, or behind a dollar, is the object's own: templates and regular expressions."""


def check_placeholders(manifest: Manifest, at: FieldPath = ()) -> None:
    """Check that a part of a manifest has no placeholder that is not its own.

    Raises:
        Refusals: it has.
    """
    found = list(_list_placeholders(manifest.get(*at), at))
    if found:
        raise Refusals([Refusal(f"{text} is a placeholder", FILL_IN, path) for path, text in found[:3]])


def _list_placeholders(part: object, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key != LAST_APPLIED:
                yield from _list_in_text(key, path)
                yield from _list_placeholders(value, (*path, key))
    elif isinstance(part, list):
        for number, value in enumerate(part):
            yield from _list_placeholders(value, (*path, number))
    elif isinstance(part, str):
        yield from _list_in_text(part, path)


def _list_in_text(text: str, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    is_free = any(step in FREE_TEXT for step in path)
    patterns = (OF_HELM,) if is_free else (_BRACES, _VARIABLE)
    match = next(filter(None, (pattern.search(text) for pattern in patterns)), None)
    if match:
        yield path, match[0][:60]
