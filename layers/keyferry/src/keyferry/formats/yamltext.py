"""The dialect of YAML of mapping files, of the filters of templates, and of generated files.

It is the core schema of YAML 1.2.2 (section 10.3) without anchors, tags, keys that are no text, or keys that are given
twice: what is read is what is written. Imported only where a template reads or writes YAML, and by the command line.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from keyferry.formats import jsontext
from keyferry.formats.jsontext import DuplicateKeyError, Number

type FieldPath = tuple[str | int, ...]
"""The keys and indexes that lead to a part of a document, such as `("spec", "clusters", 0)`."""
type Position = tuple[int, int]
"""Line and column, from 1."""

_TEXT, _BOOL, _FLOAT = "tag:yaml.org,2002:str", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:float"
_DECIMAL = re.compile(r"([-+]?)0*([0-9]*)(\.[0-9]*)?([eE][-+]?[0-9]+)?")
_LIKE_A_NUMBER = re.compile(r"[-+]?(0[box][0-9a-fA-F_]*|[0-9._]+([eE][-+]?[0-9_]*)?)\Z")
"""What some reader, of either version of YAML, takes for a number."""
_IN_QUOTES = re.compile("[\x85\u2028\u2029]|\n\\Z")
"""Line ends that YAML 1.1 alone knows, and one at the end, which a template may cut off."""


class InvalidYaml(ValueError):
    """A text is not YAML, or has anchors, aliases or tags. What it says can quote the text."""

    def __init__(self, position: Position, problem: str, since: Position | None = None) -> None:
        super().__init__(problem)
        self.position = position
        self.since = since
        """Where the part begins that was being read, if the parser tells that."""


@dataclass(frozen=True)
class Positions:
    """The positions of a document's values and keys, and the problems with them."""

    values: dict[FieldPath, Position] = field(default_factory=dict)
    keys: dict[FieldPath, Position] = field(default_factory=dict)
    problems: list[tuple[FieldPath, Position, str]] = field(default_factory=list)
    """The path and the position of each problem, and what is wrong."""
    repeated: list[int] = field(default_factory=list)
    """The lines of keys that are given for the second time; `problems` has them too."""


def compose(text: str) -> Iterator[Node]:
    """Yield the documents of a text as nodes, which have positions; an empty document is a null.

    Raises:
        InvalidYaml: the text is not YAML, or has anchors, aliases or tags.
        RecursionError: the text is nested too deeply.
    """
    try:
        composer = _Composer(text)
        while composer.check_node():
            yield composer.compose_document()  # type: ignore[misc]  # there is one
    except ReaderError as error:
        before = text.encode()[: int(error.position)].decode()
        position = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise InvalidYaml(position, "a control character; remove it") from None
    except yaml.MarkedYAMLError as error:
        since = _position(error.context_mark) if error.context else None
        context = f" ({error.context} from line {since[0]})" if since else ""
        raise InvalidYaml(_position(error.problem_mark), f"not YAML: {error.problem}{context}", since) from None


def construct(node: Node, positions: Positions, path: FieldPath = ()) -> Any:  # noqa: ANN401  # YAML is anything
    """Return the value of a node, in the types that JSON has. Parts with a problem are left out.

    Args:
        node: a document, or a part of one.
        positions: is filled with the positions of all parts, and with the problems.
        path: the path of the node.

    Raises:
        RecursionError: the node is nested too deeply.
    """
    positions.values[path] = position = _position(node.start_mark)
    if isinstance(node, MappingNode):
        return dict(_items(node.value, positions, path))
    if isinstance(node, SequenceNode):
        return [construct(item, positions, (*path, number)) for number, item in enumerate(node.value)]
    try:
        return _CORE[node.tag][2](node.value) if node.tag in _CORE else node.value
    except ValueError:
        positions.problems.append((path, position, "a number with too many digits; write it in quotes"))
        return None


def parse(text: str) -> Any:  # noqa: ANN401  # YAML is anything
    """Return the value of a text that is one YAML document, in the types that JSON has.

    Raises:
        DuplicateKeyError: a key is given twice.
        ValueError: the text is not YAML, or has more than plain data. The message quotes nothing of it.
    """
    positions, documents = Positions(), list[Any]()
    try:
        for node in compose(text):
            if documents:
                raise ValueError(f"line {_position(node.start_mark)[0]} is of a second document, and one is read")
            documents.append(construct(node, positions))
    except InvalidYaml as error:
        raise ValueError(_describe_refusal(error.position, error.since)) from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if positions.repeated:
        raise DuplicateKeyError(f"line {positions.repeated[0]} has a key that is there already")
    if positions.problems:
        raise ValueError(_describe_refusal(positions.problems[0][1]))
    return documents[0] if documents else None


def _describe_refusal(position: Position, since: Position | None = None) -> str:
    beginning = f", in what begins in line {since[0]}" if since and since[0] < position[0] else ""
    plain = "without anchors, tags, and keys that are no text"
    return f"not YAML in line {position[0]}{beginning}; or not plain: {plain}"


