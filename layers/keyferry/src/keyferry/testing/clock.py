"""A clock that is moved by hand, so that no test waits."""

from datetime import UTC, datetime, timedelta

from keyferry.deadline import Deadline

_EPOCH = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class FakeClock:
    """A clock that stands still until `sleep` or `jump` is called.

    The clock itself can be called in place of `time.monotonic`, its `sleep` in place of `time.sleep`, and its
    `read_time` in place of `datetime.now`.
    """

    def __init__(self, now: float = 0.0) -> None:
        """Start at a time, in seconds."""
        self.now = now
        self.slept: list[float] = []
        """The seconds of each `sleep`, in order."""

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.now

    def read_time(self) -> datetime:
        """Return the time as a date: noon of 24 November 2026 in UTC, when the clock shows 0."""
        return _EPOCH + timedelta(seconds=self.now)

    def sleep(self, seconds: float) -> None:
        """Move the clock on, and record that in `slept`."""
        self.slept.append(seconds)
        self.jump(seconds)

    def jump(self, seconds: float) -> None:
        """Move the clock on without a `sleep`, as if something else took the time."""
        self.now += seconds

    def deadline(self, seconds: float) -> Deadline:
        """Return a deadline by this clock, in a number of seconds."""
        return Deadline(self.now + seconds, self)
