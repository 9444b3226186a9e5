"""What is refused of gjson's paths, and the steps of one that has nothing else."""

import re
from collections.abc import Iterable, Iterator

from keyferry.formats.gjson.paths import begins_anew, read_object_step
from keyferry.formats.gjson.queries import read_query

MAX_LENGTH = 16_384
"""The longest path, in characters."""

_THIS = re.compile(r"@this(?=[.|]|\Z)")
_FIXED = re.compile(r'!(?:[{\["+\-0-9]|(?:true|false|null|nan|inf)(?=[|.]|\Z))', re.IGNORECASE)
_SIGN = re.compile(r"[.|*?\\#@!{}\[\]()]")
_INSTEAD = "; make the key by a template instead"


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
    if path[0] == "@" and begins_anew(path) and not _THIS.match(path):
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
            query, length = read_query(path[position:])
            yield from _list_starts(query.path) if query.path else ()
            position += length
            continue
        elif sign in ".|":
            yield path[position + 1 :]
        position += 1


def write_path(steps: Iterable[str | int]) -> str:
    """Return the path for keys and indexes, such as `users.0.name`, with a backslash before signs with a meaning."""
    return ".".join(_SIGN.sub(r"\\\g<0>", str(step)) for step in steps)


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
