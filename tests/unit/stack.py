"""template.yaml as tests read it: with intrinsic functions spelled out, and each resource by its kind."""

import copy
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DAY = 86_400
QUEUE = "AWS::SQS::Queue"

type Template = dict[str, Any]
type Resources = dict[str, dict[str, Any]]


class _Loader(yaml.SafeLoader):
    """Reads `!Name x` as `{"Fn::Name": x}`, as CloudFormation does."""


def _function(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        argument: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        argument = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        argument = loader.construct_mapping(node, deep=True)
    if tag == "GetAtt" and isinstance(argument, str):
        argument = argument.split(".", 1)
    return {tag if tag in {"Ref", "Condition"} else f"Fn::{tag}": argument}


_Loader.add_multi_constructor("!", _function)


def load() -> Template:
    """Return the template, with the globals in each function as SAM merges them; the caller may change it."""
    return copy.deepcopy(_loaded())


@functools.cache
def _loaded() -> Template:
    template: Template = yaml.load((ROOT / "template.yaml").read_text(), _Loader)  # noqa: S506  # a SafeLoader
    for properties in resources(template, "AWS::Serverless::Function").values():
        merged = _merged(template["Globals"]["Function"], properties)
        properties.clear()
        properties.update(merged)
    return template


def _merged(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = copy.deepcopy(dict(common))
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(whole.get(key), dict)
        whole[key] = _merged(whole[key], value) if both else value
    return whole


def resources(template: Template, kind: str) -> Resources:
    """Return logical id → properties of all resources of a type."""
    return {
        name: resource.setdefault("Properties", {})
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


def named(value: object) -> str | None:
    """Return the logical id that a `Ref` or `GetAtt` names."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            return name
    return None


def sources(template: Template) -> Iterator[tuple[str, dict[str, Any], str, dict[str, Any]]]:
    """Yield each function and queue that it consumes: name, properties, the queue's name, the event's properties."""
    for name, function in resources(template, "AWS::Serverless::Function").items():
        for event in function.get("Events", {}).values():
            queue = named(event["Properties"]["Queue"])
            assert queue, f"{name} consumes what is no queue of this stack"
            yield name, function, queue, event["Properties"]


def dead_letter_queues(template: Template) -> set[str]:
    """Return the queues that nothing consumes."""
    return set(resources(template, QUEUE)) - {queue for _, _, queue, _ in sources(template)}


def listed(value: object) -> list[Any]:
    """Return what a policy gives as one or as a list, always as a list."""
    return value if isinstance(value, list) else [value]


def matches(pattern: object, event: object) -> bool:
    """Tell whether an event pattern matches, as far as this template's patterns go: exact values and `exists`."""
    if isinstance(pattern, dict):
        fields = event if isinstance(event, dict) else {}
        return all(matches(wanted, fields.get(key)) for key, wanted in pattern.items())
    assert isinstance(pattern, list)
    return any(wanted == {"exists": False} if event is None else wanted == event for wanted in pattern)
