"""Actions → the cluster. Every call goes through a `ClusterClient`; nothing here knows how it speaks."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from keyferry.delivery.desired import Desired
from keyferry.delivery.observed import Observed
from keyferry.delivery.plan import Annotate, Delete, Prune, Release, Restart, Write
from keyferry.delivery.workloads import Stamp, stamp, using
from keyferry.errors import Conflict, Forbidden, KeyferryError, NeedsRepair, Overtaken
from keyferry.kinds import WorkloadKind
from keyferry.mapping.mapping import SecretMapping, Workload
from keyferry.mapping.targets import Selector

type Object = dict[str, Any]
"""A Kubernetes object as decoded JSON."""
type Listing = Callable[[str], Iterable[tuple[WorkloadKind, Object]]]
"""Lists the workloads of a namespace, each with its kind."""

WHOLE_CLUSTER_FROM = 50
"""Targets from which on workloads are listed for the whole cluster at once."""


class ClusterClient(Protocol):
    """What is asked of one cluster. Raises the errors of `keyferry.errors` alone."""

    def read_secret(self, namespace: str, name: str) -> Object | None:
        """Return the Secret; None where it, or its namespace, is missing."""
        ...

    def read_secret_metadata(self, namespace: str, name: str) -> Object | None:
        """Return the Secret without its data."""
        ...

    def apply_secret(
        self, namespace: str, body: Object, manager: str, *, force: bool, metadata_only: bool = False
    ) -> Object:
        """Apply server-side and return the Secret as it then is, or its metadata alone."""
        ...

    def patch_secret(self, namespace: str, patch: Object, manager: str) -> Object | None:
        """Patch the Secret, null removing a field, and return it as it then is; None where it is missing."""
        ...

    def delete_secret(self, namespace: str, name: str, preconditions: Mapping[str, str]) -> None:
        """Delete the Secret; one that is missing is fine."""
        ...

    def list_workloads(self, kind: WorkloadKind, namespace: str | None) -> list[Object]:
        """Return the workloads of a kind in a namespace (None: in all) by a consistent read."""
        ...

    def read_workload(self, workload: Workload, namespace: str) -> Object | None:
        """Return one workload; None where it is missing."""
        ...

    def patch_workload(self, workload: Workload, namespace: str, patch: Object, manager: str) -> bool:
        """Patch a workload and return whether it was there."""
        ...

    def list_namespaces(self, selector: Selector) -> list[str]:
        """Return the names of the namespaces with matching labels that are not being deleted."""
        ...


def chosen_namespaces(cluster: ClusterClient, mapping: SecretMapping) -> list[str]:
    """Return the names of a mapping's namespaces on a cluster, in order."""
    found = set(mapping.spec.namespace_names)
    for selector in mapping.spec.namespace_selectors:
        found.update(name for name in cluster.list_namespaces(selector) if selector.matches_name(name))
    return sorted(found)


def observe(cluster: ClusterClient, namespace: str, name: str) -> Observed | None:
    """Return the Secret as it is now; None where it is missing."""
    raw = cluster.read_secret(namespace, name)
    return None if raw is None else Observed.of(raw)


def write(cluster: ClusterClient, namespace: str, manager: str, action: Write | Annotate | Prune | Release) -> Observed:
    """Carry out a write and return its answer, which counts as the next observation.

    Raises:
        Overtaken: the Secret is no longer the one that was observed.
        Unreachable: whether the write took effect is not known.
    """
    match action:
        case Prune():
            raw = cluster.patch_secret(namespace, action.patch, manager)
            if raw is None:
                raise Overtaken(f"Secret {action.patch['metadata']['name']} in {namespace} is no longer there")
            return Observed.of(raw)
        case Release():
            return Observed.of(_apply(cluster, namespace, action.manager, action.body, force=False))
        case _:
            return Observed.of(_apply(cluster, namespace, manager, action.body, force=action.force))


