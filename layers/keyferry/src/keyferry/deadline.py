"""How much time is left."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Deadline:
    """When no more work may begin, on a monotonic clock."""

    at: float
    """Reading of `clock`, in seconds."""
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """Return the one that so many seconds are left to."""
        return cls(time.monotonic() + seconds)

    def within(self, seconds: float) -> "Deadline":
        """Return one that is at most so many seconds ahead."""
        return Deadline(min(self.at, self.clock() + seconds), self.clock)

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return self.remaining() == 0

    def remaining(self) -> float:
        """Return the seconds left, never negative."""
        return max(0.0, self.at - self.clock())
