"""Outcomes → what is logged and counted. Pure, and free of values by construction."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from keyferry.delivery.desired import Desired
from keyferry.errors import DeliverAgain, KeyferryError, UnknownName
from keyferry.mapping.mapping import Team
from keyferry.model import Delivery

type Did = Literal["created", "updated", "annotated", "deleted", "unchanged", "failed"]

MAX_LISTED = 50
"""Namespaces that one log line lists: a line has 256 KiB at most, a mapping can have thousands of namespaces."""
MAX_WORKLOADS = 5
"""Workloads of each that it lists."""


@dataclass(frozen=True)
class Outcome:
    """What became of one target."""

    namespace: str
    did: Did
    why: str = ""
    restarted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Workloads that were left alone, and why; when a certificate expires; what else was not done, or is to be done."""
    error: KeyferryError | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it for a log line or for `--output json`, without what is empty."""
        error = f"{type(self.error).__name__}: {self.error}" if self.error else ""
        whole = {
            "namespace": self.namespace,
            "did": self.did,
            "why": self.why,
            "restarted": list(self.restarted),
            "notes": list(self.notes),
            "error": error,
        }
        return {key: value for key, value in whole.items() if value}

    def shortened(self) -> "Outcome":
        """Return it with no more workloads than a log line has room for."""
        return replace(self, restarted=_first(self.restarted), notes=_first(self.notes))


@dataclass
class Read:
    """What was read of the sources, for the report."""

    versions: dict[str, str] = field(default_factory=dict)
    """Source → version; none of a source that is another in each of several namespaces."""
    served: dict[str, str] = field(default_factory=dict)
    """Source → the region that served it, where that is not its first one."""

    def take(self, made: Iterable[Desired]) -> None:
        """Take what one pass has read."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for desired in made:
            self.served |= desired.served
            for alias, version in desired.versions.items():
                found[alias].add(version)
        self.versions |= {alias: versions.pop() for alias, versions in found.items() if len(versions) == 1}


@dataclass(frozen=True)
class Report:
    """What became of one delivery."""

    delivery: Delivery
    outcomes: tuple[Outcome, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    served: Mapping[str, str] = field(default_factory=dict)
    """Source → the region that served it, where that is not its first one."""
    error: KeyferryError | None = None
    """What stopped the delivery before it had targets."""
    seconds: float = 0.0
    written: datetime | None = None
    """When the last write was answered."""
    owner: Team | None = None
    """Who answers for the mapping."""

    @property
    def errors(self) -> list[KeyferryError]:
        """All errors, of the delivery and of its targets."""
        return [error for error in (self.error, *(outcome.error for outcome in self.outcomes)) if error]

    @property
    def comes_back(self) -> bool:
        """Whether trying again can help."""
        return any(isinstance(error, DeliverAgain) for error in self.errors)

    def served_elsewhere(self) -> dict[str, dict[str, str]]:
        """Return `{"served": {source: region}}`; nothing where every source was read in its first region."""
        return {"served": dict(self.served)} if self.served else {}

    def log_fields(self) -> dict[str, Any]:
        """Return the fields of the one log line of a delivery."""
        told = [outcome for outcome in sorted(self.outcomes, key=_urgency) if outcome.did != "unchanged"]
        return {
            "event_id": self.delivery.event_id,
            "mapping": self.delivery.mapping,
            "cluster": self.delivery.cluster,
            **owned(self.owner),
            "versions": dict(self.versions),
            **self.served_elsewhere(),
            "targets": _counts(self.outcomes),
            "namespaces": [outcome.shortened().as_dict() for outcome in told[:MAX_LISTED]],
            "seconds": round(self.seconds, 3),
        } | ({"error": f"{type(self.error).__name__}: {self.error}"} if self.error else {})

    def metrics(self) -> dict[str, float]:
        """Return metric name → value."""
        counts = _counts(self.outcomes)
        gone = isinstance(self.error, UnknownName)  # a mapping that is no longer there has no targets
        values: dict[str, float] = {
            "Deliveries": 1,
            "TargetsUpdated": sum(counts.get(did, 0) for did in ("created", "updated", "annotated", "deleted")),
            "TargetsUnchanged": counts.get("unchanged", 0),
            "TargetsFailed": counts.get("failed", 0) + (self.error is not None and not gone),
            "WorkloadsRestarted": sum(len(outcome.restarted) for outcome in self.outcomes),
        }
        if self.written:
            values["EventToWriteSeconds"] = max(0.0, (self.written - self.delivery.time).total_seconds())
        return values


def owned(owner: Team | None) -> dict[str, Any]:
    """Return who answers for a mapping, as fields of a log line or of `--output json`."""
    return {"owner": owner.model_dump(exclude_none=True)} if owner else {}


def _first(texts: tuple[str, ...]) -> tuple[str, ...]:
    more = len(texts) - MAX_WORKLOADS
    return texts if more <= 0 else (*texts[:MAX_WORKLOADS], f"and {more:,} more")


def _urgency(outcome: Outcome) -> bool:
    """Return what puts failures first, where not every namespace can be listed."""
    return outcome.error is None


def _counts(outcomes: tuple[Outcome, ...]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for outcome in outcomes:
        counts[outcome.did] = counts.get(outcome.did, 0) + 1
    return counts
