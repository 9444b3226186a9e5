"""YAML as kubectl and External Secrets read it: version 1.1 by sigs.k8s.io/yaml, whose results are those of JSON.

`yes` and `on` are booleans there, `0777` is a number of eight, `12:30` and dates are text, a key that is a number or a
boolean becomes its text, and `<<` merges. Facts: its goyaml.v2/resolve.go and yaml.go (convertToJSONableObject);
`make oracle` compares.
"""

import math
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from keyferry.formats.goyaml.scalars import resolve, write_text
from keyferry.formats.yamltext import FieldPath

MAX_PARTS = 500_000
"""The most parts of a document, aliases resolved: a few lines of YAML can stand for billions."""
_TEXT, _PLAIN = "tag:yaml.org,2002:str", "plain"
_LETTERS = ("y", "Y", "n", "N")
"""Booleans for Go, and text for most others, who write them without quotes. In manifests they are text: a manifest in
which they are not meant so is none that a cluster has, or has a key `true`, which nobody meant."""


class InvalidYaml(ValueError):
    """A document is no YAML that Kubernetes reads, or more than is read here. It quotes names of keys alone."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


def parse(text: str, first_line: int) -> tuple[Any, dict[FieldPath, int]]:
    """Return the value of one document, in the types of JSON, and the line of each of its parts.

    Args:
        text: the document.
        first_line: the line of the file that it begins on.

    Raises:
        InvalidYaml: it is not YAML, has a key twice, or stands for too much.
    """
    try:
        node = _Composer(text, first_line).get_single_node()
        reader = _Reader(first_line)
        return (reader.read(node, ()) if node else None), reader.lines
    except ReaderError as error:
        before = text.encode()[: int(error.position)].decode(errors="replace")
        raise InvalidYaml(first_line + before.count("\n"), "a control character; remove it") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark else 0
        raise InvalidYaml(first_line + line, f"not YAML: {error.problem}") from None
    except RecursionError:
        raise InvalidYaml(first_line, "nested too deeply, or part of itself") from None


def parse_texts(text: str) -> dict[str, str]:
    """Return the keys of a document, each with its text, as `templateAs: KeysAndValues` of External Secrets has them.

    Raises:
        ValueError: it is not YAML, no mapping, or has more than a text, number, true, false or null. The message quotes
            nothing of it.
    """
    try:
        node = _Composer(text, 1).get_single_node()
        return {} if node is None or _is_null(node) else _Reader(1).read_texts(node)
    except InvalidYaml as error:
        raise ValueError(f"not YAML of keys with a text each, in line {error.line}") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ValueError(f"not YAML of keys with a text each, in line {line}") from None
    except (ReaderError, RecursionError):
        raise ValueError("not YAML of keys with a text each") from None


def _is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == _PLAIN and _read(node) is None


def _read(node: ScalarNode) -> str | bool | float | None:
    """Return the value of a scalar: text if it is in quotes or in a block."""
    return resolve(node.value) if node.tag == _PLAIN else str(node.value)


class _Composer(Composer, yaml.CBaseLoader):
    """Makes nodes of what libyaml reads; scalars keep their text, and whether they are in quotes."""

    def __init__(self, text: str, first_line: int) -> None:
        try:
            text.encode()
        except UnicodeEncodeError as error:  # libyaml has another error for it, which is none of YAML
            raise InvalidYaml(first_line + text.count("\n", 0, error.start), "half a character") from None
        yaml.CBaseLoader.__init__(self, text)
        Composer.__init__(self)

    def resolve(self, kind: type[Node], value: Any, implicit: Any) -> str:  # noqa: ANN401  # as the library has it
        """Return the tag of a node that has none."""
        if kind is ScalarNode and implicit[0]:
            return _PLAIN
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]  # as the library has it


class _Reader:
    """Makes the values of the nodes of one document."""

    def __init__(self, first_line: int) -> None:
        self.first_line, self.parts = first_line, 0
        self.lines: dict[FieldPath, int] = {}

    def read(self, node: Node, path: FieldPath) -> Any:  # noqa: ANN401  # YAML is anything
        """Return the value of a node, and note the lines of its parts."""
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise InvalidYaml(self.first_line, f"stands for more than {MAX_PARTS:,} parts: aliases of aliases")
        self.lines.setdefault(path, self._line(node))
        if isinstance(node, MappingNode):
            return self._read_mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.read(item, (*path, number)) for number, item in enumerate(node.value)]
        value = node.value if _is_letter(node) else self._read_scalar(node)
        if isinstance(node, ScalarNode) and node.style == "|":  # manifests have YAML of their own in such texts
            self.lines |= {
                (*path, number): self._line(node) + number + 1 for number in range(node.value.count("\n") + 1)
            }
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidYaml(self._line(node), "a number that is infinite, or none; write it in quotes")
        return value

    def _read_scalar(self, node: Node) -> Any:  # noqa: ANN401  # as above
        if not isinstance(node, ScalarNode):
            raise InvalidYaml(self._line(node), "no text")
        if node.tag not in (_TEXT, _PLAIN):
            raise InvalidYaml(self._line(node), "a tag; write text that begins with ! in quotes")
        return _read(node)

    def _read_mapping(self, node: MappingNode, path: FieldPath) -> dict[str, Any]:
        merged, own = dict[str, Any](), dict[str, Any]()
        for key_node, value_node in node.value:
            if _is_merge(key_node):
                merged = self._merge(value_node, path) | merged
                continue
            key = str(key_node.value) if _is_letter(key_node) else self._read_key(key_node)
            if key in own:
                raise InvalidYaml(self._line(key_node), f"{key} is given twice; keep one of them")
            self.lines[*path, key] = self._line(key_node)
            own[key] = self.read(value_node, (*path, key))
        return own | {key: value for key, value in merged.items() if key not in own}

    def read_texts(self, node: Node) -> dict[str, str]:
        """Return the texts of a mapping of scalars, without `<<`."""
        texts: dict[str, str] = {}
        if not isinstance(node, MappingNode):
            raise InvalidYaml(self._line(node), "no mapping")
        for key_node, value_node in node.value:
            key = self._read_key(key_node)
            if key in texts or _is_merge(key_node):
                raise InvalidYaml(self._line(key_node), "a key that is given twice, or merges")
            texts[key] = write_text(self._read_scalar(value_node))
        return texts

    def _merge(self, node: Node, path: FieldPath) -> dict[str, Any]:
        """Return what `<<` takes from another mapping, or from a list of them, of which the first one wins."""
        nodes = node.value if isinstance(node, SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for each in nodes:
            value = self.read(each, path)
            if not isinstance(value, dict):
                raise InvalidYaml(self._line(each), "<< takes a mapping, or a list of mappings")
            merged = value | merged
        return merged

    def _read_key(self, node: Node) -> str:
        if not isinstance(node, ScalarNode):
            problem = "a key that is no text; a placeholder as {{ .Values.name }} or {{NAME}} has to be filled in first"
            raise InvalidYaml(self._line(node), problem)
        key = _read(node)
        if key is None or (isinstance(key, float) and not math.isfinite(key)):
            raise InvalidYaml(self._line(node), f"the key {node.value}; write it in quotes")
        return write_text(key)

    def _line(self, node: Node) -> int:
        return int(node.start_mark.line) + self.first_line


def _is_letter(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == _PLAIN and node.value in _LETTERS


def _is_merge(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.value == "<<" and node.tag == _PLAIN
