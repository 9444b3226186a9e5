"""What a person or a program reads: tables on a terminal, plain columns elsewhere, JSON where it is asked for."""

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

PATIENCE_SECONDS = 2.0
"""How long nothing is shown of work under way."""
_STYLES = {
    "failed": "red",
    "fail": "red",
    "delete": "red",
    "deleted": "red",
    "create": "green",
    "created": "green",
    "update": "yellow",
    "updated": "yellow",
}


def tell(text: str) -> None:
    """Write a line of the result."""
    click.echo(printable(text))


def note(text: str) -> None:
    """Write a line that is not part of the result."""
    click.echo(printable(text), err=True)


def tell_json(value: object) -> None:
    """Write the result for programs."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table: with lines and colours on a terminal, as plain columns elsewhere; none that is empty."""
    columns = [list(map(printable, column)) for column in zip(header, *rows, strict=True) if any(column[1:])]
    shown = list(zip(*columns, strict=True))
    if sys.stdout.isatty():
        made = Table()
        for column in columns:
            made.add_column(column[0], overflow="fold")
        for row in shown[1:]:
            made.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
        Console(highlight=False).print(made)
        return
    widths = [max(map(len, column)) for column in columns]
    for line in shown:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def printable(text: str) -> str:
    """Return the text with what a terminal could take for a command written out."""
    return "".join(char if char.isprintable() or char == "\n" else f"\\x{ord(char):02x}" for char in text)


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Show on stderr how far work is, once it has taken two seconds; give what to call after each part."""
    console = Console(stderr=True, highlight=False)
    bar = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        console=console, transient=True,
    )  # fmt: skip
    task = bar.add_task(what, total=total)
    begin = bar.start if console.is_terminal else lambda: note(f"{what} …")
    timer = threading.Timer(PATIENCE_SECONDS, begin)
    timer.daemon = True
    timer.start()
    try:
        yield lambda: bar.advance(task)
    finally:
        timer.cancel()
        timer.join()
        if bar.live.is_started:  # one that is not would write an empty line
            bar.stop()
