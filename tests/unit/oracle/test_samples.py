"""We make what the originals make, by samples of their answers. `make oracle` asks them about thousands of others."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.oracle.comparisons import COMPARISONS, Refused

SAMPLES: Mapping[str, list[dict[str, Any]]] = {
    name: json.loads((Path(__file__).parent / f"samples/{name.replace(' ', '-').lower()}.json").read_text())
    for name in COMPARISONS
}


@cache
def make_all(name: str) -> list[tuple[dict[str, Any], Any, bool]]:
    """Return each sample of a comparison, with what we make, and whether we refuse."""
    return list(_make(name))


def _make(name: str) -> Iterator[tuple[dict[str, Any], Any, bool]]:
    for sample in SAMPLES[name]:
        try:
            yield sample, COMPARISONS[name].make(sample), False
        except Refused:
            yield sample, None, True


@pytest.mark.parametrize("name", COMPARISONS)
def test_we_make_what_the_original_makes_or_nothing(name: str) -> None:
    different = [
        (sample, made) for sample, made, is_refused in make_all(name) if not is_refused and made != sample["made"]
    ]
    assert different == []


@pytest.mark.parametrize("name", COMPARISONS)
def test_we_refuse_little_of_what_the_original_makes(name: str) -> None:
    refused = [sample for sample, _, is_refused in make_all(name) if is_refused and sample["made"] is not None]
    assert len(refused) < len(SAMPLES[name]) / 50, refused
