"""The steps of a removal, what they leave, and what could not be looked at."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from keyferry.cli.uninstall.answer import Answer, StepRow


@dataclass(frozen=True)
class Step:
    """One step."""

    what: str
    """What it removes, and where."""
    commands: Sequence[str] = ()
    """The shell commands, in order."""
    details: Sequence[str] = ()
    """What to know before."""

    def build_row(self) -> StepRow:
        """Return it as JSON has it."""
        row: StepRow = {"what": self.what, "commands": list(self.commands)}
        if self.details:
            row["details"] = list(self.details)
        return row


@dataclass
class Removal:
    """What it takes to remove a stack."""

    stack: str = ""
    """Its name; empty where nothing names one."""
    steps: list[Step] = field(default_factory=list)
    """What to do, in this order."""
    stays: list[str] = field(default_factory=list)
    """What none of the steps removes."""
    notes: list[str] = field(default_factory=list)
    """What could not be looked at, and why."""

    def add(self, other: "Removal") -> None:
        """Add what was found elsewhere; its steps come after those that are known."""
        self.steps += other.steps
        self.stays += other.stays
        self.notes += other.notes

    def build_answer(self) -> Answer:
        """Return the whole as JSON has it."""
        steps = [step.build_row() for step in self.steps]
        return {"stack": self.stack, "steps": steps, "stays": self.stays, "notes": self.notes}


def delete_by_cloudformation(stack: str, region: str | None) -> list[str]:
    """Return the shell commands that delete a stack; in the region of the credentials where none is given."""
    where = ["--stack-name", stack, *(["--region", region] if region else [])]
    return [
        shlex.join(["aws", "cloudformation", verb, *more, *where])
        for verb, *more in (("delete-stack",), ("wait", "stack-delete-complete"))
    ]
