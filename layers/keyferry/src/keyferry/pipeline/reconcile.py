"""The sweep: a delivery for every (mapping, cluster) whose state is not known to be right. Reads no secret value."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import Field, ValidationError

from keyferry.apply import ClusterClient
from keyferry.catalog import Catalog
from keyferry.errors import InvalidInput, KeyferryError
from keyferry.mapping import Cluster, SecretMapping, Selector, Source
from keyferry.model import Delivery, Record
from keyferry.pipeline.route import Deliveries
from keyferry.report import MAX_LISTED
from keyferry.secret import (
    KEYS,
    MAPPING,
    RESTART_DUE,
    REVISION,
    VERSIONS,
    Observed,
    field_manager,
    revision,
    versions_text,
)

type CurrentVersion = Callable[[Source], str | None]
"""Returns the version that a source has now; None where that is not known."""


class Sweep(Record):
    """What to look at: everything, unless narrowed."""

    mapping: str | None = None
    cluster: str | None = None
    namespace: str | None = None
    reason: str = Field(default="by hand")


@dataclass(frozen=True)
class Swept:
    """What a sweep found."""

    checked: int
    sent: tuple[tuple[Delivery, str], ...] = field(default=())
    """Each delivery, and why it was sent."""

    def metrics(self) -> dict[str, float]:
        """Return metric name → value."""
        return {"SweepsChecked": self.checked, "SweepsSent": len(self.sent)}

    def as_dict(self) -> dict[str, Any]:
        """Return it for a log line or as the answer to a request made by hand."""
        told = [{"mapping": d.mapping, "cluster": d.cluster, "why": reason} for d, reason in self.sent[:MAX_LISTED]]
        return {"checked": self.checked, "count": len(self.sent), "sent": told}


@dataclass(frozen=True)
class Sight:
    """What the sweep sees with."""

    connect: Callable[[Cluster], ClusterClient]
    version: CurrentVersion


def sweep_of(request: object) -> Sweep:
    """Return what a message or an invocation by hand asks for.

    Args:
        request: `{"mapping", "cluster", "namespace", "reason"}`, each optional; or an EventBridge envelope (a
            deployment), which asks for everything.

    Raises:
        InvalidInput: it is neither.
    """
    if isinstance(request, Mapping) and "detail-type" in request:
        return Sweep(reason=str(request["detail-type"]))
    try:
        return Sweep.model_validate(request)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, each["loc"])) or "the whole" for each in error.errors()}))
        text = f'not understood: {fields}; a sweep takes {{"mapping", "cluster", "namespace"}}, each optional'
        raise InvalidInput(text) from None


def reconcile(sweep: Sweep, catalog: Catalog, sight: Sight, queue: Deliveries, event_id: str) -> Swept:
    """Send a delivery for every (mapping, cluster) in which something is not, or not known to be, right.

    Raises:
        DeliverAgain: not every delivery could be sent.
    """
    found = [
        (_delivery(sweep, mapping, cluster, event_id), why(sweep, mapping, cluster, sight))
        for mapping, cluster in _pairs(sweep, catalog)
    ]
    wrong = tuple((delivery, reason) for delivery, reason in found if reason)
    queue.send(delivery for delivery, _ in wrong)
    return Swept(len(found), wrong)


def _pairs(sweep: Sweep, catalog: Catalog) -> Iterable[tuple[SecretMapping, Cluster]]:
    for mapping in catalog.mappings.values():
        for cluster in catalog.targets(mapping):
            if sweep.mapping in (None, mapping.name) and sweep.cluster in (None, cluster.name):
                yield mapping, cluster


def _delivery(sweep: Sweep, mapping: SecretMapping, cluster: Cluster, event_id: str) -> Delivery:
    return Delivery(
        mapping=mapping.name,
        cluster=cluster.name,
        namespace=sweep.namespace,
        event_id=event_id,
        time=datetime.now(UTC),
    )


def why(sweep: Sweep, mapping: SecretMapping, cluster: Cluster, sight: Sight) -> str:
    """Return why a mapping on a cluster needs a delivery; empty where all is right."""
    try:
        client = sight.connect(cluster)
        chosen = mapping.spec.namespaces
        names = client.namespaces(chosen) if isinstance(chosen, Selector) else chosen
        versions = {alias: sight.version(source) for alias, source in mapping.spec.sources.items()}
        for namespace in names:
            if sweep.namespace in (None, namespace):
                raw = client.read_secret_metadata(namespace, mapping.spec.secret.name)
                reason = difference(mapping, versions, Observed.of(raw) if raw else None)
                if reason:
                    return f"{namespace}: {reason}"
    except KeyferryError as error:
        return f"not known: {error}"
    return ""


def difference(mapping: SecretMapping, versions: Mapping[str, str | None], observed: Observed | None) -> str:
    """Return how a Secret's metadata differs from what it should say; empty where it does not.

    Args:
        mapping: what the Secret should be.
        versions: the version that each source has now; None where that is not known.
        observed: the Secret, its data not needed; None where it is missing.
    """
    if observed is None:
        return "the Secret is missing"
    if not observed.written_by(mapping.name):
        return f"the annotation {MAPPING} is another"
    if observed.annotations.get(REVISION) != revision(mapping):
        return "the mapping has changed"
    if None in versions.values():
        return "the version of a source is not known"
    if observed.annotations.get(VERSIONS) != versions_text(versions):
        return "a source has another version"
    if not mapping.spec.secret.data.keys() <= observed.keys_owned_by(field_manager(mapping.name)):
        return "somebody else has written a key"
    if observed.keys_in_journal() != mapping.spec.secret.data.keys():
        return f"the annotation {KEYS} is another"
    return "restarts are due" if RESTART_DUE in observed.annotations else ""
