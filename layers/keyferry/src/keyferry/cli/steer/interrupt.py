"""Ctrl-C during work that has to say how far it came: nothing more is begun, and what has begun comes to an end."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from keyferry.cli.output import console
from keyferry.deadline import Deadline
from keyferry.errors import OutOfTime

SLICE_SECONDS = 0.2
"""How often somebody who waits looks whether it was pressed."""


class Interrupted(OutOfTime):
    """Somebody has pressed Ctrl-C before the work was done."""

    def __str__(self) -> str:
        return "interrupted before the end; doing it again does the rest"


class Interrupt:
    """Whether Ctrl-C was pressed."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self.is_pressed = False

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Note that Ctrl-C is pressed, for a while; the second time it ends everything at once.

        Raises:
            KeyboardInterrupt: it was pressed a second time.
        """
        before = signal.signal(signal.SIGINT, self._press)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _press(self, _number: int, _frame: FrameType | None) -> None:
        if self.is_pressed:
            raise KeyboardInterrupt
        self.is_pressed = True
        console.print_note("stopping: what has begun comes to an end; Ctrl-C again does not wait for it")

    def set_deadline(self, seconds: float) -> Deadline:
        """Return a deadline that many seconds from now, or when Ctrl-C is pressed."""
        return _Deadline(self._clock() + seconds, self._clock, self)

    def wait(self, seconds: float) -> None:
        """Wait that many seconds, or until Ctrl-C is pressed."""
        deadline = self.set_deadline(seconds)
        while not deadline.has_passed:
            self._sleep(min(SLICE_SECONDS, deadline.remaining()))


@dataclass(frozen=True)
class _Deadline(Deadline):
    """A deadline that passes when Ctrl-C is pressed; its clock goes on as before."""

    interrupt: Interrupt = field(default_factory=Interrupt)

    def remaining(self) -> float:
        """Return the seconds left; none once it was pressed."""
        return 0.0 if self.interrupt.is_pressed else super().remaining()
