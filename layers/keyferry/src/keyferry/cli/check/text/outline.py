"""The outline of a text that is not YAML: its quotes, brackets and comments, read as well as such a text allows."""

import re
from dataclasses import dataclass, field

from keyferry.formats.yamltext import Position

_CLOSERS = {"{": "}", "[": "]"}
_BLOCK = re.compile(r"(^|[:-] +)[|>][-+0-9]*\s*$")
_KEY = re.compile(r"^\s*(- +)*[\w./-]+:( |$)")


@dataclass(frozen=True)
class Mark:
    """A quote or a bracket, and where it stands."""

    character: str
    position: Position


@dataclass
class Outline:
    """What is known of a text."""

    lines: list[str] = field(default_factory=list)
    """Its lines without comments and block texts, and with x in place of what stands in quotes."""
    open: list[Mark] = field(default_factory=list)
    """The brackets that are never closed, from the outside to the inside."""
    unmatched: list[Mark] = field(default_factory=list)
    """The closing brackets that close nothing, or another kind of bracket."""
    quotes: list[Mark] = field(default_factory=list)
    """The quotes of texts that go on over a line with a key, as they do where a quote was not closed."""
    comments: dict[int, int] = field(default_factory=dict)
    """Line → the column where its comment begins."""
    blocks: dict[int, int] = field(default_factory=dict)
    """Line that ends in | or > → the last line of the text after it."""
    quote: Mark | None = None
    """The quote that is open at the end."""
    ended: Position = 0, 0
    """Where the last bracket was closed."""


def read(text: str) -> Outline:
    """Return the outline of a text."""
    outline, block, first = Outline(), -1, 0
    for number, line in enumerate(text.splitlines(), 1):
        if block >= 0 and (not line.strip() or indentation(line) > block):
            outline.lines.append("")
            outline.blocks[first] = number
            continue
        masked = _read_line(outline, number, line)
        outline.lines.append(masked)
        block = indentation(line) if _BLOCK.search(masked) and not outline.open else -1
        if block >= 0:
            first = number
            outline.blocks[first] = number
    return outline


def indentation(line: str) -> int:
    """Return how many spaces a line begins with."""
    return len(line) - len(line.lstrip(" "))


@dataclass
class _Line:
    """What was read of a line. It is never looked through again: a line can be as long as a file."""

    masked: list[str] = field(default_factory=list)
    """Its characters as `Outline.lines` has them."""
    last: str = ""
    """The last of them that is no blank."""
    end: int = 0
    """The column of that one."""

    def add(self, character: str) -> None:
        self.masked.append(character)
        if not character.isspace():
            self.last, self.end = character, len(self.masked)

    @property
    def is_before_a_value(self) -> bool:
        """Whether a value can begin here that is not within brackets."""
        is_apart = self.end < len(self.masked)
        return not self.last or (self.last in ":?-" and is_apart) or (self.last == "-" and self.end == 1)


def _read_line(outline: Outline, number: int, line: str) -> str:
    """Return a line as `Outline.lines` has it, and note what opens and closes on it."""
    if outline.quote and outline.quotes[-1:] != [outline.quote] and _KEY.match(line):
        outline.quotes.append(outline.quote)
    read, is_escaped = _Line(), False
    for column, character in enumerate(line, 1):
        if outline.quote:
            is_end = character == outline.quote.character and not is_escaped
            is_escaped = character == "\\" and outline.quote.character == '"' and not is_escaped
            outline.quote = None if is_end else outline.quote
            read.add("x")
        elif character == "#" and (not read.masked or read.masked[-1] in " \t"):
            outline.comments[number] = column
            break
        else:
            read.add(_read_character(outline, Mark(character, (number, column)), read))
    return "".join(read.masked)


def _read_character(outline: Outline, mark: Mark, before: _Line) -> str:
    """Return what `Outline.lines` has for a character outside of quotes, and note what it opens or closes."""
    if mark.character in ("'", '"', *_CLOSERS):
        begins_a_value = before.is_before_a_value or (bool(outline.open) and before.last in ("{", "[", ","))
        if mark.character not in _CLOSERS and begins_a_value:
            outline.quote = mark
            return "x"
        if mark.character in _CLOSERS and (outline.open or begins_a_value):
            outline.open.append(mark)
    elif mark.character in _CLOSERS.values():
        if outline.open and mark.character == _CLOSERS[outline.open[-1].character]:
            outline.open.pop()
            outline.ended = mark.position
        elif outline.open or outline.ended == (mark.position[0], before.end):
            outline.unmatched.append(mark)
    return mark.character
