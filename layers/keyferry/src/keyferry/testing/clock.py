"""A clock that jumps: nothing waits for it."""

from keyferry.deadline import Deadline


class FakeClock:
    """Stands still until somebody sleeps, or until it is told to jump.

    Called, it stands in for `time.monotonic`; its `sleep` stands in for `time.sleep`.
    """

    def __init__(self, now: float = 0.0) -> None:
        """Start at a reading, in seconds."""
        self.now = now
        self.slept: list[float] = []
        """How long each sleep was, in seconds, in order."""

    def __call__(self) -> float:
        """Return the reading, in seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move on by so much at once, and note it."""
        self.slept.append(seconds)
        self.jump(seconds)

    def jump(self, seconds: float) -> None:
        """Let time pass that nobody slept: something else took it."""
        self.now += seconds

    def deadline(self, seconds: float) -> Deadline:
        """Return a deadline by this clock, so many seconds ahead."""
        return Deadline(self.now + seconds, self)
