"""Send a delivery for every (mapping, cluster) that is not known to be up to date. Reads no secret value."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import Field, ValidationError

from keyferry.deadline import Deadline
from keyferry.delivery.apply import ClusterClient, list_target_namespaces
from keyferry.delivery.observed import Observed
from keyferry.delivery.report import MAX_LISTED
from keyferry.errors import InvalidInput, KeyferryError, OutOfTime, Throttled, Unauthorized, Unexpected, Unreachable
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Cluster
from keyferry.model import Delivery, Place, Record
from keyferry.pipeline.compare import compare_secret
from keyferry.pipeline.route import Send
from keyferry.stores.source import Source

CLUSTER_SECONDS = 30
"""How long one cluster may take to answer, so that time is left for the others."""

type VersionReader = Callable[[Source], str | None]
"""Returns the current version of a source; None if it is not known."""


class Sweep(Record):
    """Which mappings, clusters and namespaces to compare: all, unless a name is given."""

    mapping: str | None = None
    cluster: str | None = None
    namespace: str | None = None
    reason: str = Field(default="by hand")
    """Why the sweep was started."""


@dataclass(frozen=True)
class SweepReport:
    """The result of a sweep."""

    checked: int
    """How many (mapping, cluster) were compared."""
    sent: tuple[tuple[Delivery, str], ...] = field(default=())
    """Each delivery that was sent, and why."""

    def metrics(self) -> dict[str, float]:
        """Return the value of each metric, by its name."""
        return {"SweepsChecked": self.checked, "SweepsSent": len(self.sent)}

    def log_fields(self) -> dict[str, Any]:
        """Return the fields of the log line, which are also the answer to a request made by hand."""
        sent = [
            {"mapping": delivery.mapping, "cluster": delivery.cluster, "why": reason}
            for delivery, reason in self.sent[:MAX_LISTED]
        ]
        return {"checked": self.checked, "count": len(self.sent), "sent": sent}


@dataclass(frozen=True)
class Observer:
    """Gives a sweep access to the clusters and to the versions of the sources."""

    connect: Callable[[Cluster, Deadline], ClusterClient]
    read_version: VersionReader
    deadline: Deadline


def parse_sweep(request: object) -> Sweep:
    """Return the sweep that a message or an invocation by hand asks for.

    Args:
        request: `{"mapping", "cluster", "namespace", "reason"}`, each optional; or an EventBridge envelope (of a
            deployment), which asks for everything.

    Raises:
        InvalidInput: the request is neither.
    """
    if isinstance(request, Mapping) and "detail-type" in request:
        return Sweep(reason=str(request["detail-type"]))
    try:
        return Sweep.model_validate(request)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, entry["loc"])) or "the whole" for entry in error.errors()}))
        text = f'not understood: {fields}; a sweep takes {{"mapping", "cluster", "namespace"}}, each optional'
        raise InvalidInput(text) from None


def reconcile(sweep: Sweep, catalog: Catalog, observer: Observer, send: Send, event_id: str) -> SweepReport:
    """Send a delivery for every (mapping, cluster) that is not, or not known to be, up to date.

    Args:
        sweep: what to compare.
        catalog: the mappings and clusters of this deployment.
        observer: reads the clusters and the versions of the sources.
        send: sends deliveries to their queue.
        event_id: the event id of the deliveries.

    Raises:
        InvalidInput: this deployment has no mapping, cluster or namespace that the sweep names.
        DeliverAgain: not every delivery could be sent.
    """
    pairs = _select_pairs(sweep, catalog)
    reasons = _compare_pairs(sweep, pairs, observer)
    sent = tuple(
        (_create_delivery(sweep, mapping, cluster, event_id), reason)
        for (mapping, cluster), reason in zip(pairs, reasons, strict=True)
        if reason
    )
    send(delivery for delivery, _ in sent)
    return SweepReport(len(pairs), sent)


def _select_pairs(sweep: Sweep, catalog: Catalog) -> list[tuple[SecretMapping, Cluster]]:
    pairs = [
        (mapping, cluster)
        for mapping in catalog.mappings.values()
        for cluster in catalog.clusters_of(mapping)
        if sweep.mapping in (None, mapping.name) and sweep.cluster in (None, cluster.name)
        if mapping.spec.can_write_to(sweep.namespace)
    ]
    requested = sweep.model_dump(include={"mapping", "cluster", "namespace"}, exclude_none=True)
    if requested and not pairs:
        names = ", ".join(f"{noun} {name}" for noun, name in requested.items())
        raise InvalidInput(f"no mapping of this deployment has {names}: see `keyferry validate`")
    return pairs


def _create_delivery(sweep: Sweep, mapping: SecretMapping, cluster: Cluster, event_id: str) -> Delivery:
    return Delivery(
        mapping=mapping.name,
        cluster=cluster.name,
        namespace=sweep.namespace,
        event_id=event_id,
        time=datetime.now(UTC),
    )


def _compare_pairs(sweep: Sweep, pairs: Iterable[tuple[SecretMapping, Cluster]], observer: Observer) -> Iterator[str]:
    """Yield for each (mapping, cluster) why it needs a delivery; empty if it needs none.

    A cluster that does not answer is asked once, so that it does not use up the time of the others.
    """
    unavailable: dict[str, str] = {}
    for mapping, cluster in pairs:
        try:
            _check_time(observer)
            yield unavailable.get(cluster.name) or _compare_pair(sweep, mapping, cluster, observer)
        except _ClusterUnavailable as error:
            unavailable[cluster.name] = f"not known: {error}"
            yield unavailable[cluster.name]
        except KeyferryError as error:
            yield f"not known: {error}"
        except Exception as error:  # one mapping on one cluster: the others are compared all the same
            yield f"not known: {Unexpected(error)}"


class _ClusterUnavailable(Exception):  # never leaves this module
    """A cluster does not answer, or refuses the sign-in."""


def _compare_pair(sweep: Sweep, mapping: SecretMapping, cluster: Cluster, observer: Observer) -> str:
    for namespace, observed in _observe_secrets(sweep, mapping, cluster, observer):
        place = Place(cluster.name, namespace)
        versions = {
            alias: observer.read_version(source.resolve(place)) for alias, source in mapping.spec.sources.items()
        }
        difference = compare_secret(mapping, versions, observed, place, datetime.now(UTC))
        if difference:
            return f"{namespace}: {difference}"
    return ""


def _observe_secrets(
    sweep: Sweep, mapping: SecretMapping, cluster: Cluster, observer: Observer
) -> Iterator[tuple[str, Observed | None]]:
    """Yield each namespace with the metadata of its Secret; None if the Secret is missing."""
    try:
        client = observer.connect(cluster, observer.deadline.within(CLUSTER_SECONDS))
        for namespace in list_target_namespaces(client, mapping):
            if sweep.namespace in (None, namespace):
                _check_time(observer)
                secret = client.read_secret_metadata(namespace, mapping.spec.secret.name)
                yield namespace, Observed.from_object(secret) if secret else None
    except (Unreachable, Unauthorized, Throttled) as error:
        raise _ClusterUnavailable(str(error)) from None


def _check_time(observer: Observer) -> None:
    if observer.deadline.has_passed:
        raise OutOfTime
