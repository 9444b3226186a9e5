"""Send no more requests than AWS takes of a whole account, of which other applications need their share.

AWS counts by account and region. An environment knows nothing of the others, so each keeps to a part: with the default
MaximumConcurrency, five of them use 25 of the 40 calls a second that Parameter Store takes by default ("AWS Systems
Manager endpoints and quotas"), and 50 of the 100 of ListSecrets and of BatchGetSecretValue ("AWS Secrets Manager
quotas").
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from keyferry.deadline import Deadline
from keyferry.errors import OutOfTime


@dataclass(frozen=True)
class Rate:
    """How many requests one environment sends to a region."""

    per_second: float
    burst: int
    """How many may be sent at once, after a time without any."""


RATES = {
    "ssm": Rate(5, 10),
    "secretsmanager.ListSecrets": Rate(10, 20),
    "secretsmanager.BatchGetSecretValue": Rate(10, 20),
}
"""Service, or one operation of it, → its rate. GetSecretValue has none: AWS takes 10,000 a second."""


class Pace:
    """Lets requests begin at a rate. Safe for use by several threads."""

    def __init__(
        self,
        rate: Rate,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate, self._clock, self._sleep = rate, clock, sleep
        self._lock, self._next = Lock(), -math.inf

    def wait(self, deadline: Deadline) -> None:
        """Return when the next request may begin.

        Raises:
            OutOfTime: that would be after the deadline. The request takes no place then.
        """
        interval = 1 / self._rate.per_second
        with self._lock:
            now = self._clock()
            start = max(self._next, now - (self._rate.burst - 1) * interval)
            seconds = start - now
            if seconds > deadline.remaining():
                raise OutOfTime
            self._next = start + interval
        if seconds > 0:
            self._sleep(seconds)
