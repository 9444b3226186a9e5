"""A failure of the parser of YAML, with the text that it is about."""

from dataclasses import dataclass
from functools import cached_property

from keyferry.cli.check.text import outline
from keyferry.cli.check.text.outline import Outline, indentation
from keyferry.formats.yamltext import Position


@dataclass(frozen=True)
class Failure:
    """Where the parser failed."""

    text: str
    message: str
    at: Position
    since: Position
    """Where the part begins that the parser was reading."""

    @cached_property
    def raw(self) -> list[str]:
        """The lines of the text."""
        return self.text.splitlines()

    @cached_property
    def outline(self) -> Outline:
        """What can be read of the text."""
        return outline.read(self.text)

    def line(self, number: int) -> str:
        """Return a line without comments and what stands in quotes; empty if there is none of this number."""
        return self.outline.lines[number - 1] if 0 < number <= len(self.outline.lines) else ""

    def before(self, number: int) -> int:
        """Return the number of the line before a line that is not empty; 0 if there is none."""
        return next((earlier for earlier in range(number - 1, 0, -1) if self.line(earlier).strip()), 0)

    @property
    def begins_its_line(self) -> bool:
        """Whether the parser failed at the first character of a line."""
        return self.at[1] == indentation(self.line(self.at[0])) + 1
