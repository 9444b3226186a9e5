"""What an environment knows of one cluster: whether it answers, and how fast. docs/decisions/0008 says why.

A cluster is known to be well for REMEMBERED_SECONDS after an answer. While it is not, one request goes first and alone,
and the others wait for what becomes of it. A failure of the whole cluster is remembered for as long: requests meanwhile
raise it without being sent. After that a probe goes out, alone too, and with short limits of time.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Lock

from keyferry.deadline import Deadline
from keyferry.errors import ClusterSlow, ClusterUnavailable, OutOfTime, ServerError

REMEMBERED_SECONDS = 30.0
"""How long an answer or a failure is remembered."""
MAX_REMEMBERED_SECONDS = 120.0
"""How long a failure is remembered at most, whatever `Retry-After` or a slow delivery says."""
MAX_SLOW_SECONDS = 900.0
"""How long slowness is remembered at most: a delivery can take nearly all of its 120 s on a slow cluster."""
PATIENT_PROBES = 3
"""Each third probe has the usual limits of time: a cluster may be well that needs a little more than a probe has."""
SLOW_SECONDS = 1.0
"""How long the answers of a slow cluster take on average."""
MIN_ANSWERS, MAX_ANSWERS = 8, 50
"""How many answers it takes at least to call a cluster slow, and of how many the average is taken at most."""
SLOW_PAUSE_RATIO = 9
"""How many times as long as a slow delivery the pause after it is: slow clusters get a tenth of the time."""


@dataclass(frozen=True)
class Memory:
    """An error, and until when it is raised without asking."""

    error: ClusterUnavailable
    until: float


@dataclass(frozen=True)
class Knowledge:
    """What is known of a cluster. It can go to another process of the machine, whose monotonic clock is the same."""

    well_until: float = -math.inf
    failure: Memory | None = None
    """The last failure, unless there was an answer since."""
    failures: int = 0
    """How many failures there were since the last answer."""
    slowness: Memory | None = None
    seconds: tuple[float, ...] = ()
    """How long the last answers took, in seconds: those in a row, without a longer pause than REMEMBERED_SECONDS."""
    timed_at: float = -math.inf
    """When the last of them came."""


class Health:
    """The knowledge of one cluster, for all requests to it. Safe for use by several threads."""

    def __init__(self, cluster: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing known.

        Args:
            cluster: the cluster's name in mappings, for messages.
            clock: returns the current time in seconds.
        """
        self._cluster, self._clock, self._lock = cluster, clock, Lock()
        self._known = Knowledge()
        self._first: Future[None] | None = None
        """The request that goes alone; it is done when the others may go on."""

    @property
    def known(self) -> Knowledge:
        """What is known now."""
        return self._known

    def learn(self, known: Knowledge) -> None:
        """Know from now on what another process has found out, which had begun with what was known here."""
        with self._lock:
            self._known = known

    def check(self) -> None:
        """Raise the failure that is remembered, if there is one, with the seconds until the cluster is asked again."""
        self._raise(self._known.failure)

    def check_available(self) -> None:
        """Raise what is remembered that speaks against another delivery: a failure, or ClusterSlow."""
        self._raise(self._known.failure)
        self._raise(self._known.slowness)

    @contextmanager
    def take_turn(self, deadline: Deadline) -> Iterator[bool]:
        """Wait until a request may be sent, for the time that it is under way.

        Yields:
            Whether the request is a probe, which has little time.

        Raises:
            ClusterUnavailable: a failure is remembered; or the request that went first has failed.
            KeyferryError: the request that went first could not be signed in.
            OutOfTime: the deadline has passed first.
        """
        first = self._begin(deadline)
        try:
            is_probe = first is not None and self._known.failure is not None
            yield is_probe and self._known.failures % PATIENT_PROBES != 0
        except BaseException as error:
            self._end(first, error)
            raise
        self._end(first, None)

    def note_answer(self) -> None:
        """Remember that the cluster has answered; requests that wait go on."""
        with self._lock:
            failure, now = self._known.failure, self._clock()
            if failure and now < failure.until:
                return  # an answer to a request that was under way before the failure
            self._known = replace(self._known, failure=None, failures=0, well_until=now + REMEMBERED_SECONDS)
            first, self._first = self._first, None
        if first:
            first.set_result(None)

    def remember[E: ClusterUnavailable](self, error: E, seconds: float = REMEMBERED_SECONDS) -> E:
        """Remember a failure for so many seconds, 30 to 120, and return it to be raised."""
        with self._lock:
            failure = Memory(error, self._clock() + _bound(seconds, MAX_REMEMBERED_SECONDS))
            failures = self._known.failures + 1
            self._known = replace(self._known, failure=failure, failures=failures, well_until=-math.inf)
        return error

    def note_seconds(self, seconds: float) -> None:
        """Take down how long an answer took."""
        with self._lock:
            known = self._known
            before = known.seconds[1 - MAX_ANSWERS :] if self._is_in_a_row(known) else ()
            self._known = replace(known, seconds=(*before, seconds), timed_at=self._clock())

    @property
    def is_slow(self) -> bool:
        """Whether the last answers took more than a second on average."""
        known = self._known
        count = len(known.seconds)
        return count >= MIN_ANSWERS and self._is_in_a_row(known) and sum(known.seconds) > SLOW_SECONDS * count

    def remember_slow(self, seconds: float) -> None:
        """Remember that the cluster is slow, after a delivery that has taken so many seconds up to now."""
        with self._lock:
            average = sum(self._known.seconds) / len(self._known.seconds)
            error = ClusterSlow(f"cluster {self._cluster} is slow: its answers take {average:.1f} s on average")
            slowness = Memory(error, self._clock() + _bound(SLOW_PAUSE_RATIO * seconds, MAX_SLOW_SECONDS))
            self._known = replace(self._known, slowness=slowness)

    def _begin(self, deadline: Deadline) -> "Future[None] | None":
        """Wait for the turn of a request; return the future of one that goes alone, None for one of many."""
        while True:
            with self._lock:
                self._raise(self._known.failure)
                if self._clock() < self._known.well_until:
                    return None
                if self._first is None:
                    self._first = Future()
                    return self._first
                first = self._first
            try:
                first.result(deadline.remaining())
            except TimeoutError:
                raise OutOfTime from None
            except ServerError:  # of that request alone: a webhook has held it up
                return None

    def _end(self, first: "Future[None] | None", error: BaseException | None) -> None:
        """Let the others go on after a request that went alone, unless an answer has done so already."""
        with self._lock:
            if first is None or self._first is not first:
                return
            self._first = None
        if error is None:
            first.set_result(None)
        else:
            first.set_exception(error)

    def _is_in_a_row(self, known: Knowledge) -> bool:
        return self._clock() - known.timed_at <= REMEMBERED_SECONDS

    def _raise(self, memory: Memory | None) -> None:
        if memory is None or (seconds := memory.until - self._clock()) <= 0:
            return
        error = copy.copy(memory.error)
        error.args = (f"{memory.error}; it is asked again in {math.ceil(seconds)} s",)
        raise error


def _bound(seconds: float, longest: float) -> float:
    return min(longest, max(REMEMBERED_SECONDS, seconds))
