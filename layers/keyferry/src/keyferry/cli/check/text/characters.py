"""Characters that look like those of YAML and are others: where they stand, and what would be right."""

import re
from collections.abc import Iterator, Sequence

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from keyferry.formats.yamltext import FieldPath, Position

_INVISIBLE = {
    "\u00a0": "a non-breaking space",
    "\u202f": "a non-breaking space",
    "\u2007": "a non-breaking space",
    "\u3000": "a wide space",
    "\u200b": "a space without width",
    "\u200c": "a character without width",
    "\u200d": "a character without width",
    "\u2060": "a character without width",
    "\ufeff": "a byte order mark",
    "\u00ad": "a soft hyphen",
    "\u200e": "a mark of the direction of writing",
    "\u200f": "a mark of the direction of writing",
}
_QUOTES = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212\u2022"
_WIDE = {
    **{":": "\uff1a", ",": "\uff0c\u3001", "#": "\uff03"},
    **{"{": "\uff5b", "}": "\uff5d", "[": "\uff3b", "]": "\uff3d"},
}
_AT_THE_BEGINNING = re.compile(rf"[{_QUOTES}{_DASHES}]")
_ANYWHERE = re.compile(f"[{''.join(_INVISIBLE)}{_QUOTES}{_DASHES}{''.join(_WIDE.values())}]")
_COMMENT = '# begins a comment, so that no value stands here; write the text in quotes, as "#…"'
_BEGINNING_COMMENT = re.compile(r"\s*#(?=\S)")
_HIDDEN = re.compile(f"[{''.join(_INVISIBLE)}]")


def search_odd(text: str) -> tuple[int, str] | None:
    """Return the index of the first such character in a text that is no value, and what is wrong; None without one."""
    match = _ANYWHERE.search(text)
    return (match.start(), _describe(match[0])) if match else None


def list_odd(node: Node, lines: Sequence[str], path: FieldPath = ()) -> Iterator[tuple[FieldPath, Position, str]]:
    """Yield path and position of each such character in the keys and the texts without quotes, and what is wrong.

    In a text the visible ones are a mistake at its beginning alone: further on they are what somebody writes.

    Args:
        node: a document, or a part of one.
        lines: the lines of the file.
        path: of the node.
    """
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                yield from _check(key, _ANYWHERE, (*path, key.value))
            yield from list_odd(value, lines, (*path, str(key.value)))
    elif isinstance(node, SequenceNode):
        for number, item in enumerate(node.value):
            yield from list_odd(item, lines, (*path, number))
    elif isinstance(node, ScalarNode) and node.value:
        yield from _check(node, _AT_THE_BEGINNING if _AT_THE_BEGINNING.match(node.value) else _HIDDEN, path)
    elif isinstance(node, ScalarNode) and not node.style:
        number = node.start_mark.line
        comment = _BEGINNING_COMMENT.match(lines[number], node.start_mark.column) if number < len(lines) else None
        if comment:
            yield path, (number + 1, comment.end()), _COMMENT


def _check(node: ScalarNode, pattern: re.Pattern[str], path: FieldPath) -> Iterator[tuple[FieldPath, Position, str]]:
    match = pattern.search(node.value)
    if match and not node.style:
        is_one_line = node.start_mark.line == node.end_mark.line
        column = node.start_mark.column + 1 + (match.start() if is_one_line else 0)
        yield path, (node.start_mark.line + 1, column), _describe(match[0])


def _describe(character: str) -> str:
    code = f"U+{ord(character):04X}"
    if character in _INVISIBLE:
        right = "write an ordinary space" if character.isspace() else "take it out"
        return f"{_INVISIBLE[character]} ({code}) stands here; {right}, or write a text that needs it in quotes"
    if character in _QUOTES:
        return f"{character} ({code}) is a quote of print; YAML takes \" or '"
    if character in _DASHES:
        return f"{character} ({code}) is no hyphen; an item of a list begins with - and a space"
    right = next(ascii_one for ascii_one, wide in _WIDE.items() if character in wide)
    return f"{character} ({code}) is a wide character; YAML takes {right}"
