"""Processes that die at a call, and deliveries that overlap, one call at a time, in the order that a test says."""

from threading import Semaphore, Thread

from keyferry.delivery.report import Report
from keyferry.testing import Calls
from tests.unit.world import World


class Crash(BaseException):
    """The process died: nothing may catch this."""


def dying(number: int, when: str) -> Calls:
    """Return the calls of a process that dies `before` or `after` one of them, and calls nothing from then on."""
    dead = False

    def step(this: int, what: str) -> None:
        nonlocal dead
        dead = dead or this == number
        if dead:
            raise Crash(what)

    return Calls(before=step) if when == "before" else Calls(after=step)


class Process:
    """A delivery that stops before each of its calls until it is let go on. It can be killed where it stands."""

    def __init__(self, world: World) -> None:
        self._world, self._killed = world, False
        self._may_go, self._stands = Semaphore(0), Semaphore(0)
        self.report: Report | None = None
        self.ended = False
        self.calls = Calls(before=self._pause)
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()
        self._stands.acquire()

    def step(self, calls: int = 1) -> None:
        """Make some calls, and stand before the next one."""
        for _ in range(calls):
            if not self.ended:
                self._may_go.release()
                self._stands.acquire()

    def finish(self) -> None:
        """Make all calls that are left."""
        while not self.ended:
            self.step()

    def kill(self) -> None:
        """Die before the next call; all calls up to it have taken effect."""
        self._killed = True
        self.finish()

    @property
    def comes_back(self) -> bool:
        """Whether its message does."""
        return self.report is None or self.report.can_retry

    def _run(self) -> None:
        try:
            self.report = self._world.deliver(self.calls)
        except Crash:
            pass
        finally:
            self.ended = True
            self._stands.release()

    def _pause(self, _number: int, what: str) -> None:
        if not self._killed:
            self._stands.release()
            self._may_go.acquire()
        if self._killed:
            raise Crash(what)
