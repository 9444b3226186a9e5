"""Hold deliveries of what is suspended, by what was read of the suspensions a moment ago.

That nothing stops a delivery may be remembered for five seconds. That something does may be remembered only for a
change from before it was read: whoever resumes sweeps after that, and the delivery of that sweep must not be stopped by
an answer that is older than it. A call that fails is not made again for five seconds; until then the last answer
counts, and what it stops waits on the queue. Without an answer nothing is delivered.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from keyferry.aws.sessions import Sessions
from keyferry.aws.suspensions import SuspensionStore
from keyferry.delivery.work import read_time
from keyferry.errors import KeyferryError, Suspended, SuspensionsUnknown
from keyferry.model import Delivery
from keyferry.pipeline.suspensions import Suspension, Suspensions

REMEMBER_SECONDS = 5
REMEMBERED = timedelta(seconds=REMEMBER_SECONDS)
CLOCKS_APART = timedelta(seconds=2)
"""How far the clocks of two machines of AWS may be apart."""


type Read = Callable[[], Suspensions]
"""Reads what is suspended; raises a KeyferryError where AWS does not say."""


def create_reader(sessions: Sessions, environment: Mapping[str, str]) -> Read:
    """Return a function that reads what is suspended in the stack that the environment names.

    Nothing is where it names none: `keyferry push` has looked before.
    """
    path = environment.get("KEYFERRY_SUSPENSIONS")
    # A call that is not answered is given up early: the last answer will do.
    return lambda: SuspensionStore(sessions.client("ssm", fail_fast=True), path).read() if path else Suspensions()


def look(read: Read) -> tuple[Suspensions, str]:
    """Return what is suspended, for a sweep; nothing, and why, where that is not known: `deliver` looks again."""
    try:
        return read(), ""
    except KeyferryError as error:
        return Suspensions(), f"what is suspended cannot be read: {error}"


def describe(read: Read) -> dict[str, Any]:
    """Return what is suspended now, for an answer of `report`: `{"suspended": …}`, empty where nothing is.

    Where that cannot be read, `{"suspensionsUnknown": …}` says why: the answer is of more than that.
    """
    suspensions, note = look(read)
    active = [one.model_dump(mode="json") for one in suspensions.list_active(read_time())]
    return ({"suspended": active} if active else {}) | ({"suspensionsUnknown": note} if note else {})


@dataclass(frozen=True)
class _Answer:
    """What was read, and when that began."""

    suspensions: Suspensions
    begun: datetime


class Gate:
    """Stops deliveries of what is suspended. Safe for use by several threads."""

    def __init__(
        self,
        read: Read,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = read_time,
    ) -> None:
        """Know nothing yet.

        Args:
            read: reads the suspensions; may raise a KeyferryError.
            clock: returns the seconds of a clock that never goes back.
            now: returns the current time.
        """
        self.read, self._clock, self._now = read, clock, now
        self._answer: _Answer | None = None
        self._failure: KeyferryError | None = None
        self._tried = (0.0, now())
        """When it was read last, or could not be, by both clocks: the first one may stand still between invocations."""
        self._lock = Lock()

    def learn(self, gate: "Gate") -> None:
        """Know from now on what another gate knows: in a process that has just begun, that of the one before it."""
        self._answer, self._failure, self._tried = gate._answer, gate._failure, gate._tried

    def check(self, delivery: Delivery) -> None:
        """Let a delivery begin, or not.

        Raises:
            Suspended: it is suspended.
            SuspensionsUnknown: that cannot be read now, and the last answer has stopped it, or there is none.
        """
        with self._lock:
            if self._has_to_read(delivery):
                self._refresh()
            found = self._find(delivery)
            if self._failure and (found or not self._answer):
                why = f"{found} (as it was read last)" if found else "it was never read"
                raise SuspensionsUnknown(f"what is suspended cannot be read: {why}; {self._failure}")
        if found:
            raise Suspended(str(found))

    def check_running(self, delivery: Delivery) -> None:
        """Let a delivery go on, or not: as `check`, but what cannot be read is as it was, and nobody waits for others.

        Raises:
            Suspended: it is suspended by now.
        """
        if not self._is_fresh() and self._lock.acquire(blocking=False):
            try:
                if not self._is_fresh():
                    self._refresh()
            finally:
                self._lock.release()
        if found := self._find(delivery):
            raise Suspended(str(found))

    def _is_fresh(self) -> bool:
        """Whether the last answer, or the last failure, is of a moment ago."""
        at, time = self._tried
        is_recent = self._clock() - at < REMEMBER_SECONDS and abs(self._now() - time) < REMEMBERED
        return is_recent and not (self._answer is None and self._failure is None)

    def _has_to_read(self, delivery: Delivery) -> bool:
        if not self._is_fresh():
            return True
        if self._failure or not self._answer:
            return False
        is_older = delivery.time < self._answer.begun - CLOCKS_APART
        return self._find(delivery) is not None and not is_older

    def _refresh(self) -> None:
        self._tried = self._clock(), self._now()
        try:
            self._answer, self._failure = _Answer(self.read(), self._tried[1]), None
        except KeyferryError as error:
            self._failure, self._tried = error.with_traceback(None), (self._clock(), self._now())

    def _find(self, delivery: Delivery) -> Suspension | None:
        answer = self._answer
        return answer.suspensions.find(delivery.mapping, delivery.cluster, self._now()) if answer else None
