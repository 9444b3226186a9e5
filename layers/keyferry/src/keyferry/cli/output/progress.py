"""The bar that shows on a terminal how far some work is."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn


class Bar:
    """A bar on stderr, which goes away in the end. Several threads use it at once."""

    def __init__(self, work: str, total: int) -> None:
        """Show nothing yet.

        Args:
            work: what is done, as `planning`.
            total: number of its steps.
        """
        columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        self._progress = Progress(*columns, console=Console(stderr=True, highlight=False), transient=True)
        self._task = self._progress.add_task(work, total=total)

    def start(self) -> None:
        """Begin to show it."""
        self._progress.start()

    def advance(self) -> None:
        """Count a step."""
        self._progress.advance(self._task)

    def stop(self) -> None:
        """Take it away."""
        if self._progress.live.is_started:  # stopping one that is not started writes an empty line
            self._progress.stop()
