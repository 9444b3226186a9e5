"""The part of a sweep that is one cluster's: compare its Secrets with their mappings, as far as there is time."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from keyferry.deadline import Deadline
from keyferry.delivery.apply import ClusterClient
from keyferry.delivery.contested import find_contest
from keyferry.delivery.observed import Observed
from keyferry.delivery.report import Locate
from keyferry.errors import (
    Conflict,
    Forbidden,
    KeyferryError,
    NamespaceGone,
    OutOfTime,
    ServerError,
    Unexpected,
    in_part,
)
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.namespaces import list_target_namespaces
from keyferry.mapping.targets import Cluster, Selector
from keyferry.model import Delivery, Place
from keyferry.pipeline.compare import compare_secret
from keyferry.pipeline.route import Send
from keyferry.pipeline.sweep import Contested, NotCompared, Position, Sweep
from keyferry.stores.source import Source

TARGETS_FOR_EACH_THREAD = 4
"""How many targets each thread compares between two looks at the clock."""

type VersionReader = Callable[[Source], str | None]
"""Returns the current version of a source; None if it is not known."""


@dataclass(frozen=True)
class Services:
    """What a sweep asks, and whom it tells. Several threads use them at once."""

    connect: Callable[[Cluster, Deadline], ClusterClient]
    read_version: VersionReader
    send: Send
    """Sends deliveries to their queue."""
    continue_later: Callable[[Sweep, int], None]
    """Sends the rest of a sweep to the queue of the sweeps; it waits there for so many seconds."""
    deadline: Deadline
    event_id: str
    """The event id of the deliveries."""
    period: timedelta
    """The time from one scheduled sweep to the next."""
    concurrency: int = 8
    """How many targets of a cluster are compared at once."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass
