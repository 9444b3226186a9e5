"""Patterns of names: what lies within one, and what two share, as trying all short names says."""

from fnmatch import fnmatchcase
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.formats.globs import covers, literal_prefix, overlap

PATTERNS = st.text("ab*?", max_size=5)
NAMES = ["".join(letters) for size in range(8) for letters in product("abc", repeat=size)]
NAMES_OF: dict[str, set[str]] = {}


def names_of(pattern: str) -> set[str]:
    """Return the names of up to seven letters that a pattern fits."""
    return NAMES_OF.setdefault(pattern, {name for name in NAMES if fnmatchcase(name, pattern)})


@pytest.mark.parametrize(
    ("allowed", "pattern", "is_covered"),
    [
        ("team-a/*", "team-a/db", True),
        ("team-a/*", "team-a/x/*", True),
        ("team-a/*", "team-a/", True),
        ("team-a/*", "team-ab/db", False),
        ("team-a/*", "team-*/db", False),
        ("team-?", "team-a", True),
        ("team-?", "team-*", False),
        ("team-a", "team-?", False),
        ("*", "*", True),
        ("*-db", "*-prod-db", True),
        ("a*b*c", "a*c", False),
        ("", "", True),
        ("", "*", False),
    ],
)
def test_a_pattern_covers_what_lies_within_it(allowed: str, pattern: str, is_covered: bool) -> None:
    assert covers(allowed, pattern) is is_covered


@pytest.mark.parametrize(
    ("one", "other", "do_overlap"),
    [
        ("team-*", "*-prod", True),
        ("team-a", "team-?", True),
        ("team-a-*", "team-b-*", False),
        ("a*", "*", True),
        ("*a", "*b", False),
        ("**", "", True),
        ("?", "", False),
    ],
)
def test_patterns_overlap_where_a_name_fits_both(one: str, other: str, do_overlap: bool) -> None:
    assert overlap(one, other) is overlap(other, one) is do_overlap


@given(PATTERNS, PATTERNS)
def test_what_is_said_to_be_covered_is(allowed: str, pattern: str) -> None:
    if covers(allowed, pattern):
        assert names_of(pattern) <= names_of(allowed)


@given(PATTERNS, st.text("abc", max_size=6))
def test_a_name_is_covered_where_it_fits(allowed: str, name: str) -> None:
    assert covers(allowed, name) is fnmatchcase(name, allowed)


@given(PATTERNS.filter(lambda text: len(text) < 5), PATTERNS.filter(lambda text: len(text) < 4))
def test_two_patterns_overlap_where_a_short_name_fits_both(one: str, other: str) -> None:
    assert overlap(one, other) is bool(names_of(one) & names_of(other))


def test_a_pattern_that_takes_long_to_try_is_told_at_once() -> None:
    assert not covers("*a" * 500 + "b", "a" * 1000)
    assert overlap("*a" * 100, "a*" * 100)


@pytest.mark.parametrize(("pattern", "prefix"), [("team-a", "team-a"), ("team-*-?", "team-"), ("a?b*", "a"), ("*", "")])
def test_names_that_fit_begin_with_the_literal_prefix(pattern: str, prefix: str) -> None:
    assert literal_prefix(pattern) == prefix
