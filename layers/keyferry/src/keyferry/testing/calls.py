"""Record the calls of one process in order, and run code before and after each."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

type Step = Callable[[int, str], None]
"""A function to run before or after a call. It gets the number of the call, from 0, and the call: `apply payments/db`.
"""

_WRITES = ("apply", "patch", "prune", "delete")


def _do_nothing(_number: int, _call: str) -> None:
    """Do nothing."""


@dataclass
class Calls:
    """The calls of one process. `before` and `after` can change the cluster, raise an error, or let time pass."""

    recorded: list[str] = field(default_factory=list)
    before: Step = _do_nothing
    after: Step = _do_nothing

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        """Record a call, and run the steps before and after it."""
        number = len(self.recorded)
        self.recorded.append(name)
        self.before(number, name)
        yield
        self.after(number, name)

    def count(self, verb: str) -> int:
        """Return how many calls have a verb."""
        return sum(call.split()[0] == verb for call in self.recorded)

    @property
    def writes(self) -> list[str]:
        """The calls that may change something."""
        return [call for call in self.recorded if call.split()[0] in _WRITES]
