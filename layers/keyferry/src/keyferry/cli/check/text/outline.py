"""The outline of a text that is not YAML: its quotes, brackets and comments, read as well as such a text allows."""

import re
from dataclasses import dataclass, field

from keyferry.formats.yamltext import Position

_CLOSERS = {"{": "}", "[": "]"}
_BLOCK = re.compile(r"(^|[:-] +)[|>][-+0-9]*\s*$")
_KEY = re.compile(r"^\s*(- +)*[\w./-]+:( |$)")
_BEFORE_A_VALUE = re.compile(r"(^\s*|[:?-] +|^- *)$")


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
    outline, block = Outline(), -1
    for number, line in enumerate(text.splitlines(), 1):
        if block >= 0 and (not line.strip() or indentation(line) > block):
            outline.lines.append("")
            outline.blocks[max(outline.blocks)] = number
            continue
        masked = _read_line(outline, number, line)
        outline.lines.append(masked)
        block = indentation(line) if _BLOCK.search(masked) and not outline.open else -1
        if block >= 0:
            outline.blocks[number] = number
    return outline


def indentation(line: str) -> int:
    """Return how many spaces a line begins with."""
    return len(line) - len(line.lstrip(" "))


def _read_line(outline: Outline, number: int, line: str) -> str:
    """Return a line as `Outline.lines` has it, and note what opens and closes on it."""
    if outline.quote and outline.quote not in outline.quotes and _KEY.match(line):
        outline.quotes.append(outline.quote)
    masked, is_escaped = "", False
    for column, character in enumerate(line, 1):
        if outline.quote:
            is_end = character == outline.quote.character and not is_escaped
            is_escaped = character == "\\" and outline.quote.character == '"' and not is_escaped
            outline.quote = None if is_end else outline.quote
            masked += "x"
        elif character == "#" and masked[-1:] in ("", " ", "\t"):
            outline.comments[number] = column
            break
        else:
            masked += _read_character(outline, Mark(character, (number, column)), masked)
    return masked


def _read_character(outline: Outline, mark: Mark, before: str) -> str:
    """Return what `Outline.lines` has for a character outside of quotes, and note what it opens or closes."""
    begins_a_value = bool(_BEFORE_A_VALUE.search(before) or (outline.open and before.rstrip()[-1:] in ("{", "[", ",")))
    if mark.character in ("'", '"') and begins_a_value:
        outline.quote = mark
        return "x"
    if mark.character in _CLOSERS and (outline.open or begins_a_value):
        outline.open.append(mark)
    elif mark.character in _CLOSERS.values():
        if outline.open and mark.character == _CLOSERS[outline.open[-1].character]:
            outline.open.pop()
            outline.ended = mark.position
        elif outline.open or outline.ended == (mark.position[0], len(before.rstrip())):
            outline.unmatched.append(mark)
    return mark.character
