"""The result of a delivery: what is logged, counted and shown. It contains no values."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from keyferry.delivery.desired import Desired
from keyferry.delivery.plan import NEW_CONTENT
from keyferry.delivery.restart.outcome import RestartState, WorkloadOutcome
from keyferry.errors import DeliverAgain, KeyferryError, Suspended, UnknownName
from keyferry.mapping.mapping import Team
from keyferry.model import Delivery, format_moment

type Effect = Literal["created", "updated", "annotated", "deleted", "unchanged", "failed"]
"""What a delivery did to one Secret. A Secret that was written is not failed, even where its restarts failed."""
RESTARTS_DONE = "restarts done"
"""Why `restart-due` is taken off a Secret."""
type Locate = Callable[[str, str, KeyferryError], str]
"""Returns file and line of what an error is about, by the names of mapping and cluster; empty if not known."""

MAX_LISTED = 50
"""How many namespaces one log line lists. A line has at most 256 KiB; a mapping can have thousands of namespaces."""
MAX_NOTES = 5
"""How many notes a log line lists for one namespace."""
MAX_WORKLOADS = 20
"""How many workloads a log line lists for one namespace: first those of which more is to be said than `restarted`."""
MAX_KEYS = 10
"""How many keys a log line lists for one namespace."""
MAX_BYTES = 150_000
"""How much of a log line the namespaces take."""


@dataclass(frozen=True)
class Outcome:
    """The result of a delivery in one namespace. The fields are called as in log lines."""

    namespace: str
    did: Effect
    why: str = ""
    workloads: tuple[WorkloadOutcome, ...] = ()
    """Each workload that uses the Secret, or that the mapping names."""
    notes: tuple[str, ...] = ()
    """Workloads that were not restarted, and why; when a certificate expires; what people have to do elsewhere."""
    error: KeyferryError | None = None
    restart_due: bool = False
    """Whether workloads still have to be restarted, by the next try or sweep."""
    restart: RestartState = ""
    seen: Mapping[str, int] = field(default_factory=dict)
    """Kind → how many workloads were looked at, for those that use the Secret; empty where nobody has looked."""
    keys: tuple[str, ...] = ()
    """The keys of the data that were written."""
    written: datetime | None = None
    """When the API server answered the last write of content; None if there was none."""
    stamped: datetime | None = None
    """When it answered the last stamp of a workload; None if there was none."""

    @property
    def restarted(self) -> tuple[str, ...]:
        """The workloads that were restarted, with what is to be said of each."""
        return tuple(str(each) for each in self.workloads if each.is_stamped)

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome for a log line or for `--output json`, without empty fields."""
        fields = {
            "namespace": self.namespace,
            "did": self.did,
            "why": self.why,
            "keys": list(self.keys),
            "written": format_moment(self.written) if self.written else "",
            "restart": self.restart,
            "workloads": [each.as_dict() for each in self.workloads],
            "seen": dict(self.seen),
            "stamped": format_moment(self.stamped) if self.stamped else "",
            "notes": list(self.notes),
            "restart_due": self.restart_due,
        }
        return {key: value for key, value in fields.items() if value} | build_error_fields(self.error)

    def build_log_field(self) -> dict[str, Any]:
        """Return the outcome for a log line: as `as_dict`, with some workloads, keys and notes of many.

        `workloads_more` counts the workloads that are left out.
        """
        told = sorted(self.workloads, key=lambda each: each.reason in ("restarted", "pull secret"))
        more = len(told) - MAX_WORKLOADS
        short = replace(
            self,
            workloads=tuple(told[:MAX_WORKLOADS]),
            keys=_shorten_list(self.keys, MAX_KEYS),
            notes=_shorten_list(self.notes, MAX_NOTES),
        )
        return short.as_dict() | ({"workloads_more": more} if more > 0 else {})


@dataclass
class SourceVersions:
    """The versions of the sources that a delivery has read, for its report."""

    versions: dict[str, str] = field(default_factory=dict)
    """Alias of a source → version. A source that has several versions, in several namespaces, is left out."""
    served: dict[str, str] = field(default_factory=dict)
    """Alias of a source → the failover region that served it, for those that the first region did not serve."""

    def add(self, desired_secrets: Iterable[Desired]) -> None:
        """Add the versions that one pass has read, in place of earlier ones."""
        versions: defaultdict[str, set[str]] = defaultdict(set)
        for desired in desired_secrets:
            self.served |= desired.served
            for alias, version in desired.versions.items():
                versions[alias].add(version)
        self.versions |= {alias: distinct.pop() for alias, distinct in versions.items() if len(distinct) == 1}


