"""We make what the originals make, by samples of their answers. `make oracle` asks them about thousands of others."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.oracle.comparisons import COMPARISONS, Refused

SAMPLES: Mapping[str, list[dict[str, Any]]] = {
    name: json.loads((Path(__file__).parent / f"samples/{name.replace(' ', '-').lower()}.json").read_text())
    for name in COMPARISONS
}


@pytest.mark.parametrize("name", COMPARISONS)
def test_we_make_what_the_original_makes(name: str) -> None:
    different = []
    for sample in SAMPLES[name]:
        question = dict(sample)
        expected = question.pop("made")
        try:
            made = COMPARISONS[name].make(question)
        except Refused:
            made = None
        if made != expected:
            different.append((question, expected, made))
    assert different == []


@pytest.mark.parametrize("name", COMPARISONS)
def test_samples_are_of_values_and_of_refusals(name: str) -> None:
    values = sum(sample["made"] is not None for sample in SAMPLES[name])
    assert values >= 30
