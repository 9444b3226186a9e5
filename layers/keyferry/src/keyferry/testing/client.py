"""The requests of deliveries to a cluster in memory, each recorded as a call."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from keyferry.delivery.apply import Object
from keyferry.kinds import WorkloadKind
from keyferry.mapping.mapping import Workload
from keyferry.mapping.targets import Selector
from keyferry.testing.calls import Calls

if TYPE_CHECKING:
    from keyferry.testing.cluster import FakeCluster


class FakeClient:
    """The `ClusterClient` of one process. Each request is recorded as a call: a verb and an object."""

    is_slow: bool = False
    """Whether the cluster answers slowly; a test sets it."""

    def __init__(self, cluster: "FakeCluster", calls: Calls) -> None:
        """Create a client of a cluster that records its calls in `calls`."""
        self.cluster, self.calls = cluster, calls

    def read_secret(self, namespace: str, name: str) -> Object | None:
        """Return a Secret: `read payments/db`."""
        with self.calls.call(f"read {namespace}/{name}"):
            secret = self.cluster.secrets.get((namespace, name))
            return None if secret is None else secret.as_object(name)

    def read_secret_metadata(self, namespace: str, name: str) -> Object | None:
        """Return a Secret without its data: `metadata payments/db`."""
        with self.calls.call(f"metadata {namespace}/{name}"):
            secret = self.cluster.secrets.get((namespace, name))
            return None if secret is None else {"metadata": secret.as_object(name)["metadata"]}

    def apply_secret(
        self, namespace: str, body: Object, manager: str, *, force: bool, metadata_only: bool = False
    ) -> Object:
        """Apply a Secret: `apply payments/db`."""
        with self.calls.call(f"apply {namespace}/{body['metadata']['name']}"):
            secret = self.cluster.apply_secret(namespace, body, manager, force=force)
            return {"metadata": secret["metadata"]} if metadata_only else secret

    def patch_secret(self, namespace: str, patch: Object, manager: str) -> Object | None:
        """Patch a Secret: `prune payments/db`."""
        with self.calls.call(f"prune {namespace}/{patch['metadata']['name']}"):
            return self.cluster.patch_secret(namespace, patch, manager)

    def delete_secret(self, namespace: str, name: str, preconditions: Mapping[str, str]) -> None:
        """Delete a Secret: `delete payments/db`."""
        with self.calls.call(f"delete {namespace}/{name}"):
            self.cluster.delete_secret(namespace, name, preconditions)

    def list_workloads(self, kind: WorkloadKind, namespace: str | None) -> Iterator[Object]:
        """Yield the workloads of a kind: `list payments/Deployment`, `list None/Deployment` for all namespaces."""
        with self.calls.call(f"list {namespace}/{kind}"):
            workloads = sorted(self.cluster.workloads.items())
        for (workload_namespace, kind_name, _), raw in workloads:
            if kind_name == kind.name and namespace in (None, workload_namespace):
                yield copy.deepcopy(raw)

    def read_workload(self, workload: Workload, namespace: str) -> Object | None:
        """Return a workload: `get payments/Deployment/api`."""
        with self.calls.call(f"get {namespace}/{workload}"):
            return copy.deepcopy(self.cluster.workloads.get((namespace, workload.kind.name, workload.name)))

    def patch_workload(self, workload: Workload, namespace: str, patch: Object, manager: str) -> bool:
        """Patch a workload: `patch payments/Deployment/api as keyferry:payments-db`."""
        with self.calls.call(f"patch {namespace}/{workload} as {manager}"):
            return self.cluster.patch_workload(workload, namespace, patch)

    def find_served(self, kinds: Iterable[WorkloadKind]) -> list[WorkloadKind]:
        """Return those of some kinds that the cluster has: `kinds`."""
        with self.calls.call("kinds"):
            return [kind for kind in kinds if kind in self.cluster.kinds]

    def check_namespace(self, name: str) -> None:
        """Raise NamespaceGone if a namespace is missing or being deleted: `namespace payments`."""
        with self.calls.call(f"namespace {name}"):
            self.cluster.check_namespace(name)

    def list_namespaces(self, selector: Selector) -> list[str]:
        """Return the namespaces that a selector chooses: `namespaces`."""
        with self.calls.call("namespaces"):
            return [
                name
                for name, labels in self.cluster.namespaces.items()
                if selector.matches(labels) and name not in self.cluster.terminating
            ]