@dataclass(frozen=True)
class Report:
    """The result of one delivery."""

    delivery: Delivery
    outcomes: tuple[Outcome, ...] = ()
    """The result in each namespace that was reached."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Alias of a source → the version that was read."""
    served: Mapping[str, str] = field(default_factory=dict)
    """Alias of a source → the failover region that served it, for those that the first region did not serve."""
    error: KeyferryError | None = None
    """The error that ended the delivery for all namespaces; None if there is none."""
    seconds: float = 0.0
    """How long the delivery took."""
    written_at: datetime | None = None
    """When the API server answered the last write; None if nothing was written."""
    owner: Team | None = None
    """The team that owns the mapping."""
    notes: tuple[str, ...] = ()
    """What is said of the delivery as a whole: choices of namespaces that choose none; kinds that are not looked at."""
    all_namespaces: tuple[str, ...] = ()
    """The namespaces that the delivery is for, reached or not; empty where they could not be found out."""
    restart: str = ""
    """What the mapping restarts: `auto`, `none` or `list`; empty if it is not known."""

    @property
    def errors(self) -> list[KeyferryError]:
        """All errors: that of the whole delivery, and those of single namespaces."""
        return [error for _, error in self.errors_by_namespace()]

    @property
    def can_retry(self) -> bool:
        """Whether a later try can succeed where this one failed."""
        return any(isinstance(error, DeliverAgain) for error in self.errors)

    def locate(self, locate: Locate) -> "Report":
        """Return the report with errors that know file and line of what they are about."""
        return replace(
            self,
            error=locate_error(self.delivery, self.error, locate),
            outcomes=tuple(
                replace(outcome, error=locate_error(self.delivery, outcome.error, locate)) if outcome.error else outcome
                for outcome in self.outcomes
            ),
        )

    def errors_by_namespace(self) -> Iterator[tuple[str | None, KeyferryError]]:
        """Yield all errors, each with its namespace; with None that of the whole delivery."""
        if self.error:
            yield None, self.error
        yield from ((outcome.namespace, outcome.error) for outcome in self.outcomes if outcome.error)

    def build_served_field(self) -> dict[str, dict[str, str]]:
        """Return `{"served": {source: region}}`; empty if the first regions served all sources."""
        return {"served": dict(self.served)} if self.served else {}

    def log_fields(self) -> dict[str, Any]:
        """Return the fields of the log line of the delivery."""
        outcomes = [outcome for outcome in sorted(self.outcomes, key=_is_success) if outcome.did != "unchanged"]
        return {
            **self.delivery.log_fields(),
            "event_time": format_moment(self.delivery.time),
            **build_owner_field(self.owner),
            "versions": dict(self.versions),
            **self.build_served_field(),
            "targets": _count_effects(self.outcomes),
            **build_notes_field(self.notes),
            **({"restart": self.restart} if self.restart else {}),
            "namespaces": _take_first(outcome.build_log_field() for outcome in outcomes[:MAX_LISTED]),
            "seconds": round(self.seconds, 3),
        } | build_error_fields(self.error)

    def metrics(self) -> dict[str, float]:
        """Return the value of each metric, by its name."""
        counts = _count_effects(self.outcomes)
        # A mapping that was removed has no targets that could fail, and what is suspended has not failed.
        is_none = isinstance(self.error, UnknownName | Suspended)
        values: dict[str, float] = {
            "Deliveries": 1,
            "TargetsUpdated": sum(counts.get(effect, 0) for effect in ("created", "updated", "annotated", "deleted")),
            "TargetsUnchanged": counts.get("unchanged", 0),
            "TargetsFailed": counts.get("failed", 0) + (self.error is not None and not is_none),
            "WorkloadsRestarted": sum(len(outcome.restarted) for outcome in self.outcomes),
        }
        if self.written_at:
            values["EventToWriteSeconds"] = max(0.0, (self.written_at - self.delivery.time).total_seconds())
        untold = sum(NEW_CONTENT in outcome.why for outcome in self.outcomes)
        # A sweep cannot count this itself: it does not know whether the delivery of an event is on its way.
        return values | ({"ChangesFoundBySweep": untold} if untold and self.delivery.is_of_sweep else {})


def locate_error(delivery: Delivery, error: KeyferryError | None, locate: Locate) -> KeyferryError | None:
    """Return an error of a delivery that knows file and line of what it is about; None for none."""
    return error and error.locate(locate(delivery.mapping, delivery.cluster, error))


def build_error_fields(error: KeyferryError | None) -> dict[str, str]:
    """Return `{"error": …, "at": "mappings/db.yaml:12"}` for a log line or for `--output json`; empty without error."""
    return {"error": error.title} | ({"at": error.at} if error.at else {}) if error else {}


def build_owner_field(owner: Team | None) -> dict[str, Any]:
    """Return `{"owner": …}` for a log line or for `--output json`; empty if the mapping has no owner."""
    return {"owner": owner.model_dump(exclude_none=True)} if owner else {}


def build_notes_field(notes: Collection[str]) -> dict[str, list[str]]:
    """Return `{"notes": […]}` of a delivery for a log line or for `--output json`; empty without notes."""
    return {"notes": list(notes)} if notes else {}


def _shorten_list(texts: tuple[str, ...], limit: int) -> tuple[str, ...]:
    rest = len(texts) - limit
    return texts if rest <= 0 else (*texts[:limit], f"and {rest:,} more")


def _take_first(fields: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first of some outcomes: as many as the log line has room for."""
    taken, size = list[dict[str, Any]](), 0
    for each in fields:
        size += len(json.dumps(each))
        if size > MAX_BYTES:
            break
        taken.append(each)
    return taken


def _is_success(outcome: Outcome) -> bool:
    """Return whether an outcome has no error. Sorted by this, failures come first."""
    return outcome.error is None


def _count_effects(outcomes: tuple[Outcome, ...]) -> dict[Effect, int]:
    """Return how many Secrets each effect had; `failed` counts also those that were written before they failed."""
    counts = Counter(outcome.did for outcome in outcomes)
    counts["failed"] = sum(outcome.error is not None for outcome in outcomes)
    return {effect: count for effect, count in counts.items() if count}
