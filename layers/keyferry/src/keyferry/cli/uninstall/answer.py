"""The form of the answer of `keyferry uninstall --plan --output json`."""

from typing import NotRequired, TypedDict


class StepRow(TypedDict):
    """One step of the removal."""

    what: str
    """What it removes, and where."""
    details: NotRequired[list[str]]
    """What to know before it is taken, such as who uses a Secret."""
    commands: list[str]
    """The shell commands, in order; empty where it is done elsewhere than in a shell, as the details say."""


class Answer(TypedDict):
    """What `keyferry uninstall --plan --output json` writes."""

    stack: str
    """The name of the stack; empty where nothing names one."""
    steps: list[StepRow]
    """What to do, in this order. Empty where nothing is left."""
    stays: list[str]
    """What none of the steps removes."""
    notes: list[str]
    """What could not be looked at, and why."""
