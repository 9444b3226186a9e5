"""The reference of mapping files: every field, its type, its default, what it is and an example, from their schema."""

from collections.abc import Iterator, Mapping
from typing import Any

from keyferry.errors import InvalidInput
from keyferry.formats import yamltext

_HEAD = """\
# Reference of mapping files

Every field of every document: made from the models by `keyferry schema --output markdown`, and held to them by a test.
The guide for newcomers: [mappings.md](mappings.md).
"""
_ROOTS = ("SecretMapping", "Clusters", "Policy")
_NAMES = {"string": "text", "boolean": "`true` or `false`", "integer": "number", "object": "map", "array": "list"}


def text(schema: Mapping[str, Any]) -> str:
    """Return the reference as Markdown.

    Raises:
        InvalidInput: a field has no description or no example; the text names it.
    """
    models = schema["$defs"]
    return "\n".join([_HEAD, *(line for name in _ordered(models) for line in _section(name, models[name]))]).rstrip()


def _ordered(models: Mapping[str, Any]) -> list[str]:
    """Return the models: each kind of document, then what it is made of."""
    found: list[str] = []
    for root in _ROOTS:
        waiting = [root]
        while waiting:
            name = waiting.pop(0)
            if name not in found and "properties" in models[name]:
                found.append(name)
                waiting += _references(models[name])
    return found


def _references(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, each in node.items():
            if key == "$ref":
                yield _named(each)
            else:
                yield from _references(each)
    elif isinstance(node, list):
        for each in node:
            yield from _references(each)


def _named(reference: str) -> str:
    return reference.rsplit("/", 1)[-1]


def _section(name: str, model: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {name}\n"
    yield f"{' '.join(model.get('description', '').split())}\n"
    yield "| field | type | default | what it is | example |"
    yield "|---|---|---|---|---|"
    for field, made in model["properties"].items():
        for part, where in (("description", "a docstring below it"), ("examples", "one in cli/examples.py")):
            if not made.get(part):
                raise InvalidInput(f"{name}.{field} has no {part.rstrip('s')}: write {where}")
        default = "required" if field in model.get("required", ()) else _default(made)
        example = yamltext.text(made["examples"][0], flow=True)
        cells = f"`{field}`", _type(made), default, made["description"], f"`{example}`"
        yield f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |"
    yield ""


def _default(made: Mapping[str, Any]) -> str:
    default = made.get("default")
    return "" if default is None or default in ({}, []) else f"`{yamltext.text(default, flow=True)}`"


def _type(node: Mapping[str, Any]) -> str:
    """Return what a schema allows, in words."""
    if "$ref" in node:
        return f"[{_named(node['$ref'])}](#{_named(node['$ref']).lower()})"
    if "anyOf" in node:
        return " or ".join(dict.fromkeys(_type(each) for each in node["anyOf"] if each.get("type") != "null"))
    if "const" in node or "enum" in node:
        return ", ".join(f"`{each}`" for each in node.get("enum", [node.get("const")]))
    kind = node.get("type", "string")
    inner = node.get("items") if kind == "array" else _values(node)
    return f"{_NAMES[kind]} of {_type(inner)}" if inner else _NAMES[kind]


def _values(node: Mapping[str, Any]) -> Mapping[str, Any] | None:
    more = node.get("additionalProperties")
    return more if isinstance(more, Mapping) else next(iter(node.get("patternProperties", {}).values()), None)
