"""What is said of a field that is not known: the one that is meant, or what is possible in its place."""

import re

from pydantic import BaseModel

from keyferry.cli.check.documents import Document
from keyferry.cli.check.fields import others
from keyferry.cli.check.fields.levels import Meaning, list_fields
from keyferry.cli.check.fields.shapes import dotted, find_example
from keyferry.cli.check.problems import nearest, similarity
from keyferry.formats.yamltext import FieldPath

SHOWN_NEVER = frozenset({"value", "default", "template"})
"""Fields with texts that messages do not show, in case that somebody writes a secret there."""
NO_SPACE = re.compile(r"([A-Za-z][\w./-]*)(\s*[:=]|\s+[\[{])")
"""A key with its value in one word."""
_NEARLY = 0.9
"""How similar a name is to that of a field, of which it is then a slip."""
_MISPLACED = {
    "metadata.namespace": "the namespaces to write to are in spec, as namespaces: [payments]",
    "metadata.namespaces": "the namespaces to write to are in spec, as namespaces: [payments]",
    "spec": "in a file of clusters, clusters stands at the top, beside kind",
}
"""Unknown field → where the field that is meant stands."""

_OF_SOURCES = {
    **dict.fromkeys(("stage", "versionStage", "versionLabel"), "did you mean label?"),
    **dict.fromkeys(("arn", "name", "secret", "secretId", "secretName"), "did you mean secretsManager?"),
    **dict.fromkeys(("parameter", "parameterName", "ssm"), "did you mean parameterStore?"),
    **dict.fromkeys(("key", "jsonKey"), "path says it where the value is used, as {from: db, path: password}"),
    "versionId": "did you mean version?",
}
"""Unknown field of a source → the right one."""


def describe_unknown(document: Document, model: type[BaseModel], path: FieldPath, meaning: Meaning | None) -> str:
    """Return what is wrong with a field that is not known, and what would be right.

    Args:
        document: has the field.
        model: of the document.
        path: of the field.
        meaning: the field that is meant, if one is.
    """
    name, here, fields = str(path[-1]), path[:-1], list_fields(model, path[:-1])
    head = NO_SPACE.match(name) or re.match(r"(\S+)()\s", name)
    if head:
        return f"a colon and a space stand after a key, as {head[1] if head[1] in fields else _pick(fields)}: …"
    if meaning and meaning.parent == here and similarity(meaning.name, name) > _NEARLY:
        return f"unknown field {name}; did you mean {meaning.name}?"
    if wrapped := list_wrapped(document, model, path):
        return f"unknown field {name}; write {', '.join(wrapped)} here, without it"
    if elsewhere := _MISPLACED.get(dotted(path)) or _describe_other(document, path):
        return f"unknown field {name}; {elsewhere}"
    if SHOWN_NEVER & fields and (meaning is None or (meaning.name != name and document.get(*path) is None)):
        return f"not a field{nearest('', fields, 'possible here')}"  # it may be a part of a value
    if meaning is None:
        return f"unknown field {name}{nearest(name, fields, 'possible here')}{_describe_form(document, here, fields)}"
    if meaning.parent == here:
        return f"unknown field {name}; did you mean {meaning.name}?"
    place = describe_place(path, meaning)
    if meaning.name == name:
        return f"unknown field {name}; it belongs {place}"
    return f"unknown field {name}; did you mean {meaning.name}? It belongs {place}"


def _describe_other(document: Document, path: FieldPath) -> str:
    """Return what is right in place of a field that has another name elsewhere; empty for all others."""
    name, here = str(path[-1]), path[:-1]
    if here[:2] == ("spec", "sources") and len(here) == 3 and name in _OF_SOURCES:
        return _OF_SOURCES[name]
    if here[:2] not in (("spec", "namespaces"), ("spec", "clusters")):
        return others.describe_field(name)
    if name in ("labels", "labelSelector", "selector"):
        return "did you mean matchLabels?"
    value = document.get(*path)
    if value is None:
        return "names stand in a list, as " + ("[payments]" if here[1] == "namespaces" else "[prod-eu]")
    is_label = isinstance(value, str) and len(here) <= 3
    return (
        f"labels stand in matchLabels, as {{matchLabels: {{{name}: …}}}}" if is_label else others.describe_field(name)
    )


def list_wrapped(document: Document, model: type[BaseModel], path: FieldPath) -> list[str]:
    """Return the fields that stand one level too deep in a field that is not known, if nothing else stands there."""
    part, fields = document.get(*path), list_fields(model, path[:-1])
    is_wrapped = isinstance(part, dict) and fields >= part.keys() and dotted(path) not in _MISPLACED
    return list(part) if is_wrapped else []


def describe_place(path: FieldPath, meaning: Meaning) -> str:
    """Return where a field belongs that stands at a path."""
    parent = meaning.parent
    where = f"into {dotted(parent)}" if parent else "to the top of the document"
    is_around = path[: len(parent)] == parent and len(path) > len(parent) + 1
    return f"{where}, beside {path[len(parent)]}" if is_around else where


def _pick(fields: set[str]) -> str:
    """Return a field for an example."""
    return "from" if "from" in fields else min(fields, default="name")


def _describe_form(document: Document, here: FieldPath, fields: set[str]) -> str:
    """Return an example of a part that has none of its fields; empty for all others."""
    part, example = document.get(*here), find_example(here)
    return f"; write it as {example}" if example and isinstance(part, dict) and not fields & part.keys() else ""
