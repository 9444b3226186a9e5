"""What one process calls, in order, and a way to step in beside each call."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

type Step = Callable[[int, str], None]
"""What happens beside a call: its number, counted from 0, and its verb and object, `apply payments/db`."""

_WRITES = ("apply", "patch", "prune", "delete")


def _nothing(_number: int, _call: str) -> None:
    """Nothing happens."""


@dataclass
class Calls:
    """The calls of one process. A step before or after one can change the cluster, fail, or let time pass."""

    recorded: list[str] = field(default_factory=list)
    before: Step = _nothing
    after: Step = _nothing

    @contextmanager
    def call(self, what: str) -> Iterator[None]:
        """Surround one call."""
        number = len(self.recorded)
        self.recorded.append(what)
        self.before(number, what)
        yield
        self.after(number, what)

    def count(self, verb: str) -> int:
        """Return how many calls of a verb were made."""
        return sum(what.split()[0] == verb for what in self.recorded)

    @property
    def writes(self) -> list[str]:
        """The calls that may change something."""
        return [what for what in self.recorded if what.split()[0] in _WRITES]
