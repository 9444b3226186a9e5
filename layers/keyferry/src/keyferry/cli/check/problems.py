"""Problems of mapping files: the position, what is wrong, and what would be right."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypedDict

from keyferry.errors import InvalidInput
from keyferry.wording import abridge

type Level = Literal["error", "warning"]


class ProblemFields(TypedDict):
    """A problem as `--output json` has it."""

    file: str
    """The file, as a path from where the command ran."""
    line: int
    """From 1."""
    column: int
    """From 1."""
    message: str
    """What is wrong, and what would be right."""
    level: Level
    """Whether it has to be mended, or should be looked at."""


class Problems(TypedDict):
    """What every command answers in place of its result where files have errors; it exits with 1 then."""

    problems: list[ProblemFields]
    """All problems, by file and line."""


@dataclass(frozen=True, order=True)
class Problem:
    """Something wrong in a file, or a warning."""

    file: str
    line: int
    column: int
    message: str
    level: Level = "error"

    def __post_init__(self) -> None:
        """Cut the middle out of a long message: it can quote what a file has."""
        object.__setattr__(self, "message", abridge(self.message))

    def __str__(self) -> str:
        level = "" if self.level == "error" else f"{self.level}: "
        return f"{self.file}:{self.line}:{self.column}: {level}{self.message}"

    def as_dict(self) -> ProblemFields:
        """Return the problem for `--output json`."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "message": self.message,
            "level": self.level,
        }

    def as_command(self) -> str:
        """Return a workflow command of GitHub Actions, which shows the problem at its line (`toolkit`, command.ts)."""
        file = _escape(self.file).replace(":", "%3A").replace(",", "%2C")
        return f"::{self.level} file={file},line={self.line},col={self.column}::{_escape(self.message)}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


class InvalidFiles(InvalidInput):
    """The mapping files have problems. `problems` has all of them, ordered by file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        text = "\n".join(map(str, self.problems))
        super().__init__(text, limit=len(text))


def similarity(one: str, other: str) -> float:
    """Return how similar two names are, from 0 to 1, whatever the case of their letters."""
    return difflib.SequenceMatcher(None, one.lower(), other.lower()).ratio()


def nearest(name: str, known: Iterable[str], noun: str = "") -> str:
    """Return the end of a message: `; did you mean …?` with a similar name, or a list of the known names without one.

    Args:
        name: the name that is not known.
        known: the names that are.
        noun: the beginning of the list, such as `there is`; without it, no list is written.
    """
    names = sorted(set(known))
    folded = {known.casefold(): known for known in names}
    similar = difflib.get_close_matches(name.casefold(), folded, n=1)
    if similar:
        return f"; did you mean {folded[similar[0]]}?"
    if not noun:
        return ""
    return f"; {noun}: {', '.join(names[:12])}{', …' if len(names) > 12 else ''}" if names else f"; {noun}: none"
