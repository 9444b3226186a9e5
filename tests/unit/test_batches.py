"""How many namespaces go through the passes together: few at first, then as time and memory allow."""

import pytest

from keyferry.delivery.passes import MAX_BATCH_BYTES, MAX_BATCH_TARGETS, choose_batch_size


@pytest.mark.parametrize(
    ("size", "seconds", "remaining", "largest", "expected"),
    [
        (32, 0.0, 100.0, 0, 256),  # nothing is known to be slow or large: eight times as many
        (32, 0.1, 100.0, 1000, 256),
        (256, 1.0, 100.0, 1000, MAX_BATCH_TARGETS),
        (32, 8.0, 100.0, 1000, 100),  # a quarter of a second each: in 25 of 100 seconds, a hundred
        (100, 25.0, 40.0, 1000, 40),  # less is left: fewer
        (32, 60.0, 40.0, 1000, 8),  # never fewer than there are threads
        (32, 60.0, 0.0, 1000, 8),
        (32, 0.1, 100.0, MAX_BATCH_BYTES // 64, 64),
        (32, 0.1, 100.0, MAX_BATCH_BYTES, 8),
    ],
)
def test_what_a_batch_took_says_how_large_the_next_one_is(
    size: int, seconds: float, remaining: float, largest: int, expected: int
) -> None:
    assert choose_batch_size(size, seconds, remaining=remaining, largest=largest, concurrency=8) == expected
