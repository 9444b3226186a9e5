"""The grammar of gjson's paths: the steps of a path, for an object and for a list, and what is refused of them."""

import re
from dataclasses import dataclass, replace

from keyferry.formats.gjson.queries import Query, read_query

_MODIFIERS = frozenset(("pretty", "ugly", "reverse", "this", "flatten", "join", "valid"))
_MODIFIERS |= frozenset(("keys", "values", "tostr", "fromstr", "group", "dig"))
"""What gjson makes of what is found, by `@` and such a name; any other name after `@` is a key."""


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
                query, position = read_query(path)
                step = replace(step, query=replace(query, takes_all=path[position : position + 1] == "#"))
                continue
        position += 1
    return step


def _divide(step: Step, path: str, position: int, *, pipes: bool = True) -> Step:
    rest = path[position + 1 :]
    if path[position] == "|" or (pipes and rest and begins_anew(rest)):
        return replace(step, pipe=rest)
    return replace(step, rest=rest)


def begins_anew(path: str) -> bool:
    """Return whether a path after a dot is one of its own: it begins with a modifier, `[` or `{`."""
    return path[0] in "[{" or (path[0] == "@" and re.split(r"[.|:]", path[1:], maxsplit=1)[0] in _MODIFIERS)


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
                position += 2  # what comes after #, even a |, is not looked at
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
