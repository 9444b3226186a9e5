"""A clock that is moved by hand, so that no test waits."""

from keyferry.deadline import Deadline


class FakeClock:
    """A clock that stands still until `sleep` or `jump` is called.

    The clock itself can be called in place of `time.monotonic`, and its `sleep` in place of `time.sleep`.
    """

    def __init__(self, now: float = 0.0) -> None:
        """Start at a time, in seconds."""
        self.now = now
        self.slept: list[float] = []
        """The seconds of each `sleep`, in order."""

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.now

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
