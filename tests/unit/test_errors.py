"""Errors are grouped by what the caller does, and say what to do next."""

import pytest

from keyferry import errors
from keyferry.wording import suggest

AGAIN = ["AccessDenied", "Forbidden", "Overtaken", "Throttled", "UnknownName", "Unreachable"]
REPAIR = ["Conflict", "NamespaceGone", "NotAllowed", "Refused", "SourceUnavailable", "SourceUnusable"]


@pytest.mark.parametrize("name", AGAIN)
def test_passing_conditions_are_delivered_again(name: str) -> None:
    assert issubclass(getattr(errors, name), errors.DeliverAgain)


@pytest.mark.parametrize("name", REPAIR)
def test_lasting_conditions_need_repair(name: str) -> None:
    assert issubclass(getattr(errors, name), errors.NeedsRepair)


def test_every_error_is_in_the_tree_of_the_docstring() -> None:
    tree = errors.__doc__ or ""
    for name, found in vars(errors).items():
        if isinstance(found, type) and issubclass(found, Exception):
            assert name in tree
            assert issubclass(found, errors.KeyferryError)
            assert not issubclass(found, errors.DeliverAgain) or not issubclass(found, errors.NeedsRepair)


def test_a_refused_sign_in_says_what_to_check() -> None:
    said = str(errors.Unauthorized("prod-eu", "the function's role"))
    assert said.startswith("cluster prod-eu does not accept the sign-in (401): check that it has an access entry for")
    parts = (
        "the function's role",
        "eks.name",
        "eks.region",
        "expired",
        "clock",
        "generated/stack/access-entries.sh STACK`",
    )
    assert all(part in said for part in parts)


def test_out_of_time_says_that_the_next_try_goes_on() -> None:
    assert str(errors.OutOfTime()) == "too little time is left; the next try does the rest"


@pytest.mark.parametrize(
    ("known", "end"),
    [
        (["checkout", "payments"], "; did you mean checkout?"),
        (["payments"], ""),
        (["chekout"], ""),
        ([], ""),
    ],
)
def test_the_most_similar_of_the_known_names_is_suggested(known: list[str], end: str) -> None:
    assert suggest("chekout", known) == end


def fail(text: str) -> None:
    raise ValueError(text)


def test_an_unexpected_error_is_told_by_type_and_innermost_place_alone() -> None:
    with pytest.raises(ValueError, match="canary-1") as raised:
        fail("canary-1")
    assert str(errors.Unexpected(raised.value)) == f"ValueError at test_errors.py:{fail.__code__.co_firstlineno + 1}"


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert errors.raised_at(ValueError("canary-1")) == "unknown"
