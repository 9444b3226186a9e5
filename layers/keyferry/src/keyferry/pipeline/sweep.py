"""A sweep as its message asks for it, and what came of it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import AwareDatetime, Field, ValidationError

from keyferry.delivery.report import MAX_LISTED, build_notes_field
from keyferry.errors import InvalidInput, UnknownField
from keyferry.model import Delivery
from keyferry.pipeline.alerts.failures import CLUSTER_METRIC, OWNER_METRIC, Metric
from keyferry.pipeline.comparison import Scope
from keyferry.pipeline.suspensions import Suspension

BY_HAND = "by hand"
REASONS_OF_A_KIND = 3
"""How many reasons of the same class of error a log line lists."""


class Sweep(Scope):
    """What to compare, and how far it is."""

    reason: str = Field(default=BY_HAND)
    """Why the sweep was started."""
    begun: AwareDatetime | None = None
    """When its first invocation began; None: it begins now."""
    hops: int = Field(default=0, ge=0)
    """How many invocations have worked on it, and ran out of time."""
    waits: int = Field(default=0, ge=0)
    """How many times it has waited for clusters that were not available."""

    @property
    def is_by_hand(self) -> bool:
        """Whether somebody waits for the answer."""
        return self.reason == BY_HAND

    def to_json(self) -> str:
        """Return the body of the message that asks for the sweep."""
        return self.model_dump_json(exclude_defaults=True)


@dataclass(frozen=True)
class NotCompared:
    """Targets of a mapping on a cluster that could not be compared, for the same reason."""

    mapping: str
    cluster: str
    targets: int
    """How many; 1 where the namespaces of the mapping are not known."""
    kind: str
    """The class of the error."""
    why: str
    at: str = ""
    """File and line of what the error is about; empty where they are not known."""

    def as_dict(self) -> dict[str, Any]:
        """Return it for a log line."""
        why, at = f"{self.kind}: {self.why}", {"at": self.at} if self.at else {}
        return {"mapping": self.mapping, "cluster": self.cluster, "targets": self.targets, "why": why} | at


@dataclass(frozen=True)
class Contested:
    """A target whose keys somebody else has again after they were taken back: nothing is done about it for a day."""

    mapping: str
    cluster: str
    namespace: str
    why: str
    owner: str
    """The team that owns the mapping; empty if nobody does."""
    at: str = ""
    """File and line of the name of the mapping's Secret; empty where they are not known."""

    def as_dict(self) -> dict[str, Any]:
        """Return it for a log line."""
        place = {"mapping": self.mapping, "cluster": self.cluster, "namespace": self.namespace}
        return place | {"why": self.why} | ({"at": self.at} if self.at else {})


@dataclass(frozen=True)
class Held:
    """A mapping that differs on a cluster, and gets no delivery: somebody has suspended that."""

    mapping: str
    cluster: str
    suspension: Suspension

    def as_dict(self) -> dict[str, Any]:
        """Return it for a log line."""
        return {"mapping": self.mapping, "cluster": self.cluster, "why": str(self.suspension)}


@dataclass(frozen=True)
class SweepReport:
    """The result of one invocation's work on a sweep."""

    checked: int = 0
    """How many targets were compared."""
    sent: tuple[tuple[Delivery, str], ...] = field(default=())
    """Each delivery that was sent, and why."""
    not_compared: tuple[NotCompared, ...] = ()
    contested: tuple[Contested, ...] = ()
    suspended: tuple[Held, ...] = ()
    suspensions: int = 0
    """How many suspensions there are, whether something differs or not."""
    notes: tuple[str, ...] = ()
    """The choices of namespaces that choose none, each with its mapping; why it is not known what is suspended."""
    away: tuple[str, ...] = ()
    """The clusters that were not available."""
    is_whole: bool = True
    """Whether the sweep is one of everything."""
    is_continued: bool = False
    """Whether a message of its own continues the sweep."""
    end: str = ""
    """Why the sweep ends before everything was looked at; empty if it does not."""
    event_id: str = ""
    """The event id of the deliveries."""
    origin: str = ""
    """Why the sweep was started."""

    @property
    def is_finished(self) -> bool:
        """Whether nothing of the sweep is left over."""
        return not self.is_continued and not self.end

    def metrics(self) -> dict[str, float]:
        """Return the value of each metric, by its name. `SweepsFinished` counts whole sweeps alone."""
        return {
            "SweepsChecked": self.checked,
            "SweepsSent": len(self.sent),
            **({"Suspensions": float(self.suspensions)} if self.suspensions else {}),
            "TargetsNotCompared": sum(entry.targets for entry in self.not_compared),
            **({"SweepsFinished": 1.0} if self.is_whole and self.is_finished else {}),
            **({"SweepsUnfinished": 1.0} if self.end else {}),
        }

    def dimensioned_metrics(self) -> list[Metric]:
        """Return the failures by owner and by cluster: who is told of contested keys, and of clusters that are away."""
        teams = sorted({entry.owner for entry in self.contested})
        return [
            *(Metric(OWNER_METRIC, 1, ("owner", team)) for team in teams),
            *(Metric(CLUSTER_METRIC, 1, ("cluster", cluster)) for cluster in self.away),
        ]

    def log_fields(self) -> dict[str, Any]:
        """Return the fields of the log line, which are also the answer to a request made by hand."""
        contested = [entry.as_dict() for entry in self.contested[:MAX_LISTED]]
        held = [entry.as_dict() for entry in self.suspended[:MAX_LISTED]]
        sent = [
            {"mapping": delivery.mapping, "cluster": delivery.cluster, "why": reason}
            for delivery, reason in self.sent[:MAX_LISTED]
        ]
        return {
            **{name: text for name, text in (("event_id", self.event_id), ("origin", self.origin)) if text},
            "checked": self.checked,
            "count": len(self.sent),
            "sent": sent,
            "not_compared": sum(entry.targets for entry in self.not_compared),
            "reasons": _choose_reasons(self.not_compared),
            **({"contested": contested} if contested else {}),
            **({"suspended": held, "suspended_count": len(self.suspended)} if held else {}),
            **build_notes_field(self.notes[:MAX_LISTED]),
            "finished": self.is_finished,
            "continued": self.is_continued,
        }


def _choose_reasons(entries: Iterable[NotCompared]) -> list[dict[str, Any]]:
    """Return a few entries of each class of error."""
    by_kind: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in entries:
        by_kind[entry.kind].append(entry.as_dict())
    return [reason for kind in sorted(by_kind) for reason in by_kind[kind][:REASONS_OF_A_KIND]]


def parse_sweep(request: object) -> Sweep:
    """Return the sweep that a message or an invocation by hand asks for.

    Args:
        request: `{"mapping", "cluster", "namespace", "reason"}`, each optional; what `Sweep.to_json` returns; or an
            EventBridge envelope (of a deployment), which asks for everything.

    Raises:
        InvalidInput: the request is neither.
        UnknownField: it has a field that this release does not know; all else is right.
    """
    if isinstance(request, Mapping) and "detail-type" in request:
        return Sweep(reason=str(request["detail-type"]))
    try:
        return Sweep.model_validate(request)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, entry["loc"])) or "the whole" for entry in error.errors()}))
        text = f'not understood: {fields}; a sweep takes {{"mapping", "cluster", "namespace"}}, each optional'
        is_newer = all(entry["type"] == "extra_forbidden" for entry in error.errors())
        raise (UnknownField if is_newer else InvalidInput)(text) from None