def text(value: object, *, flow: bool = False, width: int = 2**31) -> str:
    """Return a value as YAML that means the same in YAML 1.1 and 1.2, without the last line end, as Helm's `toYaml`.

    Args:
        value: anything that JSON has, with numbers as `parse` returns them.
        flow: whether to write lists and mappings in brackets and braces.
        width: the length of lines in characters, at which longer text is folded.

    Raises:
        yaml.YAMLError: the value has a type that YAML has not.
    """
    written = yaml.dump(
        value, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=width, default_flow_style=flow
    )
    return written.removesuffix("\n...\n").removesuffix("\n")


class _Composer(Composer, yaml.CBaseLoader):
    """Makes nodes of what libyaml reads, and refuses what makes YAML more than what is written."""

    def __init__(self, text: str) -> None:
        yaml.CBaseLoader.__init__(self, text)

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:  # noqa: ANN401  # as the library has it
        event: Any = self.peek_event()
        if event.anchor is not None:
            problem = "anchors and aliases are not allowed; write the value out, or text that begins so in quotes"
            raise InvalidYaml(_position(event.start_mark), problem)
        if event.tag is not None:
            problem = "tags are not allowed; write the value alone, or text that begins with ! in quotes"
            raise InvalidYaml(_position(event.start_mark), problem)
        return super().compose_node(parent, index)


class _Writer(yaml.SafeDumper):
    """Writes every value out, in the order that there is; what YAML 1.1 takes for no text, it quotes by itself."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def _items(pairs: Sequence[tuple[Node, Node]], positions: Positions, path: FieldPath) -> Iterator[tuple[str, Any]]:
    lines: dict[str, int] = {}
    for key_node, value_node in pairs:
        key, position = key_node.value, _position(key_node.start_mark)
        if not isinstance(key_node, ScalarNode):
            problem = 'a key is text, no list or mapping; a template is written in quotes, as "{{ db.password }}"'
        elif key_node.tag != _TEXT:
            problem = f'a key is text: write it in quotes, as "{key}"'
        elif key in lines:
            problem = f"{key} appears twice (first on line {lines[key]}); keep one of them"
            positions.repeated.append(position[0])
        else:
            lines[key], positions.keys[*path, key] = position[0], position
            yield key, construct(value_node, positions, (*path, key))
            continue
        positions.problems.append(((*path, key) if isinstance(key_node, ScalarNode) else path, position, problem))


def _number(text: str) -> int | Number:
    """Return a number. One that JSON spells otherwise, as 0777, 0x1F, .5 or .inf, keeps its text beside that."""
    decimal = _DECIMAL.fullmatch(text)
    if decimal:
        sign, digits, fraction, exponent = decimal.groups("")
        spelled = f"{sign.strip('+')}{digits or '0'}{fraction.removesuffix('.')}{exponent}"
        return jsontext.parse(text.encode()) if spelled == text else Number(text, spelled)
    return Number(text, str(int(text, 0)) if text[0] == "0" else text.lower().replace(".", ""))


def _position(mark: Any) -> Position:  # noqa: ANN401  # the library has two classes of marks
    return mark.line + 1, mark.column + 1


def _write_text(writer: _Writer, value: str) -> ScalarNode:
    return writer.represent_scalar(_TEXT, value, '"' if _IN_QUOTES.search(value) else "|" if "\n" in value else None)


def _write_number(writer: _Writer, value: Number) -> ScalarNode:
    spelled = value.spelled if value.spelled[-1].isdigit() else value.text
    tag: str = writer.resolve(ScalarNode, spelled, (True, False))  # type: ignore[no-untyped-call]
    return writer.represent_scalar(tag, spelled)


_CORE: dict[str, tuple[str, list[str], Callable[[str], Any]]] = {
    "tag:yaml.org,2002:null": (r"~|null|Null|NULL|", ["~", "n", "N", ""], lambda _: None),
    _BOOL: (r"true|True|TRUE|false|False|FALSE", list("tTfF"), lambda text: text.lower() == "true"),
    "tag:yaml.org,2002:int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789"), _number),
    _FLOAT: (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN",
        list("-+.0123456789"),
        _number,
    ),
}
"""What is no text where it stands without quotes: its pattern, how it can begin, and what it means."""
for _tag, (_pattern, _beginnings, _) in _CORE.items():
    _Composer.add_implicit_resolver(_tag, re.compile(rf"({_pattern})\Z"), _beginnings)
_Writer.add_implicit_resolver(_BOOL, re.compile(r"[yYnN]\Z"), list("yYnN"))  # in YAML 1.1, but not in the library
_Writer.add_implicit_resolver(_FLOAT, _LIKE_A_NUMBER, list("-+.0123456789"))
_Writer.add_representer(str, _write_text)
_Writer.add_multi_representer(str, _write_text)
_Writer.add_representer(Number, _write_number)
_Writer.add_representer(jsontext.Object, yaml.SafeDumper.represent_dict)
_Writer.add_representer(jsontext.Array, yaml.SafeDumper.represent_list)
