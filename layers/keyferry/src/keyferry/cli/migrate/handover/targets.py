"""The targets of a hand-over, each with how far it has come in this run."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from keyferry.cli.migrate.handover.state import State
from keyferry.cli.migrate.handover.steps import Step

type Standing = Literal["to do", "done", "refused", "waits", "failed"]


@dataclass
class Target:
    """A Secret that is handed over."""

    mapping: str
    cluster: str
    namespace: str | None
    secret: str
    steps: tuple[Step, ...] = ()
    """The steps that were left when it was first looked at."""
    standing: Standing = "to do"
    why: str = ""
    """Why it is not done."""
    done: list[str] = field(default_factory=list)
    """The steps of this run."""
    waits_for: str = ""
    waits_since: float = 0
    """When it began to wait for that, by the clock of the run."""
    ownerless_since: float | None = None
    """Since when it has been seen without an owner; None where it has one, or a class makes it."""
    tries: Counter[str] = field(default_factory=Counter)
    """How often each step was carried out, or failed."""

    @property
    def place(self) -> str:
        """The Secret as cluster/namespace/name."""
        return "/".join(filter(None, (self.cluster, self.namespace, self.secret)))

    @property
    def is_over(self) -> bool:
        """Whether nothing more is done for it in this run."""
        return self.standing != "to do"

    def finish(self, standing: Standing, why: str = "") -> None:
        """Do nothing more for it in this run."""
        self.standing, self.why = standing, why

    def measure_quiet(self, state: State, now: float) -> float:
        """Return for how many seconds the Secret has been seen without an owner."""
        if state.owners or state.provider_classes:
            self.ownerless_since = None
            return 0
        self.ownerless_since = now if self.ownerless_since is None else self.ownerless_since
        return now - self.ownerless_since
