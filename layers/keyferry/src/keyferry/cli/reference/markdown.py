"""The JSON Schema of mapping files → their reference: type, default, meaning and an example of every field."""

from collections.abc import Iterator, Mapping
from typing import Any

from keyferry.errors import InvalidInput
from keyferry.formats import yamltext

_HEAD = """\
# Reference of mapping files

Every field of every document: made from the models by `keyferry schema --output markdown`, and held to them by a test.
The guide for newcomers: [mappings](mappings.md).
"""
_ROOTS = ("SecretMapping", "Clusters", "Policy", "Stack")
_NAMES = {"string": "text", "boolean": "`true` or `false`", "integer": "number", "object": "map", "array": "list"}


def render(schema: Mapping[str, Any]) -> str:
    """Return the reference as Markdown.

    Raises:
        InvalidInput: a field has no description or no example; the message names the field.
    """
    models = schema["$defs"]
    return "\n".join([_HEAD, *(line for name in _ordered(models) for line in _section(name, models[name]))]).rstrip()


def _ordered(models: Mapping[str, Any]) -> list[str]:
    """Return the names of the models: each kind of document, followed by the models of its fields."""
    ordered: list[str] = []
    for root in _ROOTS:
        waiting = [root]
        while waiting:
            name = waiting.pop(0)
            if name not in ordered and "properties" in models[name]:
                ordered.append(name)
                waiting += _references(models[name])
    return ordered


def _references(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "$ref":
                yield _model_name(value)
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)


def _model_name(reference: str) -> str:
    return reference.rsplit("/", 1)[-1]


def _section(name: str, model: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {name}\n"
    yield f"{' '.join(model.get('description', '').split())}\n"
    yield "| field | type | default | what it is | example |"
    yield "|---|---|---|---|---|"
    for field, schema in model["properties"].items():
        for part, remedy in (("description", "a docstring below it"), ("examples", "one in reference/examples.py")):
            if not schema.get(part):
                raise InvalidInput(f"{name}.{field} has no {part.rstrip('s')}: write {remedy}")
        default = "required" if field in model.get("required", ()) else _default(schema)
        example = yamltext.text(schema["examples"][0], flow=True)
        cells = f"`{field}`", _type(schema), default, schema["description"], f"`{example}`"
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def _default(schema: Mapping[str, Any]) -> str:
    default = schema.get("default")
    return "" if default is None or default in ({}, []) else f"`{yamltext.text(default, flow=True)}`"


def _type(node: Mapping[str, Any]) -> str:
    """Return what values a schema allows, in words."""
    if "$ref" in node:
        return f"[{_model_name(node['$ref'])}](#{_model_name(node['$ref']).lower()})"
    if "anyOf" in node:
        return " or ".join(dict.fromkeys(_type(branch) for branch in node["anyOf"] if branch.get("type") != "null"))
    if "const" in node or "enum" in node:
        return ", ".join(f"`{value}`" for value in node.get("enum", [node.get("const")]))
    json_type = node.get("type", "string")
    inner = node.get("items") if json_type == "array" else _value_schema(node)
    return f"{_NAMES[json_type]} of {_type(inner)}" if inner else _NAMES[json_type]


def _value_schema(node: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the schema of the values of an object with any keys; None for another object."""
    additional = node.get("additionalProperties")
    return (
        additional if isinstance(additional, Mapping) else next(iter(node.get("patternProperties", {}).values()), None)
    )
