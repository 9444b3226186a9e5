"""Deadlines: how much time is left for the work of an invocation."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Deadline:
    """The time after which no more work may begin, on a monotonic clock."""

    at: float
    """The time, as `clock` counts it, in seconds."""
    clock: Callable[[], float] = time.monotonic
    """Returns the current time in seconds."""

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """Return a deadline that many seconds from now."""
        return cls(time.monotonic() + seconds)

    def later(self, seconds: float) -> "Deadline":
        """Return a deadline that is that many seconds after this one."""
        return Deadline(self.at + seconds, self.clock)

    @property
    def has_passed(self) -> bool:
        """Whether no time is left."""
        return self.remaining() == 0

    def remaining(self) -> float:
        """Return the seconds left, never negative."""
        return max(0.0, self.at - self.clock())
