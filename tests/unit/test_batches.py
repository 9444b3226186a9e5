"""How many namespaces go through the passes together: few at first, then as time and memory allow."""

import pytest

from keyferry.delivery.batches import MAX_BYTES, MAX_TARGETS, choose_first_size, choose_next_size


def test_a_first_batch_is_small() -> None:
    assert choose_first_size(8) == 32


@pytest.mark.parametrize(
    ("size", "seconds", "remaining", "largest", "expected"),
    [
        (32, 0.0, 100.0, 0, 256),  # nothing is known to be slow or large: eight times as many
        (32, 0.1, 100.0, 1000, 256),
        (256, 1.0, 100.0, 1000, MAX_TARGETS),
        (32, 8.0, 100.0, 1000, 100),  # a quarter of a second each: in 25 of 100 seconds, a hundred
        (100, 25.0, 40.0, 1000, 40),  # less is left: fewer
        (32, 60.0, 40.0, 1000, 8),  # never fewer than there are threads
        (32, 60.0, 0.0, 1000, 8),
        (32, 0.1, 100.0, MAX_BYTES // 64, 64),
        (32, 0.1, 100.0, MAX_BYTES, 8),
    ],
)
def test_what_a_batch_took_says_how_large_the_next_one_is(
    size: int, seconds: float, remaining: float, largest: int, expected: int
) -> None:
    assert choose_next_size(size, seconds, remaining=remaining, largest=largest, concurrency=8) == expected
