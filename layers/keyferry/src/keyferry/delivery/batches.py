"""Decide how many namespaces of a delivery go through the passes together.

All of them at once would hold all their Secrets in memory before the first one is written, and would write nothing at
all where looking at them takes longer than there is time. The first batch is small, since nothing is known yet; what it
took says how large the next one may be.
"""

TARGETS_PER_THREAD = 4
"""How many namespaces the first batch has, for each thread."""
MAX_GROWTH = 8
"""How many times larger a batch may be than the one before."""
MAX_TARGETS = 1000
MAX_BYTES = 32 * 1024 * 1024
"""How much content a batch may hold: for some seconds, what was observed and what is desired are in memory."""
SHARE_OF_TIME = 0.25
"""Which share of the time that is left a batch may take."""


def choose_first_size(concurrency: int) -> int:
    """Return how many namespaces the first batch has.

    Args:
        concurrency: the number of threads.
    """
    return TARGETS_PER_THREAD * concurrency


def choose_next_size(size: int, seconds: float, *, remaining: float, largest: int, concurrency: int) -> int:
    """Return how many namespaces the next batch has: at least one for each thread.

    Args:
        size: how many the last batch had.
        seconds: how long it took.
        remaining: how many seconds are left.
        largest: the size of the largest Secret seen so far, in bytes.
        concurrency: the number of threads.
    """
    by_time = SHARE_OF_TIME * remaining * size / seconds if seconds > 0 else MAX_TARGETS
    by_memory = MAX_BYTES // max(largest, 1)
    return max(concurrency, int(min(by_time, by_memory, MAX_GROWTH * size, MAX_TARGETS)))
