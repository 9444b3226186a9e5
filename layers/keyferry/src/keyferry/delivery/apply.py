"""Carry out actions on a cluster. All requests go through a `ClusterClient`, which `keyferry.kube` implements."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from keyferry.delivery.desired import Desired
from keyferry.delivery.observed import Observed
from keyferry.delivery.plan import Annotate, Delete, Prune, Release, Restart, Write
from keyferry.delivery.restart.listing import Listing, Survey
from keyferry.delivery.restart.workloads import Stamp, build_missing_stamp, build_stamp
from keyferry.errors import Conflict, Forbidden, NeedsRepair, Overtaken, in_part
from keyferry.kinds import WorkloadKind
from keyferry.mapping.mapping import SecretMapping, Workload
from keyferry.mapping.namespaces import NamespaceLister
from keyferry.mapping.targets import Selector

type Object = dict[str, Any]
"""A Kubernetes object as decoded JSON."""
type WorkloadLister = Callable[[str], Listing]
"""Returns the workloads of a namespace that use the Secret."""

MIN_TARGETS_FOR_CLUSTER_LIST = 50
"""From how many namespaces on workloads are listed for the whole cluster at once."""


class ClusterClient(NamespaceLister, Protocol):
    """The requests to one cluster. All errors are those of `keyferry.errors`."""

    @property
    def is_slow(self) -> bool:
        """Whether the cluster answers so slowly that the delivery should end after what is under way."""
        ...

    def read_secret(self, namespace: str, name: str) -> Object | None:
        """Return a Secret; None if it or its namespace is missing."""
        ...

    def read_secret_metadata(self, namespace: str, name: str) -> Object | None:
        """Return a Secret without its data; None if it or its namespace is missing."""
        ...

    def apply_secret(
        self, namespace: str, body: Object, manager: str, *, force: bool, metadata_only: bool = False
    ) -> Object:
        """Apply a Secret server-side and return the new state of it, or the metadata alone."""
        ...

    def patch_secret(self, namespace: str, patch: Object, manager: str) -> Object | None:
        """Patch a Secret and return the new state of it; None if it is missing. A null in the patch removes a field."""
        ...

    def delete_secret(self, namespace: str, name: str, preconditions: Mapping[str, str]) -> None:
        """Delete a Secret; it is no error if it is missing."""
        ...

    def list_workloads(self, kind: WorkloadKind, namespace: str | None) -> Iterable[Object]:
        """Yield the workloads of a kind in a namespace (None: in all namespaces), page by page, by a consistent read.

        Errors are raised while it is iterated over.
        """
        ...

    def read_workload(self, workload: Workload, namespace: str) -> Object | None:
        """Return a workload; None if it is missing."""
        ...

    def patch_workload(self, workload: Workload, namespace: str, patch: Object, manager: str) -> bool:
        """Patch a workload and return whether it exists."""
        ...

    def list_namespaces(self, selector: Selector) -> list[str]:
        """Return the names of the namespaces with matching labels that are not being deleted."""
        ...

    def find_served(self, kinds: Iterable[WorkloadKind]) -> list[WorkloadKind]:
        """Return those of some kinds that the cluster has."""
        ...

    def check_namespace(self, name: str) -> None:
        """Raise NamespaceGone if a namespace is missing or being deleted; nothing if it is not ours to read."""
        ...


@in_part("secret.name")
def observe(cluster: ClusterClient, namespace: str, name: str) -> Observed | None:
    """Return the current state of a Secret; None if it is missing."""
    raw = cluster.read_secret(namespace, name)
    return None if raw is None else Observed.from_object(raw)


@in_part("secret.name")
def write(cluster: ClusterClient, namespace: str, manager: str, action: Write | Annotate | Prune | Release) -> Observed:
    """Carry out an action that writes to a Secret.

    Returns:
        The new state of the Secret, from the answer to the write. It counts as the next observation.

    Raises:
        Overtaken: the Secret has changed since it was observed.
        Unreachable: it is not known whether the write took effect.
    """
    match action:
        case Prune():
            raw = cluster.patch_secret(namespace, action.patch, manager)
            if raw is None:
                raise Overtaken(f"Secret {action.patch['metadata']['name']} in {namespace} is no longer there")
            return Observed.from_object(raw)
        case Release():
            return Observed.from_object(_apply(cluster, namespace, action.manager, action.body, force=False))
        case _:
            return Observed.from_object(_apply(cluster, namespace, manager, action.body, force=action.force))


@in_part("secret.name")
def delete(cluster: ClusterClient, namespace: str, name: str, action: Delete) -> None:
    """Delete a Secret.

    Raises:
        Overtaken: the Secret has changed since it was observed.
        Unreachable: it is not known whether it was deleted.
    """
    cluster.delete_secret(namespace, name, action.preconditions)


@in_part("restart")
def create_workload_lister(
    cluster: ClusterClient, mapping: SecretMapping, kinds: Sequence[WorkloadKind], namespaces: Collection[str] = ()
) -> WorkloadLister:
    """Return a function that returns the current workloads of a namespace that use the Secret.

    Every consistent list waits until the API server's cache is up to date, about 0.1 s. For many namespaces, there is
    therefore one list of each kind for the whole cluster, made here, if RBAC allows it. Of its workloads, which may be
    many thousands, only those that use the Secret are kept, and of these only what a stamp needs.

    Args:
        cluster: the cluster.
        mapping: the mapping whose workloads are restarted.
        kinds: the kinds that `restart: auto` looks for on the cluster.
        namespaces: the namespaces for which the function will be called, if they are known.

    Raises:
        KeyferryError: the cluster cannot be listed, for another reason than its rights.
    """

    def take(kind: WorkloadKind, raw: Object, listing: Listing) -> None:
        listing.add(kind, raw, mapping.spec.secret.name, mapping.stamp_keys)

    def list_one_namespace(namespace: str) -> Listing:
        listing = Listing.of(kinds)
        for kind, raw in _list_workloads(cluster, kinds, namespace):
            take(kind, raw, listing)
        return listing

    if mapping.spec.restart != "auto" or len(namespaces) < MIN_TARGETS_FOR_CLUSTER_LIST:
        return list_one_namespace
    listings = {namespace: Listing.of(kinds) for namespace in namespaces}
    try:
        for kind, raw in _list_workloads(cluster, kinds, None):
            if (namespace := raw["metadata"]["namespace"]) in listings:
                take(kind, raw, listings[namespace])
    except Forbidden:
        return list_one_namespace
    return lambda namespace: listings[namespace]


def _list_workloads(
    cluster: ClusterClient, kinds: Sequence[WorkloadKind], namespace: str | None
) -> Iterator[tuple[WorkloadKind, Object]]:
    for kind in kinds:
        for raw in cluster.list_workloads(kind, namespace):
            yield kind, raw


@in_part("restart")
def build_stamps(
    cluster: ClusterClient,
    namespace: str,
    mapping: SecretMapping,
    nonce: str,
    list_workloads: WorkloadLister,
    check: Callable[[], None],
) -> Survey:
    """Return a stamp for each workload that the mapping restarts, made from the current state of the workloads.

    Args:
        cluster: the cluster.
        namespace: the namespace of the Secret, and so of all workloads that can use it.
        mapping: the mapping.
        nonce: the nonce of the write for which they restart.
        list_workloads: a function from `create_workload_lister`.
        check: is called before each workload that the mapping names is read, and can raise an error to stop.
    """
    keys, restart = mapping.stamp_keys, mapping.spec.restart
    if isinstance(restart, list):
        return Survey(list(_build_named_stamps(cluster, namespace, restart, keys, nonce, check)))
    listing = list_workloads(namespace)
    stamps = [replace(build_stamp(use.workload, use.raw, keys, nonce), ways=use.ways) for use in listing.uses]
    return Survey(stamps, listing.pulls, listing.seen)


def _build_named_stamps(
    cluster: ClusterClient,
    namespace: str,
    workloads: list[Workload],
    keys: Sequence[str],
    nonce: str,
    check: Callable[[], None],
) -> Iterator[Stamp]:
    """Yield a stamp for each workload that the mapping names. An error with one of them is kept in its stamp."""
    for number, workload in enumerate(workloads):
        check()
        try:
            with in_part(f"restart.{number}"):
                raw = cluster.read_workload(workload, namespace)
                stamp = (
                    build_missing_stamp(workload, namespace) if raw is None else build_stamp(workload, raw, keys, nonce)
                )
            yield stamp
        except (Forbidden, NeedsRepair) as error:
            yield Stamp(workload, None, error=error, reason="failed")


@in_part("secret.name")
def check_unchanged(cluster: ClusterClient, namespace: str, desired: Desired, observed: Observed) -> None:
    """Check, by its metadata alone, that a Secret still has the content that was observed.

    Nobody has written it since if the mark of our write is on it and all its keys are still ours. Who only keeps
    writing labels or annotations does not keep the workloads from their restart.

    Raises:
        Overtaken: somebody has, or it is gone.
    """
    name = desired.name
    raw = cluster.read_secret_metadata(namespace, name)
    now = Observed.from_object(raw) if raw else None
    is_same = now and (now.uid, now.restart_due) == (observed.uid, observed.restart_due)
    if not (now and is_same and observed.keys_owned_by(desired.manager) <= now.keys_owned_by(desired.manager)):
        raise Overtaken(f"Secret {name} in {namespace} changed before its workloads were restarted")


def stamp_workload(cluster: ClusterClient, namespace: str, desired: Desired, stamp: Stamp) -> bool:
    """Patch one workload, which restarts it, and return whether it was patched.

    A workload whose stamp has no patch, or that was deleted meanwhile, is left alone.

    Raises:
        KeyferryError: the error in the stamp, if it has one; or the cluster refuses the patch.
    """
    if stamp.error:
        raise stamp.error
    with in_part(desired.mapping.spec.name_workload(stamp.workload)):
        return stamp.patch is not None and cluster.patch_workload(
            stamp.workload, namespace, stamp.patch, desired.manager
        )


@in_part("secret.name")
def clear_restart_due(cluster: ClusterClient, namespace: str, desired: Desired, action: Restart) -> None:
    """Remove the annotation `restart-due` of a Secret, once every workload is stamped.

    Only the metadata is asked for in the answer, since nothing is done with it.

    Raises:
        Overtaken: the Secret has changed since it was observed.
    """
    _apply(cluster, namespace, desired.manager, action.cleared_body, force=action.force, metadata_only=True)


def _apply(
    cluster: ClusterClient, namespace: str, manager: str, body: Object, *, force: bool, metadata_only: bool = False
) -> Object:
    try:
        return cluster.apply_secret(namespace, body, manager, force=force, metadata_only=metadata_only)
    except Conflict as error:
        # The API server looks for conflicts between managers before it compares the preconditions. `plan` has found no
        # conflict, so somebody has written since. The next plan takes the key back, or raises a Conflict itself.
        raise Overtaken(str(error)) from error
