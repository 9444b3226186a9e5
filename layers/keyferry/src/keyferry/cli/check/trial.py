"""Whether a mapping computes too much already with short values: it is rendered once, key by key, with stand-ins."""

import json
import re
from collections.abc import Iterator

from keyferry.budget import TOO_MUCH, Budget
from keyferry.errors import NothingFound, SourceUnusable
from keyferry.formats.yamltext import FieldPath
from keyferry.mapping.data import Entry
from keyferry.mapping.keys import TOO_LONG
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.secret import SecretSpec, Variables
from keyferry.model import Place, SecretValue, SourceValue
from keyferry.render.render import render

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_STAND_IN = "stand-in"
_PLACE = Place(_STAND_IN, _STAND_IN)
_NOTHING: dict[str, object] = {
    "data": {},
    "data_from": [],
    "variables": None,
    "tls": None,
    "registries": [],
    "labels": {},
    "annotations": {},
}
"""Everything that fills a Secret, left out."""


def list_overspending(mapping: SecretMapping) -> Iterator[tuple[FieldPath, str]]:
    """Yield the path of the first part of a mapping that computes too much whatever it is given, and what is wrong.

    Each value is stood in for by a JSON object that has a short text under every name that the mapping's paths and
    templates mention. What such values cannot show, the delivery bounds.
    """
    secret, budget = mapping.spec.secret, Budget()
    for path, parts in _list_parts(secret):
        part = secret.model_copy(update=_NOTHING | parts)
        trial = mapping.model_copy(update={"spec": mapping.spec.model_copy(update={"secret": part})})
        try:
            render(trial, _build_values(mapping, part), _PLACE, budget)
        except NothingFound:
            continue  # this part alone makes no key, and the sources are optional
        except SourceUnusable as error:
            if any(reason in str(error) for reason in (TOO_MUCH, TOO_LONG)):
                yield path, str(error)
                return


def _list_parts(secret: SecretSpec) -> Iterator[tuple[FieldPath, dict[str, object]]]:
    """Yield the path of each part that computes, and the field of the Secret that holds this part alone."""
    root = ("spec", "secret")
    variables = _build_variables(secret)
    for key, entry in secret.variables.data.items() if secret.variables else ():
        if field := _find_computing_field(entry):
            yield (*root, "variables", "data", key, field), {"data": {key: entry}}
    for number, data_from in enumerate(secret.variables.data_from if secret.variables else ()):
        yield (*root, "variables", "dataFrom", number), {"data_from": [data_from]}
    for key, entry in secret.data.items():
        if field := _find_computing_field(entry):
            yield (*root, "data", key, field), {"data": {key: entry}, "variables": variables}
    for number, data_from in enumerate(secret.data_from):
        yield (*root, "dataFrom", number), {"data_from": [data_from], "variables": variables}
    for key, label in secret.labels.items():
        yield (*root, "labels", key), {"labels": {key: label}}
    for key, annotation in secret.annotations.items():
        yield (*root, "annotations", key), {"annotations": {key: annotation}}


def _find_computing_field(entry: Entry) -> str:
    """Return the field of an entry that computes; nothing where it takes a value, or a key of one."""
    if entry.template is not None:
        return "template"
    if _NAME.fullmatch(entry.selection or "x"):
        return ""
    return "property" if entry.path is None else "path"


def _build_variables(secret: SecretSpec) -> Variables | None:
    """Return a stand-in for each variable that templates may mean; None where there are no variables."""
    if secret.variables is None:
        return None
    names = {name for text in secret.templates for name in _NAME.findall(text)} or {_STAND_IN}
    return Variables(data={name: Entry(value=_STAND_IN) for name in sorted(names)})


def _build_values(mapping: SecretMapping, part: SecretSpec) -> dict[str, SourceValue]:
    """Return a stand-in for the value of each source."""
    paths = [entry.selection or "" for _, entry in part.entries] + [each.selection or "" for each in part.data_from]
    names = {name for text in (*part.templates, *paths) for name in _NAME.findall(text)} or {_STAND_IN}
    value = SourceValue(SecretValue(json.dumps(dict.fromkeys(sorted(names), _STAND_IN)).encode()), _STAND_IN)
    members = SourceValue(value.content, _STAND_IN, members={_STAND_IN: value})
    return {alias: members if source.find else value for alias, source in mapping.spec.sources.items()}
