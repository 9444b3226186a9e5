"""What is wrong in the mapping files: where, what, and what would be right."""

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

from keyferry.errors import InvalidInput


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong in a file, or that is right and does nothing: a warning."""

    file: str
    line: int
    column: int
    message: str
    level: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        level = "" if self.level == "error" else f"{self.level}: "
        return f"{self.file}:{self.line}:{self.column}: {level}{self.message}"

    def as_dict(self) -> dict[str, str | int]:
        """Return it for `--output json`."""
        return asdict(self)

    def as_command(self) -> str:
        """Return it as a workflow command, which GitHub shows at its line (GitHub's `toolkit`, command.ts)."""
        file = _escaped(self.file).replace(":", "%3A").replace(",", "%2C")
        return f"::{self.level} file={file},line={self.line},col={self.column}::{_escaped(self.message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


class InvalidFiles(InvalidInput):
    """The mapping files have problems: all of them, in the order of their places."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


def nearest(name: str, known: Iterable[str], noun: str = "") -> str:
    """Return `; did you mean …?` for the nearest of the known names, or which there are where none is near.

    Args:
        name: what was written.
        known: what could be.
        noun: what these are, for the list of them; none is given where it is empty.
    """
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    if not noun:
        return ""
    return f"; {noun}: {', '.join(names[:12])}{', …' if len(names) > 12 else ''}" if names else f"; {noun}: none"
