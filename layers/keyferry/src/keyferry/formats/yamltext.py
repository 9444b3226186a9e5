"""YAML as text that says what it says: no aliases, no duplicate keys, no tags; numbers keep their text.

Imported only where a template reads or writes YAML, and by the command line.
"""

import re
from typing import Any

import yaml
from yaml.events import AliasEvent, CollectionStartEvent, NodeEvent, ScalarEvent
from yaml.nodes import MappingNode, Node, ScalarNode

from keyferry.formats.jsontext import DuplicateKeyError, Number, escape_surrogates

_FLOAT = "tag:yaml.org,2002:float"
_JSON_FLOAT = re.compile(r"^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$")
"""A number of JSON; YAML 1.1, which the library knows, takes 1e5 for text, and other readers do not."""
_OCTAL = re.compile(r"^0o[0-7]+$")


class PlainLoader(yaml.SafeLoader):
    """Composes nodes, and refuses what makes YAML more than what is written."""

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:  # noqa: ANN401  # as the library has it
        """Compose one node."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        problem = ""
        if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor is not None):
            problem = "anchors and aliases are not allowed; write the value out, or text that begins so in quotes"
        elif isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag is not None:
            problem = f"tags like {event.tag} are not allowed; write the value alone"
        if problem:
            mark: Any = event.start_mark  # the C loader has marks of another class
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        return super().compose_node(parent, index)


class _Reader(PlainLoader):
    """Makes plain data of the kinds that JSON has."""


class _Writer(yaml.SafeDumper):
    """Writes block style, in the order that there is."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        """Write every value out."""
        return True


def parse(text: str) -> Any:  # noqa: ANN401  # YAML is anything
    """Return what one YAML document says, in the kinds that JSON has.

    Raises:
        DuplicateKeyError: a key is there twice.
        ValueError: it is not YAML, or more than plain data. The text holds nothing of it.
    """
    try:
        return yaml.load(text, _Reader)  # noqa: S506  # a safe loader
    except DuplicateKeyError:
        raise
    except (ValueError, yaml.YAMLError, RecursionError):
        raise ValueError("not YAML, or not plain: without anchors, tags, and keys that are no text") from None


def text(value: object) -> str:
    """Return YAML in block style, without the last line end, as Helm's `toYaml` does.

    Raises:
        yaml.YAMLError: YAML cannot say it.
    """
    made = yaml.dump(value, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=2**31, default_flow_style=False)
    return made.removesuffix("...\n").removesuffix("\n")


def _number(_loader: _Reader, node: ScalarNode) -> Number:
    return Number(node.value)


def _mapping(loader: _Reader, node: MappingNode) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise ValueError("a key that is no text")  # noqa: TRY004  # of the text that is read
        if key in made:
            raise DuplicateKeyError(escape_surrogates(key))
        made[key] = loader.construct_object(value_node, deep=True)
    return made


def _write_text(dumper: _Writer, value: str) -> ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


def _write_number(dumper: _Writer, value: Number) -> ScalarNode:
    return dumper.represent_scalar(_FLOAT, value.text)


# What is no text: as YAML 1.2 has it, numbers as JSON has them. The library's own rules are those of YAML 1.1, where no
# is false and 12:30 is 750.
_Reader.yaml_implicit_resolvers = {}
_Reader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Reader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^([Tt]rue|TRUE|[Ff]alse|FALSE)$"), list("tTfF"))
_Reader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?(0|[1-9]\d*)$"), list("-0123456789"))
_Reader.add_implicit_resolver(_FLOAT, _JSON_FLOAT, list("-0123456789"))
_Reader.add_constructor(_FLOAT, _number)
_Reader.add_constructor("tag:yaml.org,2002:map", _mapping)
# What other readers, by either version of YAML, would not take for text: it is written in quotes.
_Writer.add_implicit_resolver(_FLOAT, _JSON_FLOAT, list("-0123456789"))
_Writer.add_implicit_resolver("tag:yaml.org,2002:int", _OCTAL, ["0"])
_Writer.add_representer(str, _write_text)
_Writer.add_representer(Number, _write_number)
