"""How the demo is told: a line for each step once it is done, and before that what is being done."""

import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.table import Table

from keyferry_local.timeline import Hop

WIDTH = 80
"""How wide a line is at most."""
SECONDS_WIDTH = 8
SPINNER_WIDTH = 4
PATIENCE_SECONDS = 15.0
"""After how long a file or pipe, which shows nothing that moves, is told what is being done."""


def _fit(whole: str, end: str, width: int) -> str:
    """Return the whole of what is being done, or its end alone where a line has no room for it, cut between words."""
    return whole if len(whole) <= width else textwrap.shorten(end, width, placeholder=" …")


class Story:
    """Tells what happens, on a terminal or into a file."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._idle = 0.0

    @contextmanager
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        """Do a step, and write a line with its seconds when it is done. Yields what tells a person who waits."""
        began, self._idle = time.monotonic(), 0.0
        status = Status(title, console=self.console) if self.console.is_terminal else None
        heard = began

        def say(text: str) -> None:
            nonlocal heard
            if status:
                status.update(_fit(f"{title}: {text}", text, self.console.width - SPINNER_WIDTH))
            elif time.monotonic() - heard >= PATIENCE_SECONDS:
                heard = time.monotonic()
                self.say(f"  {_fit(text, text, WIDTH - 2)}")

        if status:
            status.start()
        try:
            yield say
        finally:
            if status:
                status.stop()
        seconds = time.monotonic() - began - self._idle
        self.say(f"✓ {title:{WIDTH - 2 - SECONDS_WIDTH}}{seconds:{SECONDS_WIDTH - 2}.1f} s")

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
        self.console.print(table, width=WIDTH)