class ClusterReport:
    """What came of a sweep on one cluster."""

    checked: int = 0
    sent: list[tuple[Delivery, str]] = field(default_factory=list)
    """Each delivery that was sent, and why."""
    not_compared: Sequence[NotCompared] = ()
    contested: list[Contested] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """The choices of namespaces that choose none, each with its mapping."""
    position: Position | None = None
    """The first target that there was no time for, or at which the cluster failed; None if there is none."""
    is_away: bool = False
    """Whether the cluster failed: the rest of its targets is not compared."""


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
        first = (sweep.cursor or {}).get(cluster.name, Position(mapping=""))
        self._sweep, self._cluster, self._services, self._first = sweep, cluster, services, first
        self._locate = locate
        self._left = [(mapping, "") for mapping in mappings if mapping.name >= first.mapping]
        """The targets that are not compared yet, sorted; until they are listed, one without a namespace for each
        mapping."""
        self._not_compared: Counter[tuple[str, str, str, str]] = Counter()
        """(mapping, class of the error, text, file and line) → number of targets."""
        self._report = ClusterReport()

    def run(self) -> ClusterReport:
        """Compare, and send deliveries, until nothing is left, or no time.

        A cluster that does not answer is asked once. What could not be compared gets no delivery: it is reported.

        Raises:
            DeliverAgain: a delivery could not be sent.
        """
        size = 1  # the first target goes alone, so that not every thread waits for a cluster that does not answer
        client = self._list_targets()
        with ThreadPoolExecutor(self._services.concurrency) as pool:
            while client and self._left and not self._services.deadline.has_passed:
                looks = list(pool.map(partial(self._compare, client), self._left[:size]))
                if not self._take(looks):
                    break
                size = TARGETS_FOR_EACH_THREAD * self._services.concurrency
        return self._finish()

    def _list_targets(self) -> ClusterClient | None:
        """List the targets, and return a client for the cluster; None if there is no time, or the cluster fails."""
        if self._services.deadline.has_passed:
            return None
        try:
            client = self._services.connect(self._cluster, self._services.deadline)
            self._left = list(self._select_targets(_NamespaceCache(client)))
        except OutOfTime:
            return None
        except Exception as error:
            self._skip_cluster(error)
            return None
        return client

    def _select_targets(self, namespaces: "_NamespaceCache") -> Iterable[tuple[SecretMapping, str]]:
        for mapping, _ in self._left:
            try:
                targets = list_target_namespaces(namespaces, mapping)
            except (Forbidden, ServerError) as error:  # of this list; all else is the cluster's
                self._add_not_compared(mapping, error)
                continue
            self._report.notes += [f"{mapping.name}: {note}" for note in targets.list_notes(self._cluster.name)]
            for name in targets.names:
                is_left = (mapping.name, name) >= (self._first.mapping, self._first.namespace)
                if is_left and self._sweep.namespace in (None, name):
                    yield mapping, name

    def _compare(self, client: ClusterClient, target: tuple[SecretMapping, str]) -> "_Look":
        """Return the difference of one target, or the error that hides it."""
        mapping, namespace = target
        place = Place(self._cluster.name, namespace)
        try:
            with in_part("secret.name"):
                secret = client.read_secret_metadata(namespace, mapping.spec.secret.name)
        except (Forbidden, NamespaceGone, ServerError) as error:
            return _Look(error=error)
        except KeyferryError as error:
            return _Look(error=error, is_of_cluster=True)
        except Exception as error:
            return _Look(error=error)
        try:
            observed, now = Observed.from_object(secret) if secret else None, self._services.now()
            contest = find_contest(mapping, observed, observed.get_journal_keys(), now) if observed else None
            if contest:
                return _Look(contest=str(contest))
            versions = {}
            for alias, source in mapping.spec.sources.items():
                with in_part(f"sources.{alias}"):
                    versions[alias] = self._services.read_version(source.resolve(place))
            return _Look(compare_secret(mapping, versions, observed, place, now))
        except Exception as error:  # of one target: the others are compared all the same
            return _Look(error=error)

    def _take(self, looks: Sequence["_Look"]) -> bool:
        """Note what was seen of the first targets that are left, and send deliveries; return whether to go on."""
        differences: dict[str, str] = {}
        stop: Exception | None = None
        for number, ((mapping, namespace), look) in enumerate(zip(self._left[: len(looks)], looks, strict=True)):
            if isinstance(look.error, OutOfTime) or look.is_of_cluster:
                looks, stop = looks[:number], look.error
                break
            if look.error:
                self._add_not_compared(mapping, look.error)
                continue
            self._report.checked += 1
            if look.contest:
                team = mapping.spec.owner.team if mapping.spec.owner else ""
                at = self._locate(mapping.name, self._cluster.name, Conflict(look.contest))
                entry = Contested(mapping.name, self._cluster.name, namespace, look.contest, team, at)
                self._report.contested.append(entry)
            if look.difference:
                differences.setdefault(mapping.name, f"{namespace}: {look.difference}")
        # One difference is enough for the delivery of a mapping to the cluster.
        self._left = [target for target in self._left[len(looks) :] if target[0].name not in differences]
        self._send(differences)
        if stop and not isinstance(stop, OutOfTime):
            self._skip_cluster(stop)
        return stop is None

    def _send(self, differences: dict[str, str]) -> None:
        now = self._services.now()
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
        ]
        if sent:
            self._services.send(delivery for delivery, _ in sent)
        self._report.sent += sent

    def _skip_cluster(self, error: Exception) -> None:
        self._report.is_away, self._report.position = True, self._get_position()
        for mapping, _ in self._left:
            self._add_not_compared(mapping, error)
        self._left = []

    def _add_not_compared(self, mapping: SecretMapping, error: Exception) -> None:
        known_error = error if isinstance(error, KeyferryError) else Unexpected(error)
        at = self._locate(mapping.name, self._cluster.name, known_error)
        self._not_compared[mapping.name, type(known_error).__name__, str(known_error), at] += 1

    def _finish(self) -> ClusterReport:
        self._report.not_compared = [
            NotCompared(mapping, self._cluster.name, targets, kind, why, at)
            for (mapping, kind, why, at), targets in sorted(self._not_compared.items())
        ]
        self._report.position = self._report.position or self._get_position()
        return self._report

    def _get_position(self) -> Position | None:
        """Return the first target that is left; None if there is none."""
        for mapping, namespace in self._left[:1]:
            is_first = mapping.name == self._first.mapping
            return Position(mapping=mapping.name, namespace=namespace or (self._first.namespace if is_first else ""))
        return None


@dataclass(frozen=True)
class _Look:
    """What was seen of one target."""

    difference: str = ""
    contest: str = ""
    """Which keys somebody else has again; empty if nobody does."""
    error: Exception | None = None
    is_of_cluster: bool = False
    """Whether the error is one of the cluster, and not of this target alone."""


class _NamespaceCache:
    """Lists the namespaces of a cluster for each selector once, or repeats why it cannot."""

    def __init__(self, client: ClusterClient) -> None:
        self._client = client
        self._answers: dict[str, list[str] | KeyferryError] = {}

    def list_namespaces(self, selector: Selector) -> list[str]:
        """Return the names of the namespaces whose labels match."""
        key = str(selector)
        if key not in self._answers:
            try:
                self._answers[key] = self._client.list_namespaces(selector)
            except (Forbidden, ServerError) as error:
                self._answers[key] = error
        answer = self._answers[key]
        if isinstance(answer, KeyferryError):
            raise answer
        return answer
