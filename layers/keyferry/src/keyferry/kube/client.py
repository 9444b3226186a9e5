"""Read and write Secrets and workloads of a cluster: the `ClusterClient` of `keyferry.delivery.apply`."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from urllib.parse import quote

from keyferry.deadline import Deadline
from keyferry.delivery.apply import Object
from keyferry.errors import Forbidden, NamespaceGone, Overtaken, Refused
from keyferry.kinds import JSON_MERGE, WorkloadKind
from keyferry.kube.connection import Connection
from keyferry.kube.errors import build_missing, build_terminating
from keyferry.kube.transport import APPLY, Request
from keyferry.mapping.mapping import Workload
from keyferry.mapping.targets import Selector

PAGE_SIZE = 500
"""How many objects one page of a list has."""
JSON = "application/json"
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


class KubeClient:
    """A client for one cluster, which uses a kept connection until a deadline.

    Its methods raise KeyferryErrors, as `keyferry.kube.connection.Connection.send` says.
    """

    def __init__(
        self,
        connection: Connection,
        deadline: Deadline,
        list_other_namespaces: Callable[[str], Collection[str]] = lambda _: (),
    ) -> None:
        """Begin a delivery: what a slow cluster is spared afterwards goes by the time from now on.

        Args:
            connection: the connection to the cluster.
            deadline: when no more requests are sent.
            list_other_namespaces: returns the namespaces that may be meant in place of one that is missing.
        """
        self._connection, self._deadline = connection, deadline
        self._list_other_namespaces = list_other_namespaces
        self._started = deadline.clock()

    @property
    def is_slow(self) -> bool:
        """Whether the cluster answers so slowly that the delivery should end after what is under way."""
        return self._connection.is_slow

    def read_secret(self, namespace: str, name: str) -> Object | None:
        """Return a Secret; None if it or its namespace is missing."""
        return self._read_secret(namespace, name, JSON)

    def read_secret_metadata(self, namespace: str, name: str) -> Object | None:
        """Return a Secret without its data; None if it or its namespace is missing."""
        return self._read_secret(namespace, name, METADATA_ONLY)

    def apply_secret(
        self, namespace: str, body: Object, manager: str, *, force: bool, metadata_only: bool = False
    ) -> Object:
        """Apply a Secret server-side and return the new state of it.

        Args:
            namespace: the namespace of the Secret.
            body: the complete Secret, as far as the field manager owns it.
            manager: the field manager.
            force: whether to take over fields that other field managers own.
            metadata_only: whether to return the metadata alone, which costs the API server less.
        """
        query = (("fieldManager", manager), ("force", "true" if force else "false"))
        accept = METADATA_ONLY if metadata_only else JSON
        return self._change_secret(namespace, body, query, APPLY, accept) or {}

    def patch_secret(self, namespace: str, patch: Object, manager: str) -> Object | None:
        """Patch a Secret and return the new state of it; None if it is missing. A null in the patch removes a field."""
        return self._change_secret(namespace, patch, (("fieldManager", manager),), JSON_MERGE, JSON)

    def delete_secret(self, namespace: str, name: str, preconditions: Mapping[str, str]) -> None:
        """Delete a Secret; it is no error if it is missing.

        Args:
            namespace: the namespace of the Secret.
            name: the name of the Secret.
            preconditions: the uid and resourceVersion that the Secret must have.
        """
        request = Request(
            "DELETE",
            _build_path("/api/v1", namespace, "secrets", name),
            "delete",
            f"secrets/{name}",
            namespace,
            body={"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": dict(preconditions)},
            content_type="application/json",
        )
        self._send(request)

    def list_workloads(self, kind: WorkloadKind, namespace: str | None) -> Iterator[Object]:
        """Yield the workloads of a kind in a namespace (None: in all namespaces), page by page, by a consistent read.

        Errors are raised while it is iterated over. One page is in memory at a time.
        """
        return self._list(_build_path(_build_base(kind), namespace, kind.resource), kind.resource, namespace, ())

    def read_workload(self, workload: Workload, namespace: str) -> Object | None:
        """Return a workload; None if it is missing."""
        kind = workload.kind
        path = _build_path(_build_base(kind), namespace, kind.resource, workload.name)
        request = Request("GET", path, "get", f"{kind.resource}/{workload.name}", namespace)
        return parse_object(self._send(request), request)

    def patch_workload(self, workload: Workload, namespace: str, patch: Object, manager: str) -> bool:
        """Patch a workload and return whether it exists. This is no apply, because an apply would create it."""
        kind = workload.kind
        request = Request(
            "PATCH",
            _build_path(_build_base(kind), namespace, kind.resource, workload.name),
            "patch",
            f"{kind.resource}/{workload.name}",
            namespace,
            query=(("fieldManager", manager),),
            body=patch,
            content_type=kind.patch,
            accept=METADATA_ONLY,
        )
        return self._send(request) is not None

    def list_namespaces(self, selector: Selector) -> list[str]:
        """Return the names of the namespaces whose labels match and that are not being deleted."""
        namespaces = self._list("/api/v1/namespaces", "namespaces", None, (("labelSelector", str(selector)),))
        return [
            namespace["metadata"]["name"]
            for namespace in namespaces
            if "deletionTimestamp" not in namespace["metadata"]
        ]

    def create_event(self, event: Object) -> None:
        """Create a Kubernetes Event. That there is one of its name, or that the namespace is missing, is no error.

        Args:
            event: the Event, of core v1, with its namespace and name.
        """
        namespace, name = event["metadata"]["namespace"], event["metadata"]["name"]
        request = Request(
            "POST",
            _build_path("/api/v1", namespace, "events"),
            "create",
            f"events/{name}",
            namespace,
            body=event,
            content_type=JSON,
            accept=METADATA_ONLY,
        )
        with suppress(Overtaken, NamespaceGone):  # 409 AlreadyExists; of a namespace that is being deleted
            self._connection.send(request, self._deadline)  # not `_send`: that no Event is taken holds up no delivery

    def find_served(self, kinds: Iterable[WorkloadKind]) -> list[WorkloadKind]:
        """Return those of some kinds that the cluster has. Every user of a cluster may ask (`system:discovery`)."""
        return [kind for kind in kinds if kind.resource in self._list_resources(_build_base(kind))]

    def _list_resources(self, path: str) -> set[str]:
        request = Request("GET", path, "get", path)
        return {
            resource["name"] for resource in (parse_object(self._send(request), request) or {}).get("resources", ())
        }

    def read_version(self) -> str:
        """Return the version of Kubernetes, as `v1.36.2`: whoever may sign in may ask for it."""
        request = Request("GET", "/version", "get", "/version")
        return str((parse_object(self._send(request), request) or {}).get("gitVersion", ""))

    def check_namespace(self, name: str) -> None:
        """Do nothing if a namespace is there, or if it is not ours to read (RBAC).

        Raises:
            NamespaceGone: it is missing or being deleted.
        """
        path = _build_path("/api/v1", None, "namespaces", name)
        request = Request("GET", path, "get", f"namespaces/{name}", accept=METADATA_ONLY)
        try:
            namespace = parse_object(self._send(request), request)
        except Forbidden:
            return
        if namespace is None:
            raise build_missing(name, self._connection.name, self._list_other_namespaces(name))
        if "deletionTimestamp" in namespace["metadata"]:
            raise build_terminating(name, self._connection.name)

    def _change_secret(
        self, namespace: str, body: Object, query: tuple[tuple[str, str], ...], content_type: str, accept: str
    ) -> Object | None:
        name = body["metadata"]["name"]
        request = Request(
            "PATCH",
            _build_path("/api/v1", namespace, "secrets", name),
            "patch",
            f"secrets/{name}",
            namespace,
            query=query,
            body=body,
            content_type=content_type,
            accept=accept,
        )
        return parse_object(self._send(request), request)

    def _read_secret(self, namespace: str, name: str, accept: str) -> Object | None:
        path = _build_path("/api/v1", namespace, "secrets", name)
        request = Request("GET", path, "get", f"secrets/{name}", namespace, accept=accept)
        return parse_object(self._send(request), request)

    def _list(
        self, path: str, resource: str, namespace: str | None, query: tuple[tuple[str, str], ...]
    ) -> Iterator[Object]:
        """Yield all objects of a list, read page by page."""
        token = ""
        while True:
            page_query = (*query, ("limit", str(PAGE_SIZE)), *((("continue", token),) if token else ()))
            request = Request("GET", path, "list", resource, namespace, query=page_query)
            page = parse_object(self._send(request), request) or {}
            token = (page.get("metadata") or {}).get("continue") or ""
            yield from page.get("items") or []
            if not token:
                return
            del page  # before the next one is read

    def _send(self, request: Request) -> bytes | None:
        """Send a request. If the answers have become slow, other deliveries are told.

        A Role is in its namespace: without that, RBAC forbids. So what is forbidden may be no matter of rights.
        """
        try:
            return self._connection.send(request, self._deadline)
        except (Forbidden, NamespaceGone):
            if request.namespace:
                self.check_namespace(request.namespace)
            raise
        finally:
            if self.is_slow:
                self._connection.remember_slow(self._deadline.clock() - self._started)


def _build_base(kind: WorkloadKind) -> str:
    return f"/apis/{kind.group}/{kind.version}"


def _build_path(base: str, namespace: str | None, resource: str, name: str = "") -> str:
    parts = [*(("namespaces", namespace) if namespace else ()), resource, *((name,) if name else ())]
    return "/".join([base, *(quote(part, safe="") for part in parts)])


def parse_object(body: bytes | None, request: Request) -> Object | None:
    """Return the object in an answer.

    Raises:
        Refused: somebody has nested a field of it, such as one of managedFields, more deeply than it can be parsed.
    """
    try:
        return None if body is None else json.loads(body)
    except RecursionError:
        raise Refused(
            f"{request.resource} in namespace {request.namespace} is nested too deeply to be read: somebody has written"
            " such a field; write it again without that, or delete it"
        ) from None
