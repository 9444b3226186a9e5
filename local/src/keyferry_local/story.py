"""How the demo is told: each step as it happens, how long it took, and a summary."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from keyferry_local.timeline import Hop


@dataclass
class Story:
    """What has been told so far."""

    console: Console
    summary: list[tuple[str, str, float]] = field(default_factory=list)
    """Of each step: title, result, seconds."""
    _idle: float = 0.0

    @contextmanager
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        """Announce a step, time it, and note it for the summary with what it says last."""
        self.say(f"▸ {title}", "bold")
        began, said, self._idle = time.monotonic(), [""], 0.0

        def say(text: str) -> None:
            said.append(text)
            self.say(f"  {text}", "dim")

        yield say
        self.summary.append((title, said[-1], time.monotonic() - began - self._idle))

    def idle(self, seconds: float) -> None:
        """Leave out of the step's time what was only waited to see that nothing more happens."""
        self._idle += seconds

    def say(self, text: str, style: str | None = None) -> None:
        """Tell something as it is, without line breaks of our own: what is to be pasted must stay whole."""
        self.console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def show_hops(self, told: list[Hop]) -> None:
        """Show the way of a change."""
        table = Table("cluster", "what", "after", "hop", title="put-secret-value at 0", title_justify="left")
        for hop in told:
            table.add_row(hop.cluster, hop.name, f"{hop.seconds:.3f} s", f"+{hop.since_last:.3f} s")
        self.console.print(table)

    def summarise(self) -> None:
        """Show all steps."""
        table = Table("step", "result", "took", title="Summary", title_justify="left")
        for title, result, seconds in self.summary:
            table.add_row(title, result, f"{seconds:.1f} s")
        self.console.print(table)
