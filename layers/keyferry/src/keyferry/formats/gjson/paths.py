"""The grammar of gjson's paths: the steps of a path, for an object and for a list, and what is refused of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

_MODIFIERS = frozenset(
    (
        "pretty",
        "ugly",
        "reverse",
        "this",
        "flatten",
        "join",
        "valid",
        "keys",
        "values",
        "tostr",
        "fromstr",
        "group",
        "dig",
    )
)
_THIS = re.compile(r"@this(?=[.|]|\Z)")
MAX_LENGTH = 16_384
"""The longest path, in characters."""
_FIXED = re.compile(r'!(?:[{\["+\-0-9]|(?:true|false|null|nan|inf)(?=[|.]|\Z))', re.IGNORECASE)
_OPERATORS = ("!=", "!%", "<=", ">=", "==", "<", ">", "=", "%")
_ESCAPES = {"\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"'}


_INSTEAD = "; make the key by a template instead"


@dataclass(frozen=True)
class Query:
    """What is in the parentheses of `#(…)`."""

    path: str
    operator: str = ""
    value: str = ""
    takes_all: bool = False
    """Whether a `#` follows: all items that match, in place of the first one."""


@dataclass(frozen=True)
class Step:
    """The first step of a path, and what comes after it."""

    part: str
    rest: str | None = None
    """The path after a dot."""
    pipe: str | None = None
    """The path after a `|`, or one that begins with a modifier: it starts anew, on what this step finds."""
    is_pattern: bool = False
    """Whether a key has `*` or `?`."""
    counts: bool = False
    """Whether `#` is in the step of a list."""
    each: str | None = None
    """The path that each item of a list is asked for, by `#.path`."""
    query: Query | None = None


def read_object_step(path: str) -> Step:
    """Return the first step of a path in an object: a key, in which a backslash takes the next sign as it is."""
    part, is_pattern, position = "", False, 0
    while position < len(path):
        sign = path[position]
        if sign in ".|":
            return _divide(Step(part, is_pattern=is_pattern), path, position)
        if sign == "\\":
            position += 1
            sign = path[position : position + 1]
        elif sign in "*?":
            is_pattern = True
        part += sign
        position += 1
    return Step(part, is_pattern=is_pattern)


def read_list_step(path: str) -> Step:
    """Return the first step of a path in a list: an index, `#`, or `#(…)`.

    Raises:
        ValueError: a query has no end.
    """
    step, position = Step(path), 0
    while position < len(path):
        sign = path[position]
        if sign in ".|":
            return _divide(replace(step, part=path[:position]), path, position, pipes=not step.counts)
        if sign == "#":
            step = replace(step, counts=True)
            if path[1:2] == "." and position == 0:
                step = replace(step, each=path[2:])
            elif path[1:2] in ("[", "(") and position == 0:
                query, position = _read_query(path)
                step = replace(step, query=replace(query, takes_all=path[position : position + 1] == "#"))
                continue
        position += 1
    return step


def _divide(step: Step, path: str, position: int, *, pipes: bool = True) -> Step:
    rest = path[position + 1 :]
    if path[position] == "|" or (pipes and rest and _begins_anew(rest)):
        return replace(step, pipe=rest)
    return replace(step, rest=rest)


def _begins_anew(path: str) -> bool:
    """Return whether a path after a dot is one of its own: it begins with a modifier, `[` or `{`."""
    return path[0] in "[{" or (path[0] == "@" and re.split(r"[.|:]", path[1:], maxsplit=1)[0] in _MODIFIERS)


def _read_query(path: str) -> tuple[Query, int]:
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


def split_pipe(path: str) -> tuple[str, str | None]:
    """Return the path before the first `|` that is not in a query, and the path after it; None where there is none."""
    position = 0
    while position < len(path):
        if path[position] == "\\":
            position += 1
        elif path[position] == ".":
            if re.match(r"#[\[(]", path[position + 1 :]):
                position = _skip_brackets(path, position + 2)
            elif path[position + 1 : position + 2] == "#":
                position += 2
                if position == len(path):
                    break
        elif path[position] == "|":
            return path[:position], path[position + 1 :]
        position += 1
    return path, None


def _skip_brackets(path: str, position: int) -> int:
    """Return the position of the bracket that closes the one at a position; the end of the path where there is none."""
    opening, closing, depth = path[position], "]" if path[position] == "[" else ")", 0
    while position < len(path):
        sign = path[position]
        if sign == "\\":
            position += 1
        elif sign == '"':
            position += 1
            while position < len(path) and path[position] != '"':
                position += 2 if path[position] == "\\" else 1
        depth += (sign == opening) - (sign == closing)
        if depth == 0:
            break
        position += 1
    return position


def unescape(text: str) -> str:
    """Return the text of a string of JSON from what is between its quotes; what is no escape ends it, as in gjson."""
    result, position = "", 0
    while position < len(text):
        sign = text[position]
        if sign < " ":
            return result
        position += 1
        if sign == "\\":
            sign = text[position : position + 1]
            if sign == "u":
                character, position = _read_unicode(text, position + 1)
                result += character
                continue
            if sign not in _ESCAPES:
                return result
            sign, position = _ESCAPES[sign], position + 1
        result += sign
    return result


def _read_unicode(text: str, position: int) -> tuple[str, int]:
    """Return the character of four digits at a position, or of the surrogates there, and the position after it."""
    digits = re.compile(r"[0-9a-fA-F]{4}")
    first = digits.match(text, position)
    if first is None:
        raise ValueError("has \\u without four digits")
    code, position = int(first[0], 16), position + 4
    if 0xD800 <= code < 0xE000:
        second = digits.match(text, position + 2) if text.startswith("\\u", position) else None
        pair = bytes.fromhex(first[0] + (second[0] if second else "")).decode("utf-16-be", "replace")
        return pair[0] if len(pair) == 1 else "\ufffd", position + (6 if second else 0)
    return chr(code), position


def find_unsupported(path: str) -> str:
    """Return what a path begins with that is refused, in words; nothing for any other one."""
    if path.startswith(".."):
        return "reads lines of JSON by .., and a secret is one document here"
    if len(path) < 2:
        return ""
    if path[0] in "[{":
        return f"makes a {'list' if path[0] == '[' else 'new object'} of several paths{_INSTEAD}"
    if _FIXED.match(path):
        return "has a fixed value by !: say value in place of from and property"
    if path[0] == "@" and _begins_anew(path) and not _THIS.match(path):
        return f"has the modifier {re.split('[.|]', path, maxsplit=1)[0]}, and @this alone is read here{_INSTEAD}"
    return ""


def check(path: str) -> None:
    """Check a property without a document.

    Raises:
        ValueError: it has what is refused, or is empty, or too long.
    """
    if not path:
        raise ValueError("a property is no empty text; leave it out to take the whole value")
    if len(path) > MAX_LENGTH:
        raise ValueError(f"a property has {MAX_LENGTH:,} characters at most, and this one {len(path):,}")
    for start in _list_starts(path):
        if unsupported := find_unsupported(start):
            raise ValueError(f"property {path} {unsupported}")


def _list_starts(path: str) -> Iterator[str]:
    """Yield a path, and the rest of it after each dot and `|`, also in queries."""
    yield path
    position = 0
    while position < len(path):
        sign = path[position]
        if sign == "\\":
            position += 1
        elif sign == "#" and path[position + 1 : position + 2] in ("[", "("):
            query, length = _read_query(path[position:])
            yield from _list_starts(query.path) if query.path else ()
            position += length
            continue
        elif sign in ".|":
            yield path[position + 1 :]
        position += 1


def list_steps(path: str) -> list[str | int] | None:
    """Return the keys and indexes of a path that has nothing else; None for any other one."""
    steps: list[str | int] = []
    rest: str | None = path
    while rest is not None:
        step = read_object_step(rest)
        if step.is_pattern or step.pipe is not None or step.part.startswith(("#", "@")):
            return None
        steps.append(int(step.part) if step.part.isdecimal() and step.part.isascii() else step.part)
        rest = step.rest
    return steps
