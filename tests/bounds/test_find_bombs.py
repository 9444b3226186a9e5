"""No regular expression of a mapping takes the process down, in a delivery, a preview or a sweep."""

from typing import Any

import pytest

from tests.bounds.limited import RESIDENT_MEBIBYTES, run_limited
from tests.unit.find_bombs import BOMBS, PATTERNS, TOO_LONG


def results() -> dict[str, dict[str, Any]]:
    """Return what became of each bomb."""
    return run_limited("tests.unit.find_bombs")


@pytest.mark.parametrize("name", BOMBS)
def test_no_expression_takes_the_process_down(name: str) -> None:
    assert name in results(), "the process died of this bomb, or of one before it"
    assert int(results()[name]["mebibytes"]) < RESIDENT_MEBIBYTES


@pytest.mark.parametrize("name", PATTERNS)
def test_a_find_that_computes_too_much_is_an_error_with_the_remedy(name: str) -> None:
    said = results()[f"read, {name}"]["said"]
    assert said.startswith("SourceUnusable: find in secretsManager by regexp ")
    assert said.endswith(f"{TOO_LONG}40,000 names; write a shorter one, or narrow it by path")


@pytest.mark.parametrize("name", ["many captures", "many states", "many groups", "optional letters"])
def test_rules_of_keys_pay_for_their_groups_and_for_being_compiled(name: str) -> None:
    assert "above all the regular expressions of keys" in results()[f"rename, {name}"]["said"]
    assert "above all the regular expressions of keys" in results()["rename, more than are kept"]["said"]


def test_an_expression_that_is_too_large_is_refused_before_it_is_deployed() -> None:
    said = "too large a regular expression: write smaller counts, as {9} and not {900}, or fewer choices"
    assert results()["validate, too large"]["said"] == f"Value error, {said}"
