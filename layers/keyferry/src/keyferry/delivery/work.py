"""One delivery, and everything that it needs: clients, clock, deadline."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from keyferry.deadline import Deadline
from keyferry.delivery.apply import ClusterClient
from keyferry.delivery.restart.workloads import Stamp, describe_unseen, describe_unused, suggest_workload
from keyferry.errors import KeyferryError, OutOfTime
from keyferry.kinds import DEFAULT_KINDS, KINDS, WorkloadKind
from keyferry.mapping.mapping import SecretMapping, Workload
from keyferry.mapping.namespaces import Namespaces, list_target_namespaces
from keyferry.mapping.verdict import Verdict
from keyferry.model import Delivery, Expected, Place, SourceValue, format_moment
from keyferry.stores.source import Source

type SourceReader = Callable[[Source], SourceValue]
"""Reads the value of one source."""
type Audit = Callable[[dict[str, Any]], None]
"""Takes what is kept of one write, right after its answer (`Work.keep_write`)."""
type Origin = Literal["event", "sweep", "push", "restart", "replay"]
"""What a delivery comes from: an event of AWS, or what Keyferry or a person has sent."""
_MADE: tuple[Origin, ...] = ("sweep", "push", "restart", "replay")
"""The origins whose event ids Keyferry makes: they begin with the origin and a hyphen. Those of events are UUIDs."""


def read_time() -> datetime:
    """Return the current time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Work:
    """One delivery and everything that it needs."""

    delivery: Delivery
    mapping: SecretMapping
    cluster: ClusterClient
    restart_kinds: Sequence[WorkloadKind]
    """The kinds of workloads that `restart: auto` looks for on the cluster."""
    create_reader: Callable[[Collection[Source]], SourceReader]
    """Returns a function that reads these sources now. It can read several of them with one request."""
    deadline: Deadline
    concurrency: int = 8
    """How many namespaces are handled at the same time."""
    verdict: Verdict = field(default_factory=Verdict)
    """What the policy leaves to the delivery."""
    list_other_workloads: Callable[[str], Collection[Workload]] = lambda _namespace: ()
    """Returns the workloads that other mappings restart in a namespace: what a missing one may mean."""
    expected: Mapping[str, Expected] | None = None
    """Namespace → what a plan has foreseen there: it goes to these alone. None: it is of no plan, and goes to all."""
    audit: Audit = lambda _write: None
    """Keeps what is told of each write of a Secret; by default nothing is kept."""
    check_suspended: Callable[[], None] = lambda: None
    """Raises Suspended once the delivery is suspended. It is called often, by several threads, and never waits long."""
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = read_time
    """Returns the current time, with a time zone."""

    @property
    def forgets_before(self) -> datetime | None:
        """Before when notes of taken-back keys do not count: for `keyferry push`, before it was run."""
        return self.delivery.time if self.delivery.takes_back else None

    def list_stamp_notes(self, namespace: str, stamps: Iterable[Stamp]) -> tuple[str, ...]:
        """Return why workloads of a namespace are not restarted, without errors; with what a missing one may mean."""
        return tuple(
            f"{stamp}{suggest_workload(stamp.workload, self.list_other_workloads(namespace))}"
            if stamp.is_missing
            else str(stamp)
            for stamp in stamps
            if stamp.patch is None and not stamp.error
        )

    def list_unused_notes(self, *, is_unused: bool) -> tuple[str, ...]:
        """Return what is said where workloads were looked for, and none uses the Secret: it restarts nothing."""
        return (describe_unused(self.restart_kinds),) if is_unused and self.mapping.spec.restart == "auto" else ()

    def keep_write(self, namespace: str, did: str, why: str, versions: Mapping[str, str]) -> None:
        """Give the audit one write of a Secret: which version, where, when and from what. There is no value in it.

        Args:
            namespace: the namespace of the Secret.
            did: what the write did, as `keyferry.delivery.report.Effect` has it.
            why: the reason of the write.
            versions: alias of a source → the version that the journal of the Secret names after the write, or before it
                was deleted.
        """
        place = Place(self.delivery.cluster, namespace)
        resolved = {alias: source.resolve(place) for alias, source in sorted(self.mapping.spec.sources.items())}
        fields: dict[str, Any] = {
            **self.delivery.log_fields(),
            "event_time": format_moment(self.delivery.time),
            "origin": get_origin(self.delivery.event_id),
            "namespace": namespace,
            "secret": self.mapping.spec.secret.name,
            "did": did,
            "why": why,
            "sources": {alias: {"store": source.store_name, "name": str(source)} for alias, source in resolved.items()},
        }
        for alias in versions.keys() & resolved.keys():
            fields["sources"][alias]["version"] = versions[alias]
        self.audit(fields)

    def check_time(self) -> None:
        """Raise OutOfTime if no time is left to begin anything more."""
        if self.deadline.has_passed:
            raise OutOfTime


def get_origin(event_id: str) -> Origin:
    """Return what an event id says that its deliveries come from."""
    beginning = event_id.partition("-")[0]
    return next((origin for origin in _MADE if origin == beginning), "event")


def list_namespaces(work: Work) -> Namespaces:
    """Return the mapping's namespaces on the cluster, or those of them that the delivery is for."""
    namespaces, only = list_target_namespaces(work.cluster, work.mapping), work.delivery.namespace
    if work.expected is not None:
        return Namespaces([name for name in namespaces.names if name in work.expected])
    return namespaces if only is None else Namespaces([only] if only in namespaces.names else [])


def list_notes(work: Work, namespaces: Namespaces, *, restarts: bool) -> tuple[str, ...]:
    """Return what is said of a delivery as a whole, beside what is said of each namespace.

    Args:
        work: the delivery.
        namespaces: its namespaces.
        restarts: whether workloads restart for it.
    """
    notes = namespaces.list_notes(work.delivery.cluster)
    is_chosen = tuple(work.restart_kinds) != DEFAULT_KINDS  # by somebody, who knows what is left out
    if not restarts or work.mapping.spec.restart != "auto" or is_chosen:
        return notes
    try:
        unseen = work.cluster.find_served(kind for kind in KINDS.values() if not kind.by_default)
    except KeyferryError:  # a note is not worth a failure
        return notes
    return (*notes, *([describe_unseen(work.delivery.cluster, work.restart_kinds, unseen)] if unseen else []))
