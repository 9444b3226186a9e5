"""The `find` of a source: what it may ask for, what its matches are checked for, and which version they have."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from keyferry.budget import Budget, OverBudget
from keyferry.errors import SourceUnusable
from keyferry.formats.re2 import compile_pattern, price_compilation, price_search

MAX_MATCHES = 1000
"""How many secrets or parameters one source may find: more than anybody puts into one Secret."""
MAX_TAGS = 20
"""Tags that a `find` can ask for."""
MAX_TAG_CHARACTERS = 4000
"""Characters of these tags together. They stand in one statement of an IAM policy, and AWS allows a policy 6,144."""
MAX_FIND_STEPS = 4_000_000
"""How many steps the regular expression of a `find` may take for all names of a region: a second or so, since RE2 takes
far less where its states fit its cache."""
MAX_EVENT_STEPS = 2000
"""How many steps the regular expression of one `find` may take for the name in an event: it is one of thousands."""
_LITERAL = frozenset("/_=@!-")
"""Characters of names, beside letters and digits, that stand for themselves in a regular expression."""
_ESCAPED = _LITERAL | frozenset(".+")
"""Characters of names that stand for themselves after a backslash."""
_QUANTIFIERS = ("*", "?", "+", "{")


def check_tags(tags: Mapping[str, str]) -> None:
    """Check that a policy in IAM has room for the tags that a `find` asks for.

    Raises:
        ValueError: it has not.
    """
    characters = sum(len(key) + len(value) for key, value in tags.items())
    if len(tags) > MAX_TAGS or characters > MAX_TAG_CHARACTERS:
        raise ValueError(
            f"asks for {len(tags)} tags of {characters:,} characters; a policy in IAM has room for {MAX_TAGS} of"
            f" {MAX_TAG_CHARACTERS:,}: ask for fewer"
        )


def select_names(source: str, regexp: str | None, names: Iterable[str]) -> set[str]:
    """Return the names that a regular expression matches anywhere; all of them without one.

    Args:
        source: the source as messages describe it.
        regexp: the regular expression.
        names: names of secrets or parameters.

    Raises:
        SourceUnusable: the expression takes too long for so many names.
    """
    if regexp is None:
        return set(names)
    listed = list(names)
    try:
        return set(_search(regexp, listed, Budget(MAX_FIND_STEPS)))
    except OverBudget:
        raise SourceUnusable(
            f"{source} computes too much: its regular expression takes too long for {len(listed):,} names; write a"
            " shorter one, or narrow it by path"
        ) from None


def can_match(regexp: str | None, name: str) -> bool:
    """Return whether a regular expression matches a name in an event, or would take too long for one event to know.

    Whoever reads the source knows: a delivery too many is harmless.
    """
    try:
        return regexp is None or any(True for _ in _search(regexp, [name], Budget(MAX_EVENT_STEPS)))
    except OverBudget:
        return True


def _search(regexp: str, names: Iterable[str], budget: Budget) -> Iterator[str]:
    """Yield the names that an expression matches, and spend what the search costs. AWS' names are of ASCII."""
    pattern = compile_pattern(regexp, has_groups=False)
    budget.spend(price_compilation(pattern))
    for name in names:
        budget.spend(price_search(pattern, name))
        if name.isascii() and pattern.search(name):
            yield name


def check_matches[T](source: str, matches: Mapping[str, T], *, optional: bool = False) -> Mapping[str, T]:
    """Return the matches of a source, sorted by name.

    Args:
        source: the source as messages describe it.
        matches: name of each secret or parameter → anything, such as its ARN or value.
        optional: whether there may be none.

    Raises:
        SourceUnusable: there are none, or too many.
    """
    if not (matches or optional):
        raise SourceUnusable(f"{source} finds nothing; look at the names and tags in AWS, or change the mapping")
    if len(matches) > MAX_MATCHES:
        raise SourceUnusable(
            f"{source} finds {len(matches):,} names, and {MAX_MATCHES:,} is the most; narrow it by path, regexp or tags"
        )
    return dict(sorted(matches.items()))


def digest_versions(versions: Mapping[str, str | None]) -> str:
    """Return one version id for many secrets or parameters: a hash of their names and version ids, never of values."""
    text = "\n".join(f"{name}={version or ''}" for name, version in sorted(versions.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def literal_prefix(pattern: str) -> str:
    """Return the text that every name matching a regular expression starts with; empty where that is not known.

    Only a pattern that begins with `^` and has no alternatives (`|`) has one. A text that begins with `!` is none, for
    ListSecrets takes it as "not".
    """
    if not pattern.startswith("^") or "|" in pattern:
        return ""
    prefix, rest = "", pattern[1:]
    while rest:
        is_escaped = rest[0] == "\\"
        character, rest = rest[is_escaped : is_escaped + 1], rest[is_escaped + 1 :]
        if not _is_literal(character, is_escaped=is_escaped) or rest[:1] in _QUANTIFIERS:
            break
        prefix += character
    return "" if prefix.startswith("!") else prefix


def _is_literal(character: str, *, is_escaped: bool) -> bool:
    if is_escaped:
        return character in _ESCAPED
    return character in _LITERAL or (character.isascii() and character.isalnum())
