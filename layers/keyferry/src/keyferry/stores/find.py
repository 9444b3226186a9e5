"""What several secrets or parameters at once are found by, and what tells one find from the next."""

import hashlib
from collections.abc import Mapping

from keyferry.errors import SourceUnusable

MAX_FOUND = 1000
"""Names that one source may find: more than a Secret holds in any sensible way."""
_LITERAL = frozenset("/_=@-")
"""Characters of names that mean themselves in a regular expression, beside letters and digits."""
_ESCAPED = _LITERAL | frozenset(".+")
"""Those that do so after a backslash."""
_QUANTIFIERS = ("*", "?", "+", "{")


def checked[T](what: str, found: Mapping[str, T]) -> Mapping[str, T]:
    """Return what was found, in the order of the names.

    Args:
        what: what was looked for, for errors.
        found: name → anything.

    Raises:
        SourceUnusable: nothing, or too much.
    """
    if not found:
        raise SourceUnusable(f"{what} finds nothing; look at the names and tags in AWS, or change the mapping")
    if len(found) > MAX_FOUND:
        raise SourceUnusable(f"{what} finds {len(found):,} names, and {MAX_FOUND:,} is the most; say more of them")
    return dict(sorted(found.items()))


def version_of(versions: Mapping[str, str | None]) -> str:
    """Return a digest of names and version ids (never of values), which changes when one of them does."""
    text = "\n".join(f"{name}={version or ''}" for name, version in sorted(versions.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def literal_prefix(pattern: str) -> str:
    """Return what every name begins with that an anchored regular expression is found in; empty where not known."""
    if not pattern.startswith("^") or "|" in pattern:
        return ""
    found, rest = "", pattern[1:]
    while rest:
        escaped = rest[0] == "\\"
        character, after = rest[escaped : escaped + 1], rest[escaped + 1 :]
        plain = (
            character in _ESCAPED if escaped else character in _LITERAL or (character.isascii() and character.isalnum())
        )
        if not plain or after[:1] in _QUANTIFIERS:
            break
        found, rest = found + character, after
    return found
