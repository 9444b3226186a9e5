"""Writes to stdout and stderr: lines, JSON, tables, and the progress of work."""

import json
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from keyferry.formats.printable import escape

PATIENCE_SECONDS = 2.0
"""How long work goes on before its progress is shown."""
_STYLES = {
    "failed": "red",
    "fail": "red",
    "delete": "red",
    "deleted": "red",
    "create": "green",
    "created": "green",
    "update": "yellow",
    "updated": "yellow",
    "conflict": "red",
    "gone": "red",
    "stale": "yellow",
    "restart due": "yellow",
    "right": "green",
}
"""The text of a table cell → its colour on a terminal."""


def print_line(text: str) -> None:
    """Write a line of the result to stdout."""
    click.echo(printable(text))


def print_note(text: str) -> None:
    """Write a line that is not part of the result to stderr."""
    click.echo(printable(text), err=True)


def print_json(value: object) -> None:
    """Write the result to stdout as JSON, with JSON's own escapes for what is not printable."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    click.echo("".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table to stdout: with lines and colours on a terminal, otherwise as columns of plain text.

    Columns without any text are left out.
    """
    columns = [list(map(printable, column)) for column in zip(header, *rows, strict=True) if any(column[1:])]
    lines = list(zip(*columns, strict=True))
    if sys.stdout.isatty():
        table = Table()
        for column in columns:
            table.add_column(column[0], overflow="fold")
        for line in lines[1:]:
            table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in line))
        Console(highlight=False).print(table)
        return
    widths = [max(map(len, column)) for column in columns]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def printable(text: str) -> str:
    """Return the text with all but its line ends escaped that is not printable: a terminal would obey it."""
    return "\n".join(map(escape, text.split("\n")))


@contextmanager
def show_progress(work: str, total: int) -> Iterator[Callable[[], None]]:
    """Show on stderr how far some work is, once it has taken two seconds.

    Args:
        work: what is done, as `planning`.
        total: number of its steps.

    Yields:
        A function to call after each step.
    """
    console = Console(stderr=True, highlight=False)
    bar = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        console=console, transient=True,
    )  # fmt: skip
    task = bar.add_task(work, total=total)
    start = bar.start if console.is_terminal else lambda: print_note(f"{work} …")
    timer = threading.Timer(PATIENCE_SECONDS, start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda: bar.advance(task)
    finally:
        timer.cancel()
        timer.join()
        if bar.live.is_started:  # stopping one that is not started writes an empty line
            bar.stop()