def delete(cluster: ClusterClient, namespace: str, name: str, action: Delete) -> None:
    """Delete the Secret.

    Raises:
        Overtaken: the Secret is no longer the one that was observed.
        Unreachable: whether it is deleted is not known.
    """
    cluster.delete_secret(namespace, name, action.preconditions)


def listing(cluster: ClusterClient, mapping: SecretMapping, kinds: Sequence[WorkloadKind], targets: int = 1) -> Listing:
    """Return what lists the workloads of a namespace, as they are now.

    Each list waits for the API server's cache to have caught up, so for many targets there is one list of each kind
    for the whole cluster, where the rights allow it.

    Args:
        cluster: where.
        mapping: whose workloads.
        kinds: those that `restart: auto` looks for on the cluster.
        targets: for how many namespaces it will be asked.
    """
    in_one = partial(_workloads, cluster, kinds)
    if mapping.spec.restart != "auto" or targets < WHOLE_CLUSTER_FROM:
        return in_one
    found: defaultdict[str, list[tuple[WorkloadKind, Object]]] = defaultdict(list)
    try:
        for kind, raw in _workloads(cluster, kinds, None):
            found[raw["metadata"]["namespace"]].append((kind, raw))
    except KeyferryError:
        return in_one
    return lambda namespace: found.get(namespace, [])


def stamps(
    cluster: ClusterClient, namespace: str, mapping: SecretMapping, nonce: str, list_workloads: Listing
) -> list[Stamp]:
    """Return what to do with each workload that the mapping restarts, as the workloads are now.

    Args:
        cluster: where.
        namespace: of the Secret, and of the workloads that can use it.
        mapping: whose Secret they restart for.
        nonce: the mark of the write.
        list_workloads: the result of `listing`.
    """
    secret, wanted = mapping.spec.secret.name, mapping.spec.restart
    if isinstance(wanted, list):
        return list(_named(cluster, namespace, wanted, secret, nonce))
    return [stamp(workload, raw, secret, nonce) for workload, raw in using(list_workloads(namespace), secret)]


def stamp_workload(cluster: ClusterClient, namespace: str, desired: Desired, found: Stamp) -> bool:
    """Patch one workload where it needs it, and return whether it was patched; one that has gone needs nothing."""
    if found.error:
        raise found.error
    return found.patch is not None and cluster.patch_workload(found.workload, namespace, found.patch, desired.manager)


def clear(cluster: ClusterClient, namespace: str, desired: Desired, action: Restart) -> None:
    """Take the mark of due restarts off the Secret, once every workload is stamped.

    Nothing follows it, so of the answer no more is asked for than the metadata.

    Raises:
        Overtaken: the Secret is no longer the one that was observed.
    """
    _apply(cluster, namespace, desired.manager, action.clear, force=action.force, metadata_only=True)


def _apply(
    cluster: ClusterClient, namespace: str, manager: str, body: Object, *, force: bool, metadata_only: bool = False
) -> Object:
    try:
        return cluster.apply_secret(namespace, body, manager, force=force, metadata_only=metadata_only)
    except Conflict as error:
        # The API server looks at owners before it looks at preconditions. The plan found no conflict, so somebody
        # has written since: the next plan takes the key back, or says that it is a conflict.
        raise Overtaken(str(error)) from None


def _workloads(
    cluster: ClusterClient, kinds: Sequence[WorkloadKind], namespace: str | None
) -> Iterator[tuple[WorkloadKind, Object]]:
    for kind in kinds:
        for raw in cluster.list_workloads(kind, namespace):
            yield kind, raw


def _named(cluster: ClusterClient, namespace: str, wanted: list[Workload], secret: str, nonce: str) -> Iterator[Stamp]:
    for workload in wanted:
        try:
            raw = cluster.read_workload(workload, namespace)
            yield Stamp(workload, None, "not there") if raw is None else stamp(workload, raw, secret, nonce)
        except (Forbidden, NeedsRepair) as error:
            yield Stamp(workload, None, error=error)
