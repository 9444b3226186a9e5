"""No mapping takes down the process that renders it: what it computes for one Secret is counted, the rest is an error.

The bombs of `tests.unit.bombs` are rendered in a process of their own with little memory and CPU time, which would die
of any one that goes off. Nothing is timed.
"""

from typing import Any

import pytest

from keyferry.wording import MAX_CHARACTERS as MAX_ERROR
from tests.bounds.limited import RESIDENT_MEBIBYTES, run_limited
from tests.unit.bombs import BOMBS, REASONS


def results() -> dict[str, dict[str, Any]]:
    """Return what became of each bomb."""
    return run_limited("tests.unit.bombs")


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_with_an_error_that_names_mapping_and_key(name: str) -> None:
    assert name in results(), "the process died of this bomb, or of one before it"
    said = results()[name]["said"]
    assert said.startswith("SourceUnusable: mapping bomb, ")
    assert any(part in said for part in (", key k", ", dataFrom ", ", label a", ", annotation a"))
    assert any(reason in said for reason in REASONS), said
    assert len(said) < MAX_ERROR + 100
    assert int(results()[name]["mebibytes"]) < RESIDENT_MEBIBYTES
