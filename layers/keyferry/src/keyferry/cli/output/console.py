"""Writes to stdout and stderr: lines, JSON, tables, and the progress of work.

What a stream can show is decided here alone, by `describe_screen`.
"""

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

import click

from keyferry.formats.printable import escape

PATIENCE_SECONDS = 2.0
"""How long work goes on before its progress is shown."""
STATE_WIDTH = len("warning")
"""How wide the column of states is that `print_entry` writes."""
_ASCII = str.maketrans({"→": "->", "…": "..."})
"""What Keyferry itself writes beyond ASCII, and what stands for it where only ASCII is shown."""


@dataclass(frozen=True)
class Screen:
    """What a stream can show."""

    width: int | None
    """Columns; None where it is no terminal: then nothing is wrapped, and a row is one line."""
    has_colour: bool
    has_unicode: bool
    """Whether it shows more than ASCII."""

    @property
    def is_animated(self) -> bool:
        """Whether a line can be written again and again."""
        return self.width is not None and self.has_colour and self.has_unicode


def describe_screen(stream: TextIO) -> Screen:
    """Return what a stream can show.

    No escapes at all are written to what is no terminal, where `NO_COLOR` is set and not empty (https://no-color.org),
    and where `TERM` is `dumb`; `FORCE_COLOR` gives colours to a pipe too. Only ASCII is written where the locale is `C`
    by `LC_ALL`, or where the stream's encoding is not UTF-8. `COLUMNS` overrides the width of a terminal.
    """
    is_terminal, environment = stream.isatty(), os.environ
    is_plain = environment.get("NO_COLOR") or environment.get("TERM") in ("dumb", "unknown")
    has_colour = not is_plain and bool(is_terminal or environment.get("FORCE_COLOR"))
    encoding = (getattr(stream, "encoding", None) or "utf-8").lower().replace("_", "-")
    has_unicode = encoding in ("utf-8", "utf8") and environment.get("LC_ALL") not in ("C", "POSIX")
    return Screen(_measure(stream) if is_terminal else None, has_colour, has_unicode)


def _measure(stream: TextIO) -> int:
    """Return the columns of a terminal; 80 if it does not tell."""
    try:
        columns = int(os.environ.get("COLUMNS", "0")) or os.get_terminal_size(stream.fileno()).columns
    except (ValueError, OSError):
        columns = 0
    return columns or shutil.get_terminal_size().columns


def is_terminal() -> bool:
    """Return whether a person reads the result at once: on a pipe, a row is left out for nobody."""
    return describe_screen(sys.stdout).width is not None


def print_line(text: str, indent: int = 0) -> None:
    """Write a line of the result to stdout; on a terminal it is wrapped at blanks, and goes on so many columns in."""
    _print_wrapped(sys.stdout, text, " " * indent)


def print_note(text: str) -> None:
    """Write a line that is not part of the result to stderr; on a terminal it is wrapped at blanks."""
    _print_wrapped(sys.stderr, text)


def ask(question: str) -> bool:
    """Ask on stderr, and return whether the answer is yes; on a terminal the question is wrapped at blanks."""
    from keyferry.cli.output.wrapping import wrap  # noqa: PLC0415  # takes long

    screen, answer = describe_screen(sys.stderr), len(": y")
    text = printable(f"{question} [y/N]", screen)
    lines = wrap(text, screen.width - answer) if screen.width else [text]
    return click.confirm("\n".join(lines), show_default=False, err=True)


def print_entry(state: str, text: str, indent: int = 0) -> None:
    """Write a line that begins with a state, in its colour; on a terminal the text is wrapped beside it.

    Args:
        state: what `keyferry.cli.output.tables` has a colour for.
        text: the text.
        indent: by how many blanks further lines of the text begin later than it.
    """
    from keyferry.cli.output.tables import paint_state  # noqa: PLC0415  # takes long
    from keyferry.cli.output.wrapping import wrap  # noqa: PLC0415

    screen = describe_screen(sys.stdout)
    line = printable(f"{state:{STATE_WIDTH}}  {text}", screen)
    first, *more = wrap(line, screen.width, " " * (STATE_WIDTH + 2 + indent)) if screen.width else [line]
    _write(sys.stdout, screen, "\n".join([paint_state(state, screen) + first[len(state) :], *more]))


def print_verbatim(text: str) -> None:
    """Write text to stdout that is never wrapped: a command to paste, a document."""
    screen = describe_screen(sys.stdout)
    _write(sys.stdout, screen, printable(text, screen))


def print_command(text: str) -> None:
    """Write a command that mends something to stderr, on a line of its own that is never wrapped: it can be pasted."""
    screen = describe_screen(sys.stderr)
    _write(sys.stderr, screen, f"  {printable(text, screen)}")


def print_json(value: object) -> None:
    """Write the result to stdout as JSON, with JSON's own escapes for what is not printable."""
    screen = describe_screen(sys.stdout)
    text = json.dumps(value, indent=2, ensure_ascii=not screen.has_unicode)
    shown = "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text)
    _write(sys.stdout, screen, shown)


def print_document(text: str) -> None:
    """Write a whole file to stdout as it is, in UTF-8 whatever the terminal has: whoever makes it has escaped it."""
    click.echo(text.encode(), nl=False)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table to stdout: columns of text, in colour on a terminal; see `keyferry.cli.output.tables.lay_out`.

    Columns without any text are left out. The first columns are those that matter most: on a terminal that is too
    narrow, the others go below each row.
    """
    from keyferry.cli.output.tables import lay_out  # noqa: PLC0415  # takes long

    screen = describe_screen(sys.stdout)
    shown = [[printable(cell, screen) for cell in row] for row in (header, *rows)]
    for line in lay_out(shown[0], shown[1:], screen):
        _write(sys.stdout, screen, line)


def printable(text: str, screen: Screen | None = None) -> str:
    """Return the text with all but its line ends escaped that is not printable: a terminal would obey it.

    Args:
        text: the text.
        screen: what it is written for; where that shows only ASCII, so does the text.
    """
    shown = "\n".join(map(escape, text.split("\n")))
    if screen is None or screen.has_unicode:
        return shown
    return shown.translate(_ASCII).encode("ascii", "backslashreplace").decode()


def _print_wrapped(stream: TextIO, text: str, indent: str = "") -> None:
    from keyferry.cli.output.wrapping import wrap  # noqa: PLC0415  # takes long

    screen = describe_screen(stream)
    for line in printable(text, screen).split("\n"):
        _write(stream, screen, "\n".join(wrap(line, screen.width, indent)) if screen.width else line)


def _write(stream: TextIO, screen: Screen, text: str) -> None:
    click.echo(text, file=stream, color=screen.has_colour)


@contextmanager
def show_progress(work: str, total: int) -> Iterator[Callable[[], None]]:
    """Show on stderr how far some work is, once it has taken two seconds.

    Args:
        work: what is done, as `planning`.
        total: number of its steps.

    Yields:
        A function to call after each step.
    """
    from keyferry.cli.output.progress import Bar  # noqa: PLC0415  # takes long

    bar = Bar(work, total)
    start = bar.start if describe_screen(sys.stderr).is_animated else lambda: print_note(f"{work} …")
    timer = threading.Timer(PATIENCE_SECONDS, start)
    timer.daemon = True
    timer.start()
    try:
        yield bar.advance
    finally:
        timer.cancel()
        timer.join()
        bar.stop()
