"""YAML as kubectl reads it: version 1.1 by sigs.k8s.io/yaml, whose results are those of JSON.

`yes` and `on` are booleans there, `0777` is a number of eight, `12:30` and dates are text, a key that is a number or a
boolean becomes its text, and `<<` merges. Facts: its goyaml.v2/resolve.go and yaml.go (convertToJSONableObject).
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from keyferry.cli.migrate.model import FieldPath

MAX_PARTS = 500_000
"""The most parts of a document, aliases resolved: a few lines of YAML can stand for billions."""
_BOOLEANS = {
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"], False),
}
_NULLS = ("", "~", "null", "Null", "NULL")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_ODD_FLOAT = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)\Z")
_PREFIXED = re.compile(r"([-+]?)0([bBoOxX]?)([0-9a-fA-F]+)\Z")
_BASES = {"b": 2, "o": 8, "x": 16, "": 8}
_TEXT, _PLAIN = "tag:yaml.org,2002:str", "plain"


class InvalidManifest(ValueError):
    """A document is no YAML that Kubernetes reads. The message quotes nothing of it but names of keys."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


def parse(text: str, first_line: int) -> tuple[Any, dict[FieldPath, int]]:
    """Return the value of one document, in the types of JSON, and the line of each of its parts.

    Args:
        text: the document.
        first_line: the line of the file that it begins on.

    Raises:
        InvalidManifest: it is not YAML, has a key twice, or stands for too much.
    """
    try:
        node = _Composer(text).get_single_node()
        reader = _Reader(first_line)
        return (reader.read(node, ()) if node else None), reader.lines
    except ReaderError as error:
        before = text.encode()[: int(error.position)].decode(errors="replace")
        raise InvalidManifest(first_line + before.count("\n"), "a control character; remove it") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark else 0
        raise InvalidManifest(first_line + line, f"not YAML: {error.problem}") from None
    except RecursionError:
        raise InvalidManifest(first_line, "nested too deeply, or part of itself") from None


class _Composer(Composer, yaml.CBaseLoader):
    """Makes nodes of what libyaml reads; scalars keep their text, and whether they are in quotes."""

    def __init__(self, text: str) -> None:
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
            raise InvalidManifest(self.first_line, f"stands for more than {MAX_PARTS:,} parts: aliases of aliases")
        self.lines.setdefault(path, self._line(node))
        if isinstance(node, MappingNode):
            return self._read_mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.read(item, (*path, number)) for number, item in enumerate(node.value)]
        if node.tag not in (_TEXT, _PLAIN):
            raise InvalidManifest(self._line(node), "a tag; write text that begins with ! in quotes")
        if isinstance(node, ScalarNode) and node.style == "|":  # manifests have YAML of their own in such texts
            self.lines |= {
                (*path, number): self._line(node) + number + 1 for number in range(node.value.count("\n") + 1)
            }
        return _resolve(node)

    def _read_mapping(self, node: MappingNode, path: FieldPath) -> dict[str, Any]:
        merged, own = dict[str, Any](), dict[str, Any]()
        for key_node, value_node in node.value:
            if _is_merge(key_node):
                merged = self._merge(value_node, path) | merged
                continue
            key = self._read_key(key_node)
            if key in own:
                raise InvalidManifest(self._line(key_node), f"{key} is given twice; keep one of them")
            self.lines[*path, key] = self._line(key_node)
            own[key] = self.read(value_node, (*path, key))
        return own | {key: value for key, value in merged.items() if key not in own}

    def _merge(self, node: Node, path: FieldPath) -> dict[str, Any]:
        """Return what `<<` takes from another mapping, or from a list of them, of which the first one wins."""
        nodes = node.value if isinstance(node, SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for each in nodes:
            value = self.read(each, path)
            if not isinstance(value, dict):
                raise InvalidManifest(self._line(each), "<< takes a mapping, or a list of mappings")
            merged = value | merged
        return merged

    def _read_key(self, node: Node) -> str:
        if not isinstance(node, ScalarNode):
            problem = "a key that is no text; a placeholder as {{ .Values.name }} or {{NAME}} has to be filled in first"
            raise InvalidManifest(self._line(node), problem)
        key = _resolve(node)
        return node.value if isinstance(key, str) or key is None else _spell(key)

    def _line(self, node: Node) -> int:
        return int(node.start_mark.line) + self.first_line


def _is_merge(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.value == "<<" and node.tag == _PLAIN


def _spell(key: object) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _resolve(node: Node) -> Any:  # noqa: ANN401  # YAML is anything
    """Return the value of a scalar: text if it is in quotes or in a block, or if it is nothing else."""
    text = node.value
    if node.tag == _TEXT:
        return text
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    return text if not (text[0].isdigit() or text[0] in "+-.") else _read_number(text)


def _read_number(text: str) -> int | float | str:
    """Return what a plain text that may be a number stands for."""
    plain = text.replace("_", "")
    try:
        if prefixed := _PREFIXED.match(plain):
            return int(prefixed[1] + prefixed[3], _BASES[prefixed[2].lower()])
        return int(plain) if plain.lstrip("+-").isdecimal() and plain.isascii() else _read_float(plain, text)
    except ValueError:  # as 089
        return _read_float(plain, text)


def _read_float(plain: str, text: str) -> float | str:
    if _FLOAT.match(plain):
        return float(plain)
    return float(text.replace(".", "", 1)) if _ODD_FLOAT.match(text) else text


def split(text: str) -> Iterator[tuple[int, str]]:
    """Yield the documents of a text, each with the line that it begins on: at each line that begins with ---.

    As with kubectl (apimachinery's util/yaml/decoder.go), each of them ends with a line end, also the last one.
    """
    first, lines = 1, list[str]()
    for number, line in enumerate(text.split("\n"), 1):
        if line.rstrip() == "---" or line.startswith(("--- ", "---\t")):
            yield first, "\n".join([*lines, ""])
            first, lines = number, ["   " + line[3:] if line[3:].strip() else ""]
        else:
            lines.append(line)
    yield first, "\n".join([*lines, ""])
