"""The syntax tree of a Go template."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Dot:
    """`.`."""


@dataclass(frozen=True)
class Nil:
    """`nil`."""


@dataclass(frozen=True)
class Constant:
    """A text, a whole number, a number with a fraction, or a boolean."""

    value: str | int | float | bool


@dataclass(frozen=True)
class Name:
    """A function."""

    name: str


@dataclass(frozen=True)
class Variable:
    """`$name`, or `$` alone, which is where the template began."""

    name: str


@dataclass(frozen=True)
class Fields:
    """`.a.b` of a value."""

    holder: "Operand"
    names: tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """A function with its arguments, or a value alone."""

    operands: tuple["Operand", ...]
    line: int


@dataclass(frozen=True)
class Pipeline:
    """Commands, each of which gets what the one before makes; perhaps into variables."""

    commands: tuple[Command, ...]
    variables: tuple[str, ...]
    is_assignment: bool
    line: int


Operand = Dot | Nil | Constant | Name | Variable | Fields | Pipeline


@dataclass(frozen=True)
class TextNode:
    """Text."""

    text: str


@dataclass(frozen=True)
class Output:
    """`{{ pipeline }}`."""

    pipeline: Pipeline


@dataclass(frozen=True)
class Branch:
    """`if`, `with` or `range`."""

    kind: str
    pipeline: Pipeline
    body: tuple["Node", ...]
    other: tuple["Node", ...]
    line: int


@dataclass(frozen=True)
class Leave:
    """`break` or `continue`."""

    kind: str
    line: int


@dataclass(frozen=True)
class Call:
    """`template "name" pipeline`."""

    name: str
    pipeline: Pipeline | None
    line: int


Node = TextNode | Output | Branch | Leave | Call
