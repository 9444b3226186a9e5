"""What a check says: a finding for each thing that it has looked at; and a check itself."""

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict

type State = Literal["ok", "warning", "error"]
"""`warning`: it works, or it could not be looked at; `error`: something does not work."""


MAPPINGS = Path("mappings")
"""The folder of the mappings where none is named."""


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


@dataclass(frozen=True)
class Call:
    """How this program was called: the commands of a remedy are for the same folder and stack."""

    mappings: Path = MAPPINGS
    """The folder of the mappings."""
    stack: str | None = None
    """The value of `--stack`; None for the stack that samconfig.toml names."""

    def format(self, verb: str, *words: str) -> str:
        """Return a command of this program."""
        folder = () if self.mappings == MAPPINGS else ("--mappings", str(self.mappings))
        return format_command("keyferry", *folder, verb, *words)

    def format_asking(self, verb: str, *words: str) -> str:
        """Return a command of this program that asks the stack."""
        return self.format(verb, *words, *(("--stack", self.stack) if self.stack else ()))

    def name_generated(self, name: str) -> str:
        """Return the path of a generated file."""
        return str(self.mappings.parent / "generated" / name)

    @property
    def deploy(self) -> tuple[str, ...]:
        """The commands that make the stack what template.yaml says."""
        named = ("--stack-name", self.stack) if self.stack else ()
        return "make build", format_command(".tools/sam/bin/sam", "deploy", *named)


CALL = Call()
"""A call that names neither."""
