"""What a check says: a finding for each thing that it has looked at; and a check itself."""

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypedDict

type State = Literal["ok", "warning", "error"]
"""`warning`: it works, or it could not be looked at; `error`: something does not work."""


class FindingRow(TypedDict):
    """A finding, as `--output json` has it."""

    check: str
    """The group of what is looked at, such as `queues`."""
    state: State
    """`ok`; `warning`, where it works or could not be looked at; or `error`, where something does not work."""
    what: str
    """What was looked at, such as the name of a queue."""
    why: str
    """What is to be said of it."""
    remedy: list[str]
    """Commands that mend it, or show more; empty where there is nothing to do."""
    details: list[str]
    """All things that `why` counts, such as each object that is missing; empty where it says all."""


@dataclass(frozen=True)
class Finding:
    """What is to be said of one thing."""

    check: str
    state: State
    what: str
    why: str = ""
    remedy: tuple[str, ...] = ()
    """Commands for a shell, to be pasted."""
    details: tuple[str, ...] = ()
    """All things of which `why` names the first and a number."""

    def as_dict(self) -> FindingRow:
        """Return it for `--output json`."""
        return {
            "check": self.check,
            "state": self.state,
            "what": self.what,
            "why": self.why,
            "remedy": list(self.remedy),
            "details": list(self.details),
        }


@dataclass(frozen=True)
class Check:
    """Something to look at."""

    name: str
    """The group that its findings belong to."""
    what: str
    """What is looked at, for the finding that it could not be."""
    run: Callable[[], Iterable[Finding]]
    """Yields findings, and raises a KeyferryError where it cannot look."""


def format_command(*words: str) -> str:
    """Return a command as a shell takes it."""
    return shlex.join(words)
