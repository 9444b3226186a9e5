"""The sweep: a delivery for every (mapping, cluster) whose state is not known to be right. Reads no secret value."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import Field, ValidationError

from keyferry.deadline import Deadline
from keyferry.delivery.apply import ClusterClient, chosen_namespaces
from keyferry.delivery.desired import revision
from keyferry.delivery.observed import KEYS, MAPPING, RESTART_DUE, REVISION, Observed
from keyferry.delivery.report import MAX_LISTED
from keyferry.errors import InvalidInput, KeyferryError, OutOfTime, Throttled, Unauthorized, Unexpected, Unreachable
from keyferry.identity import IDENTITY
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Cluster
from keyferry.model import Delivery, Place, Record, is_version
from keyferry.pipeline.route import Send
from keyferry.render.render import metadata
from keyferry.stores.source import Source

CLUSTER_SECONDS = 30
"""How long a cluster may be waited for: the others need their time too."""

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

    def log_fields(self) -> dict[str, Any]:
        """Return the fields of its log line, which are also the answer to a request made by hand."""
        told = [{"mapping": d.mapping, "cluster": d.cluster, "why": reason} for d, reason in self.sent[:MAX_LISTED]]
        return {"checked": self.checked, "count": len(self.sent), "sent": told}


@dataclass(frozen=True)
class Sight:
    """What the sweep sees with."""

    connect: Callable[[Cluster, Deadline], ClusterClient]
    version: CurrentVersion
    deadline: Deadline


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


def reconcile(sweep: Sweep, catalog: Catalog, sight: Sight, send: Send, event_id: str) -> Swept:
    """Send a delivery for every (mapping, cluster) in which something is not, or not known to be, right.

    Raises:
        InvalidInput: this deployment has nothing that the sweep asks for.
        DeliverAgain: not every delivery could be sent.
    """
    pairs = _pairs(sweep, catalog)
    reasons = _look(sweep, pairs, sight)
    wrong = tuple(
        (_delivery(sweep, mapping, cluster, event_id), reason)
        for (mapping, cluster), reason in zip(pairs, reasons, strict=True)
        if reason
    )
    send(delivery for delivery, _ in wrong)
    return Swept(len(pairs), wrong)


def _pairs(sweep: Sweep, catalog: Catalog) -> list[tuple[SecretMapping, Cluster]]:
    found = [
        (mapping, cluster)
        for mapping in catalog.mappings.values()
        for cluster in catalog.targets(mapping)
        if sweep.mapping in (None, mapping.name) and sweep.cluster in (None, cluster.name)
        if mapping.spec.can_reach(sweep.namespace)
    ]
    asked = sweep.model_dump(include={"mapping", "cluster", "namespace"}, exclude_none=True)
    if asked and not found:
        names = ", ".join(f"{noun} {name}" for noun, name in asked.items())
        raise InvalidInput(f"no mapping of this deployment has {names}: see `keyferry validate`")
    return found


def _delivery(sweep: Sweep, mapping: SecretMapping, cluster: Cluster, event_id: str) -> Delivery:
    return Delivery(
        mapping=mapping.name,
        cluster=cluster.name,
        namespace=sweep.namespace,
        event_id=event_id,
        time=datetime.now(UTC),
    )


def _look(sweep: Sweep, pairs: Iterable[tuple[SecretMapping, Cluster]], sight: Sight) -> Iterator[str]:
    """Yield why each mapping on a cluster needs a delivery; empty where all is right.

    A cluster that does not answer is asked once, so that it does not use up the time of the others.
    """
    lost: dict[str, str] = {}
    for mapping, cluster in pairs:
        try:
            _check_time(sight)
            yield lost.get(cluster.name) or _compare(sweep, mapping, cluster, sight)
        except _Lost as error:
            lost[cluster.name] = f"not known: {error}"
            yield lost[cluster.name]
        except KeyferryError as error:
            yield f"not known: {error}"
        except Exception as error:  # one mapping, one cluster: the others are looked at all the same
            yield f"not known: {Unexpected(error)}"


class _Lost(Exception):  # never leaves this module
    """A cluster that cannot be asked."""


def _compare(sweep: Sweep, mapping: SecretMapping, cluster: Cluster, sight: Sight) -> str:
    for namespace, observed in _seen(sweep, mapping, cluster, sight):
        place = Place(cluster.name, namespace)
        versions = {alias: sight.version(source.at(place)) for alias, source in mapping.spec.sources.items()}
        reason = difference(mapping, versions, observed, place)
        if reason:
            return f"{namespace}: {reason}"
    return ""


def _seen(
    sweep: Sweep, mapping: SecretMapping, cluster: Cluster, sight: Sight
) -> Iterator[tuple[str, Observed | None]]:
    """Yield each namespace, and the metadata of its Secret."""
    try:
        client = sight.connect(cluster, sight.deadline.within(CLUSTER_SECONDS))
        for namespace in chosen_namespaces(client, mapping):
            if sweep.namespace in (None, namespace):
                _check_time(sight)
                raw = client.read_secret_metadata(namespace, mapping.spec.secret.name)
                yield namespace, Observed.of(raw) if raw else None
    except (Unreachable, Unauthorized, Throttled) as error:
        raise _Lost(str(error)) from None


def _check_time(sight: Sight) -> None:
    if sight.deadline.passed:
        raise OutOfTime


def _are_versions(held: Mapping[str, str], now: Mapping[str, str | None]) -> bool:
    """Return whether the Secret holds the versions of now, which it may show with a date."""
    return held.keys() == now.keys() and all(is_version(held[alias], version or "") for alias, version in now.items())


def difference(
    mapping: SecretMapping, versions: Mapping[str, str | None], observed: Observed | None, place: Place
) -> str:
    """Return how a Secret's metadata differs from what it should say; empty where it does not.

    Args:
        mapping: what the Secret should be.
        versions: the version that each source has now; None where that is not known.
        observed: the Secret, its data not needed; None where it is missing.
        place: where it is.
    """
    policies = mapping.spec.policies
    if observed is None:
        return "" if policies.creation == "merge" else "the Secret is missing"
    due = "restarts are due" if RESTART_DUE in observed.annotations else ""
    if policies.creation == "createOnce":
        return due if observed.written_by(*mapping.names) and mapping.spec.restart != "none" else ""
    return _journal(mapping, versions, observed, place) or _owners(mapping, observed) or due


def _journal(mapping: SecretMapping, versions: Mapping[str, str | None], observed: Observed, place: Place) -> str:
    """Return what the journal says otherwise than the mapping and its sources do."""
    if not observed.written_by(mapping.name):
        return f"the annotation {MAPPING} is another"
    if observed.annotations.get(REVISION) != revision(mapping):
        return "the mapping has changed"
    if None in versions.values():
        return "the version of a source is not known"
    if not _are_versions(observed.versions_in_journal(), versions):
        return "a source has another version"
    written, can_be = observed.keys_in_journal(), mapping.spec.secret.known_keys
    if not mapping.spec.secret.certain_keys <= written or (can_be is not None and not written <= can_be):
        return f"the annotation {KEYS} is another"
    if observed.differing_metadata(*metadata(mapping, place, {})):
        return "a label or an annotation is another"
    return ""


def _owners(mapping: SecretMapping, observed: Observed) -> str:
    """Return which of its fields somebody else owns who should not."""
    manager, *former = map(IDENTITY.field_manager, mapping.names)
    written = observed.keys_in_journal()
    if not written <= observed.keys_owned_by(manager):
        return "somebody else has written a key"
    if any(owner.applies and owner.manager in former for owner in observed.owners):
        return "an earlier name of the mapping owns fields"
    if observed.references and mapping.spec.policies.creation != "merge":
        return f"it is owned by {observed.references[0]}"
    if mapping.spec.policies.keys == "exclusive" and any(o.keys - written for o in observed.owners_beside(manager)):
        return "somebody else has added a key"
    return ""
