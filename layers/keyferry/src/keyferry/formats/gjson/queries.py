"""What is in the parentheses of `#(…)`."""

import re
from dataclasses import dataclass

from keyferry.formats.gjson.text import unescape

_OPERATORS = ("!=", "!%", "<=", ">=", "==", "<", ">", "=", "%")


@dataclass(frozen=True)
class Query:
    """What is in the parentheses of `#(…)`."""

    path: str
    operator: str = ""
    value: str = ""
    takes_all: bool = False
    """Whether a `#` follows: all items that match, in place of the first one."""


def read_query(path: str) -> tuple[Query, int]:
    """Return the query that a path begins with, and the position after it."""
    middle, end, has_escape = _find_query_end(path)
    if not middle:
        return Query(_trim(path[2:end])), end + 1
    value = _trim(path[middle:end])
    operator = _read_operator(value)
    value = _trim(value[len(operator) :])
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = unescape(value[1:-1]) if has_escape else value[1:-1]
    return Query(_trim(path[2:middle]), "=" if operator == "==" else operator, value), end + 1


def _read_operator(text: str) -> str:
    """Return what a comparison begins with; nothing for what is none, such as `!` before a value."""
    if len(text) == 1:
        return text
    return next((sign for sign in _OPERATORS if text.startswith(sign)), "")


def _find_query_end(path: str) -> tuple[int, int, bool]:
    """Return where the operator of a query begins (0 where it has none), its end, and whether a text has escapes."""
    middle, depth, has_escape, position = 0, 1, False, 2
    while position < len(path):
        sign = path[position]
        if depth == 1 and not middle and sign in "!=<>%":
            middle = position
        elif sign == "\\":
            position += 1
        elif sign in "[(":
            depth += 1
        elif sign in "])":
            depth -= 1
            if depth == 0:
                return middle, position, has_escape
        elif sign == '"':
            text = re.compile(r'(?:\\.|[^"\\])*', re.DOTALL).match(path, position + 1)
            end = text.end() if text else position
            has_escape = has_escape or "\\" in path[position:end]
            position = end
        position += 1
    raise ValueError('has a query without an end: write #(name=="api")')


def _trim(text: str) -> str:
    return text.strip("".join(map(chr, range(33))))
