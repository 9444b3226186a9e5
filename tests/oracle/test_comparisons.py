"""What we make of a value is what the originals make of it, byte for byte; or we make nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle.ask import Oracle
from tests.oracle.comparisons import COMPARISONS, Refused
from tests.oracle.conftest import COMPARED


@pytest.mark.parametrize("name", COMPARISONS)
@given(data=st.data())
def test_we_make_what_the_original_makes(oracle: Oracle, name: str, data: st.DataObject) -> None:
    comparison = COMPARISONS[name]
    question = data.draw(comparison.questions)
    try:
        made = comparison.make(question)
    except Refused:
        COMPARED[f"{name}, refused"] += 1
        return
    COMPARED[name] += 1
    answer = oracle.put(question)
    assert made == comparison.read(answer), answer
