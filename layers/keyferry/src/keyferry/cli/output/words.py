"""Names, numbers and times in sentences."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from keyferry.guides import link_error

_CLASS = re.compile(r"([A-Z][A-Za-z]+): ")
"""How the text of an error begins: with the name of its class."""


def name_guides(errors: Iterable[str]) -> list[str]:
    """Return a line for each class of error: its name, and the address of what is to be done about it.

    Args:
        errors: texts that begin with the name of a class, as `Conflict: …`; any others have no such line.
    """
    found = [match[1] for match in map(_CLASS.match, errors) if match]
    return [f"{name}: {link_error(name)}" for name in dict.fromkeys(found)]


def add_help[Fields: Mapping[str, Any]](fields: Fields) -> Fields:
    """Return fields for `--output json`, those with an `error` with the address of what is to be done about it."""
    match = _CLASS.match(str(fields.get("error", "")))
    helped: Any = {**fields, "help": link_error(match[1])} if match else fields
    kept: Fields = helped
    return kept


def join(names: Sequence[str], total: int | None = None, limit: int = 3) -> str:
    """Return the first names, and how many more there are: `a, b, c and 2 more`.

    Args:
        names: the names.
        total: how many there are, where not all are among the names; None for as many as names.
        limit: how many names are written.
    """
    more = (total or len(names)) - limit
    return ", ".join(names[:limit]) + (f" and {more:,} more" if more > 0 else "")


def count(number: int, noun: str, nouns: str = "") -> str:
    """Return how many there are: `1 policy`, `2 policies`.

    Args:
        number: how many.
        noun: what, in the singular.
        nouns: what, in the plural, where that is not made by `s`, or `ies` for `y`.
    """
    plural = nouns or (f"{noun.removesuffix('y')}ies" if noun.endswith("y") else f"{noun}s")
    return f"{number:,} {noun if number == 1 else plural}"


def count_each(counts: Mapping[str, int]) -> str:
    """Return how many there are of each: `2 Secrets, 1 Role`."""
    return ", ".join(count(number, noun) for noun, number in counts.items())


def count_targets(states: Iterable[str]) -> str:
    """Return how many targets there are of each state: `3 targets: 2 right, 1 failed`."""
    counts = Counter(states)
    each = ", ".join(f"{number:,} {state}" for state, number in counts.most_common())
    return f"{count(counts.total(), 'target')}: {each}"


def tell_next_try(next_try: datetime, now: datetime) -> str:
    """Return when a delivery is tried again, or was to be: a time can pass without it, where SQS or Lambda is behind.

    Args:
        next_try: when it is due.
        now: the current time.
    """
    return f"{'next try' if next_try > now else 'the next try was due at'} {next_try.astimezone(UTC):%H:%M:%S} UTC"


def format_age(time: datetime, now: datetime) -> str:
    """Return how long ago a time is, in its largest unit, as kubectl does."""
    seconds = int((now - time).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{max(0, seconds)}s"
