"""Placeholders in the names of sources: `${namespace}` and `${cluster}`, and what events can say in their place."""

import re
from dataclasses import asdict

from keyferry.model import Place

_PLACEHOLDER = re.compile(r"\$\{(\w*)\}")
_STANDS_FOR = {"namespace": r"[a-z0-9-]{1,63}", "cluster": r"[a-z0-9.-]{1,253}"}
"""What they stand for, as regular expressions."""
_DIVIDES = re.compile(r"[^a-z0-9.-]")
"""What none of them can hold."""


def check(name: str, *, goes_on: bool = False) -> None:
    """Check that a name has known placeholders, and that it can be told from any name what they stand for.

    Args:
        name: as written.
        goes_on: whether names go on after it in any way.

    Raises:
        ValueError: it has others, or two ways to read one name: that would give one team what is another's.
    """
    for each in named(name):
        if each not in _STANDS_FOR:
            raise ValueError(f"${{{each}}} stands for nothing; ${{namespace}} and ${{cluster}} do")
    texts = _PLACEHOLDER.split(name)[2::2]
    for text in texts if goes_on else texts[:-1]:
        if not _DIVIDES.search(text):
            raise ValueError(
                "a placeholder ends where a character stands that no name of a namespace or cluster has:"
                " put a slash behind it, as in teams/${namespace}/db"
            )


def named(name: str) -> frozenset[str]:
    """Return what a name depends on."""
    return frozenset(_PLACEHOLDER.findall(name))


def fill(name: str, place: Place) -> str:
    """Return the name at a place."""
    stands = asdict(place)
    return _PLACEHOLDER.sub(lambda match: str(stands[match[1]]), name)


def without(name: str) -> str:
    """Return the name with a letter for each of them: as long as that is one, any other name there is one too."""
    return _PLACEHOLDER.sub("x", name)


def ends(name: str) -> tuple[str, str]:
    """Return how names begin and end that this one stands for: all of it, and nothing, where it has no placeholders."""
    parts = _PLACEHOLDER.split(name)
    return (name, "") if len(parts) == 1 else (parts[0], parts[-1])


def pattern(name: str) -> str:
    """Return the regular expression of a name; a placeholder that comes again stands for the same again."""
    made, seen = "", set[str]()
    for number, part in enumerate(_PLACEHOLDER.split(name)):
        if number % 2 == 0:
            made += re.escape(part)
        else:
            made += f"(?P={part})" if part in seen else f"(?P<{part}>{_STANDS_FOR[part]})"
            seen.add(part)
    return made
