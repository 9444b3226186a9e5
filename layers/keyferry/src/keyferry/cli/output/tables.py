"""Lay out tables as kubectl does: columns of text, without lines between them."""

from collections.abc import Iterator, Sequence

import click
from rich.cells import cell_len

from keyferry.cli.output.console import Screen
from keyferry.cli.output.wrapping import wrap

GAP = "  "
_COLOURS = {
    "green": ("right", "create", "created", "ok", "equal"),
    "yellow": (
        *("stale", "restart due", "update", "updated", "annotate", "annotated", "restart", "warning", "expires"),
        *("waiting", "under way", "perhaps sent", "retry later"),
    ),
    "red": (
        *("failed", "fail", "delete", "deleted", "conflict", "gone", "error", "overdue", "has expired", "differs"),
        *("not sent", "dead letter", "dropped", "suspended"),
    ),
}
_COLOUR_OF = {text: colour for colour, texts in _COLOURS.items() for text in texts}
"""The text of a cell, up to its first comma → its colour."""


def lay_out(header: Sequence[str], rows: Sequence[Sequence[str]], screen: Screen) -> Iterator[str]:
    """Yield the lines of a table; columns without any text are left out.

    Where it is wider than the terminal, as many of the first columns as fit stay columns; what the others have goes
    below each row, as `name: text`. So no name is cut, whatever the width; and where there is no terminal, a row is a
    line.
    """
    kept = [index for index in range(len(header)) if any(row[index] for row in rows)]
    names, cells = [header[index] for index in kept], [[row[index] for index in kept] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(names, *cells, strict=True)]
    count = _count_fitting(widths, screen.width)
    yield _join([_paint(_pad(name, width), "bold", screen) for name, width in zip(names, widths, strict=True)][:count])
    for row in cells:
        padded = [
            _paint(_pad(cell, width), _find_colour(cell), screen) for cell, width in zip(row, widths, strict=True)
        ]
        yield _join(padded[:count])
        yield from _list_below(names[count:], row[count:], screen)


def _count_fitting(widths: Sequence[int], width: int | None) -> int:
    """Return how many of the first columns fit into a width; at least one."""
    count, taken = 0, 0
    for own in widths:
        taken += own + (len(GAP) if count else 0)
        if width is not None and taken > width:
            break
        count += 1
    return max(1, count)


def _list_below(names: Sequence[str], cells: Sequence[str], screen: Screen) -> Iterator[str]:
    """Yield the lines below a row, each with as many cells as fit."""
    line = ""
    for text in (f"{name}: {cell}" for name, cell in zip(names, cells, strict=True) if cell):
        if line and cell_len(line + GAP + text) > (screen.width or 0):
            yield from wrap(line, screen.width or 0, GAP)
            line = ""
        line += f"{GAP}{text}"
    if line:
        yield from wrap(line, screen.width or 0, GAP)


def _pad(cell: str, width: int) -> str:
    return cell + " " * (width - cell_len(cell))


def _join(cells: Sequence[str]) -> str:
    return GAP.join(cells).rstrip()


def _find_colour(cell: str) -> str:
    return _COLOUR_OF.get(cell.partition(",")[0], "")


def paint_state(text: str, screen: Screen) -> str:
    """Return the name of a state in its colour."""
    return _paint(text, _find_colour(text), screen)


def _paint(padded: str, style: str, screen: Screen) -> str:
    """Return a cell in its colour; the blanks behind it have none, so that they can be cut off."""
    text = padded.rstrip(" ")
    if not (style and text and screen.has_colour):
        return padded
    painted = click.style(text, bold=True) if style == "bold" else click.style(text, fg=style)
    return painted + padded[len(text) :]
