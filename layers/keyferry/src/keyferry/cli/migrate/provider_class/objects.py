"""Reads `objects` of a SecretProviderClass: a list in YAML, inside a text of the manifest.

What is read is what the AWS provider reads of it (sigs.k8s.io/yaml, on a struct): names of fields in any case, fields
that it does not know left out, numbers where it wants text. What it reads otherwise than it looks is refused.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from keyferry.cli.migrate.model import FieldPath, Refusal

PATH: FieldPath = ("spec", "parameters", "objects")
"""Where the text is in a manifest."""
IN_QUOTES = "put it in quotes"
_ENTRY = ("objectName", "objectAlias", "objectVersion", "objectVersionLabel", "objectType", "filePermission")
_JMES = ("path", "objectAlias", "filePermission")
_FAILOVER = ("objectName", "objectVersion", "objectVersionLabel")
_LISTS = ("jmesPath", "failoverObject")
_SAMPLE = "write it as `- objectName: prod/db`, with `objectType: secretsmanager` in the next line"
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_LIKE_A_NUMBER = re.compile(
    r"[-+]?(0[box][0-9a-fA-F_]*|\.?[0-9][0-9._]*([eE][-+]?[0-9_]*)?|\.(inf|nan))", re.IGNORECASE
)
_BOOLEANS = frozenset({"y", "n", "yes", "no", "on", "off"})
_NOTHING = ("", "~", "null", "Null", "NULL")
_TEMPLATES = ("{{", "{%", "<%")
_PLACEHOLDER = re.compile(r"\{\{|\$\{|\$\(|<[^<>]*>")
_RENDER = "render it first, as helm template … | keyferry migrate -"


@dataclass(frozen=True)
class Text:
    """A text, and where it stands."""

    text: str
    line: int
    """The line in the text of `objects`, from 0."""

    def __str__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        return bool(self.text)


NOTHING = Text("", 0)


@dataclass(frozen=True)
class Entry:
    """One entry of `objects`, of a `jmesPath` or a `failoverObject`: its fields with text, and what is below it."""

    line: int
    """The first line in the text of `objects`, from 0."""
    fields: Mapping[str, Text]
    jmes: tuple["Entry", ...] = ()
    failover: "Entry | None" = None

    def get(self, name: str) -> Text:
        """Return a field; an empty text where it has none."""
        return self.fields.get(name, NOTHING)

    def refuse(self, what: str, remedy: str, field: str = "") -> Refusal:
        """Return the reason that something is wrong with the entry, or with a field of it."""
        return refuse(what, remedy, self.fields[field].line if field in self.fields else self.line)


def refuse(what: str, remedy: str, line: int = 0) -> Refusal:
    """Return a reason that is about a line in the text of `objects`, from 0."""
    return Refusal(what, remedy, (*PATH, line))


def parse(text: str) -> list[Entry]:
    """Return the entries of a text.

    Raises:
        Refusal: it is no YAML, no list of objects, or has something that the provider does not take.
    """
    node = _compose(text)
    if node is None or (isinstance(node, ScalarNode) and _read_scalar(node, "objects") is None):
        return []
    if not isinstance(node, SequenceNode):
        what = "objects is no list, and the provider fails to load it"
        remedy = f"{_SAMPLE}; `array:` and texts below it are of the provider of Azure"
        raise refuse(what, remedy, node.start_mark.line)
    return [_read_entry(item, "objects", (*_ENTRY, *_LISTS)) for item in node.value]


def _compose(text: str) -> Node | None:
    try:
        node: Node | None = yaml.compose(text, Loader=yaml.CBaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line if mark else 0
        raise refuse(*_explain(text, error.problem or "cannot be read", line), line) from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise refuse("objects is not YAML, and the provider fails to load it", _SAMPLE) from None
    return node


def _explain(text: str, problem: str, line: int) -> tuple[str, str]:
    """Return what is wrong in a text that is no YAML, and what to do."""
    lines = text.splitlines()
    wrong = " ".join(lines[max(0, line - 1) : line + 1])
    what = f"objects is not YAML, and the provider fails to load it: {problem}"
    if any(sign in wrong for sign in _TEMPLATES):
        return f"{what}; a placeholder is left in it", _RENDER
    if "\t" in wrong:
        return f"{what}; it has a tab", "indent it by blanks alone"
    return what, f"look at the indentation of its lines; {_SAMPLE}"


def _read_entry(node: Node, where: str, known: tuple[str, ...]) -> Entry:
    line = node.start_mark.line
    if isinstance(node, ScalarNode) and _read_scalar(node, where) is None:
        raise refuse("an entry is empty (Empty descriptor entry)", "take its dash out", line)
    if not isinstance(node, MappingNode):
        raise refuse(f"an entry of {where} has no fields, and the provider fails to load it", _SAMPLE, line)
    members = dict(_list_members(node, known))
    fields = {name: _read_text(part, name) for name, part in members.items() if name in known and name not in _LISTS}
    jmes, failover = members.get("jmesPath"), members.get("failoverObject")
    return Entry(line, fields, _read_jmes(jmes), _read_failover(failover))


def _list_members(node: MappingNode, known: tuple[str, ...]) -> Iterator[tuple[str, Node]]:
    """Yield the fields of an entry by the names that the provider has for them."""
    names = {name.lower(): name for name in known}
    seen = set[str]()
    for key, value in node.value:
        written = key.value if isinstance(key, ScalarNode) else ""
        if written in ("<<", *_NOTHING):
            raise refuse("an entry has a key that is no name", "write the names of fields alone", key.start_mark.line)
        name = names.get(written.lower(), written)
        if name in seen:
            raise refuse(f"{written} is given twice", "take one of them out", key.start_mark.line)
        seen.add(name)
        yield name, value


def _read_jmes(node: Node | None) -> tuple[Entry, ...]:
    if node is None or (isinstance(node, ScalarNode) and _read_scalar(node, "jmesPath") is None):
        return ()
    if not isinstance(node, SequenceNode):
        remedy = "write each as `- path: password`, with `objectAlias: db-password` in the next line"
        raise refuse("jmesPath is no list, and the provider fails to load it", remedy, node.start_mark.line)
    return tuple(_read_entry(item, "jmesPath", _JMES) for item in node.value)


def _read_failover(node: Node | None) -> Entry | None:
    if node is None or (isinstance(node, ScalarNode) and _read_scalar(node, "failoverObject") is None):
        return None
    return _read_entry(node, "failoverObject", _FAILOVER)


def _read_text(node: Node, name: str) -> Text:
    line = node.start_mark.line
    if isinstance(node, MappingNode) and any(isinstance(key, MappingNode) for key, _ in node.value):
        raise refuse(f"{name} has a placeholder left in it", _RENDER, line)
    if not isinstance(node, ScalarNode):
        raise refuse(f"{name} is no text, and the provider fails to load it", f"write a text for {name}", line)
    text = _read_scalar(node, name) or ""
    if name != "path" and _PLACEHOLDER.search(text):
        raise refuse(f"{name} has a placeholder left in it, {text}", _RENDER, line)
    return Text(text, line)


def _read_scalar(node: ScalarNode, name: str) -> str | None:
    """Return the text of a scalar as the provider reads it; None for nothing."""
    value: Any = node.value
    if node.tag not in ("tag:yaml.org,2002:str", "!"):
        raise refuse(f"{name} has a tag, {node.tag}", "take the tag out", node.start_mark.line)
    if node.style:
        return str(value)
    if value in _NOTHING:
        return None
    if value in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return str(value).lower()
    is_number = _LIKE_A_NUMBER.fullmatch(value) and not _INTEGER.fullmatch(value)
    if value == "<<" or value.lower() in _BOOLEANS or is_number:
        what = f"{name} is {value}, which is no text for YAML, and the provider makes another one of it"
        raise refuse(what, IN_QUOTES, node.start_mark.line)
    return str(value)
