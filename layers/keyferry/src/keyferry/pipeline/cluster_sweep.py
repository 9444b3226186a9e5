"""The part of a sweep that is one cluster's: a delivery for each mapping with a target that differs."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from keyferry.delivery.report import Locate
from keyferry.errors import Conflict
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Cluster
from keyferry.model import Delivery
from keyferry.pipeline.comparison import ClusterComparison, Look, Position, Readers
from keyferry.pipeline.route import Send
from keyferry.pipeline.suspensions import Suspensions
from keyferry.pipeline.sweep import Contested, Held, NotCompared, Sweep


@dataclass(frozen=True, kw_only=True)
class Services(Readers):
    """What a sweep asks, and whom it tells. Several threads use them at once."""

    send: Send
    """Sends deliveries to their queue."""
    continue_later: Callable[[Sweep, int], None]
    """Sends the rest of a sweep to the queue of the sweeps; it waits there for so many seconds."""
    event_id: str
    """The event id of the deliveries."""
    period: timedelta
    """The time from one scheduled sweep to the next."""
    suspensions: Suspensions = field(default_factory=Suspensions)
    """What is suspended: nothing is sent for it."""
    note: str = ""
    """Why that is not known; empty if it is."""


@dataclass
class ClusterReport:
    """What came of a sweep on one cluster."""

    cluster: str
    """Its name."""
    checked: int = 0
    sent: list[tuple[Delivery, str]] = field(default_factory=list)
    """Each delivery that was sent, and why."""
    not_compared: Sequence[NotCompared] = ()
    contested: list[Contested] = field(default_factory=list)
    suspended: list[Held] = field(default_factory=list)
    """What differs, and is suspended."""
    position: Position | None = None
    """The first target that there was no time for, or at which the cluster failed; None if there is none."""
    is_away: bool = False
    """Whether the cluster failed: the rest of its targets is not compared."""
    notes: Sequence[str] = ()
    """The choices of namespaces that choose none, each with its mapping."""


class ClusterSweep:
    """Compares the targets of some mappings on one cluster; one that differs gives its mapping a delivery."""

    def __init__(
        self,
        sweep: Sweep,
        cluster: Cluster,
        mappings: Iterable[SecretMapping],
        services: Services,
        locate: Locate,
    ) -> None:
        """Begin where the sweep's cursor says.

        Args:
            sweep: what to compare.
            cluster: the cluster.
            mappings: the mappings that write to it, sorted by name.
            services: what to ask, and whom to tell.
            locate: returns where in the files is what an error is about.
        """
        first = (sweep.cursor or {}).get(cluster.name)
        self._sweep, self._cluster, self._services, self._locate = sweep, cluster, services, locate
        self._comparison = ClusterComparison(cluster, mappings, services, first, sweep.namespace)
        self._not_compared: Counter[tuple[str, str, str, str]] = Counter()
        """(mapping, class of the error, text, file and line) → number of targets."""
        self._report = ClusterReport(cluster.name)

    def run(self) -> ClusterReport:
        """Compare, and send deliveries of what is not suspended, until nothing is left, or no time.

        A cluster that does not answer is asked once. What could not be compared gets no delivery: it is reported.

        Raises:
            DeliverAgain: a delivery could not be sent.
        """
        for looks in self._comparison.run():
            differences = self._take(looks)
            # One difference is enough for the delivery of a mapping to the cluster.
            self._comparison.skip(differences)
            self._send(differences)
        self._report.not_compared = [
            NotCompared(mapping, self._cluster.name, targets, kind, why, at)
            for (mapping, kind, why, at), targets in sorted(self._not_compared.items())
        ]
        self._report.position, self._report.is_away = self._comparison.position, self._comparison.is_away
        self._report.notes = self._comparison.notes
        return self._report

    def _take(self, looks: Sequence[Look]) -> Mapping[str, str]:
        """Note what was seen; return the mappings that need a delivery, each with its first difference."""
        differences: dict[str, str] = {}
        for look in looks:
            if look.error:
                at = self._locate(look.mapping.name, self._cluster.name, look.error)
                self._not_compared[look.mapping.name, type(look.error).__name__, str(look.error), at] += 1
                continue
            self._report.checked += 1
            if look.comparison.state == "conflict":
                self._report.contested.append(self._describe_contest(look))
            if look.comparison.difference:
                differences.setdefault(look.mapping.name, f"{look.namespace}: {look.comparison.difference}")
        return differences

    def _describe_contest(self, look: Look) -> Contested:
        owner, why = look.mapping.spec.owner, look.comparison.why
        error = Conflict(why)
        error.part = "secret.name"
        at = self._locate(look.mapping.name, self._cluster.name, error)
        return Contested(look.mapping.name, self._cluster.name, look.namespace, why, owner.team if owner else "", at)

    def _send(self, differences: Mapping[str, str]) -> None:
        now = self._services.now()
        stopped = {
            mapping: suspension
            for mapping in differences
            if (suspension := self._services.suspensions.find(mapping, self._cluster.name, now))
        }
        self._report.suspended += [Held(name, self._cluster.name, stopped[name]) for name in stopped]
        sent = [
            (
                Delivery(
                    mapping=mapping,
                    cluster=self._cluster.name,
                    namespace=self._sweep.namespace,
                    event_id=self._services.event_id,
                    time=now,
                    # By then the next sweep has looked here: what it has found is as good, and newer.
                    expires=now + self._services.period,
                ),
                reason,
            )
            for mapping, reason in differences.items()
            if mapping not in stopped
        ]
        if sent:
            self._services.send(delivery for delivery, _ in sent)
        self._report.sent += sent
