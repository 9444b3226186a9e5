"""What stops a translation."""


class Untranslatable(Exception):
    """A template cannot be translated so that it makes the same.

    Attributes:
        line: the line of the template, from 1.
        reason: what it is; a clause without a full stop.
    """

    def __init__(self, line: int, reason: str) -> None:
        self.line, self.reason = line, reason
        super().__init__(f"line {line} of the template: {reason}")
