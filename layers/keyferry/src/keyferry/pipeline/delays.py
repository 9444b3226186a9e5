"""Choose how long a message waits before it is tried again."""

import random
from collections.abc import Iterable

from keyferry.errors import ClusterUnavailable, KeyferryError, OutOfTime

MAX_DELAY_SECONDS = 300
CLUSTER_DELAY_SECONDS = (31, 50)
"""How long a delivery waits for a cluster that is unavailable: longer than the environments remember that (30 s), and
short enough that the first delivery goes out within a minute of the cluster's return."""
REST_DELAY_SECONDS = (1, 5)
"""How long the rest of a delivery waits that has run out of time."""


def choose_delay_seconds(attempt: int, errors: Iterable[KeyferryError]) -> int:
    """Return how long to wait before the next attempt, in seconds, with jitter.

    Args:
        attempt: how often the message was received, from 1.
        errors: why it is retried. If nothing is known of the reason, the delay grows: a few seconds at first, 300 at
            most.
    """
    types = {type(error) for error in errors}
    shortest, longest = _get_growing_delay(attempt)
    if types == {OutOfTime}:
        shortest, longest = REST_DELAY_SECONDS
    elif any(issubclass(error_type, ClusterUnavailable) for error_type in types):
        shortest, longest = CLUSTER_DELAY_SECONDS
    return random.randint(shortest, longest)  # noqa: S311  # jitter, no secret


def _get_growing_delay(attempt: int) -> tuple[int, int]:
    longest = min(MAX_DELAY_SECONDS, 2 * 2 ** min(attempt, 10))
    return longest // 2, longest
