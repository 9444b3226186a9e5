"""What an environment knows of one cluster: whether it answers, and how fast. docs/decisions/0008 says why.

A cluster is known to be well for REMEMBERED_SECONDS after an answer. While it is not, one request goes first and alone,
and the others wait for what becomes of it. A failure of the whole cluster is remembered for as long: requests meanwhile
raise it without being sent. After that a probe goes out, alone too, and with short limits of time.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from keyferry.deadline import Deadline
from keyferry.errors import ClusterSlow, ClusterUnavailable, OutOfTime

REMEMBERED_SECONDS = 30.0
"""How long an answer or a failure is remembered."""
MAX_REMEMBERED_SECONDS = 120.0
"""How long a failure is remembered at most, whatever `Retry-After` or a slow delivery says."""
SLOW_SECONDS = 1.0
"""How long the answers of a slow cluster take on average."""
MIN_ANSWERS, MAX_ANSWERS = 8, 50
"""How many answers it takes at least to call a cluster slow, and of how many the average is taken at most."""
SLOW_PAUSE_RATIO = 9
"""How many times as long as a slow delivery the pause after it is: slow clusters get a tenth of the time."""


@dataclass(frozen=True)
class _Memory:
    """An error, and until when it is raised without asking, on the clock of the Health."""

    error: ClusterUnavailable
    until: float


class Health:
    """The memory of one connection. Safe for use by several threads."""

    def __init__(self, cluster: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing known.

        Args:
            cluster: the cluster's name in mappings, for messages.
            clock: returns the current time in seconds.
        """
        self._cluster, self._clock, self._lock = cluster, clock, Lock()
        self._well_until, self._timed_at = -math.inf, -math.inf
        self._failure: _Memory | None = None
        self._slowness: _Memory | None = None
        self._first: Future[None] | None = None
        """The request that goes alone; it has a result when the others may go on."""
        self._seconds: deque[float] = deque(maxlen=MAX_ANSWERS)

    def check(self) -> None:
        """Raise the failure that is remembered, if there is one, with the seconds until the cluster is asked again."""
        with self._lock:
            self._raise(self._failure)

    def check_available(self) -> None:
        """Raise what is remembered that speaks against another delivery: a failure, or ClusterSlow."""
        with self._lock:
            self._raise(self._failure)
            self._raise(self._slowness)

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
            yield first is not None and self._failure is not None
        except BaseException as error:
            self._end(first, error)
            raise
        self._end(first, None)

    def note_answer(self) -> None:
        """Remember that the cluster has answered; requests that wait go on."""
        with self._lock:
            if self._failure and self._clock() < self._failure.until:
                return  # an answer to a request that was under way before the failure
            self._failure, self._well_until = None, self._clock() + REMEMBERED_SECONDS
            first, self._first = self._first, None
        if first:
            first.set_result(None)

    def remember[E: ClusterUnavailable](self, error: E, seconds: float = REMEMBERED_SECONDS) -> E:
        """Remember a failure for so many seconds, 30 to 120, and return it to be raised."""
        with self._lock:
            self._failure, self._well_until = _Memory(error, self._clock() + _bound(seconds)), -math.inf
        return error

    def note_seconds(self, seconds: float) -> None:
        """Take down how long an answer took. Answers count together while no two are more than 30 s apart."""
        with self._lock:
            if not self._is_streak():
                self._seconds.clear()
            self._seconds.append(seconds)
            self._timed_at = self._clock()

    @property
    def is_slow(self) -> bool:
        """Whether the last answers took more than a second on average."""
        with self._lock:
            enough = self._is_streak() and len(self._seconds) >= MIN_ANSWERS
            return enough and sum(self._seconds) > SLOW_SECONDS * len(self._seconds)

    def remember_slow(self, seconds: float) -> None:
        """Remember that the cluster is slow, after a delivery that has taken so many seconds up to now."""
        with self._lock:
            average = sum(self._seconds) / max(1, len(self._seconds))
            error = ClusterSlow(f"cluster {self._cluster} is slow: its answers take {average:.1f} s on average")
            self._slowness = _Memory(error, self._clock() + _bound(SLOW_PAUSE_RATIO * seconds))

    def _begin(self, deadline: Deadline) -> "Future[None] | None":
        """Wait for the turn of a request; return the future of one that goes alone, None for one of many."""
        while True:
            with self._lock:
                self._raise(self._failure)
                if self._clock() < self._well_until:
                    return None
                if self._first is None:
                    self._first = Future()
                    return self._first
                first = self._first
            try:
                first.result(deadline.remaining())
            except TimeoutError:
                raise OutOfTime from None

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

    def _is_streak(self) -> bool:
        return self._clock() - self._timed_at <= REMEMBERED_SECONDS

    def _raise(self, memory: _Memory | None) -> None:
        if memory is None or (seconds := memory.until - self._clock()) <= 0:
            return
        kind = type(memory.error)
        # Not by calling the class: its arguments can be others than the text.
        raise kind.__new__(kind, f"{memory.error}; it is asked again in {math.ceil(seconds)} s")


def _bound(seconds: float) -> float:
    return min(MAX_REMEMBERED_SECONDS, max(REMEMBERED_SECONDS, seconds))
