"""The requests that Keyferry makes of a cluster, and their answers: a `ClusterClient` of `keyferry.delivery.apply`."""

import json
from collections.abc import Mapping
from urllib.parse import quote

from keyferry.deadline import Deadline
from keyferry.delivery.apply import Object
from keyferry.kinds import JSON_MERGE, WorkloadKind
from keyferry.kube.connection import APPLY, Connection, Request
from keyferry.mapping.mapping import Workload
from keyferry.mapping.targets import Selector

PAGE = 500
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


class KubeClient:
    """One delivery's view of a cluster: the kept connection and the time that is left."""

    def __init__(self, connection: Connection, deadline: Deadline) -> None:
        self._connection, self._deadline = connection, deadline

    def read_secret(self, namespace: str, name: str) -> Object | None:
        """Return the Secret; None where it, or its namespace, is missing."""
        return self._read_secret(namespace, name, "application/json")

    def read_secret_metadata(self, namespace: str, name: str) -> Object | None:
        """Return the Secret without its data."""
        return self._read_secret(namespace, name, METADATA_ONLY)

    def apply_secret(self, namespace: str, body: Object, manager: str, *, force: bool) -> Object:
        """Apply server-side and return the Secret as it then is."""
        query = (("fieldManager", manager), ("force", "true" if force else "false"))
        return self._change_secret(namespace, body, query, APPLY) or {}

    def patch_secret(self, namespace: str, patch: Object, manager: str) -> Object | None:
        """Patch the Secret, null removing a field, and return it as it then is; None where it is missing."""
        return self._change_secret(namespace, patch, (("fieldManager", manager),), JSON_MERGE)

    def delete_secret(self, namespace: str, name: str, preconditions: Mapping[str, str]) -> None:
        """Delete the Secret; one that is missing is fine."""
        request = Request(
            "DELETE",
            _path("/api/v1", namespace, "secrets", name),
            "delete",
            f"secrets/{name}",
            namespace,
            body={"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": dict(preconditions)},
            content_type="application/json",
        )
        self._connection.send(request, self._deadline)

    def list_workloads(self, kind: WorkloadKind, namespace: str | None) -> list[Object]:
        """Return the workloads of a kind in a namespace (None: in all) by a consistent read, page by page."""
        return self._list(_path(_base(kind), namespace, kind.resource), kind.resource, namespace, ())

    def read_workload(self, workload: Workload, namespace: str) -> Object | None:
        """Return one workload; None where it is missing."""
        kind = workload.kind
        path = _path(_base(kind), namespace, kind.resource, workload.name)
        request = Request("GET", path, "get", f"{kind.resource}/{workload.name}", namespace)
        return _decode(self._connection.send(request, self._deadline))

    def patch_workload(self, workload: Workload, namespace: str, patch: Object, manager: str) -> bool:
        """Patch a workload and return whether it was there. A patch, since an apply would create it."""
        kind = workload.kind
        request = Request(
            "PATCH",
            _path(_base(kind), namespace, kind.resource, workload.name),
            "patch",
            f"{kind.resource}/{workload.name}",
            namespace,
            query=(("fieldManager", manager),),
            body=patch,
            content_type=kind.patch,
            accept=METADATA_ONLY,
        )
        return self._connection.send(request, self._deadline) is not None

    def namespaces(self, selector: Selector) -> list[str]:
        """Return the names of the matching namespaces that are not being deleted."""
        found = self._list("/api/v1/namespaces", "namespaces", None, (("labelSelector", str(selector)),))
        return [each["metadata"]["name"] for each in found if "deletionTimestamp" not in each["metadata"]]

    def _change_secret(
        self, namespace: str, body: Object, query: tuple[tuple[str, str], ...], content_type: str
    ) -> Object | None:
        name = body["metadata"]["name"]
        path = _path("/api/v1", namespace, "secrets", name)
        request = Request(
            "PATCH", path, "patch", f"secrets/{name}", namespace, query=query, body=body, content_type=content_type
        )
        return _decode(self._connection.send(request, self._deadline))

    def _read_secret(self, namespace: str, name: str, accept: str) -> Object | None:
        path = _path("/api/v1", namespace, "secrets", name)
        request = Request("GET", path, "get", f"secrets/{name}", namespace, accept=accept)
        return _decode(self._connection.send(request, self._deadline))

    def _list(
        self, path: str, resource: str, namespace: str | None, query: tuple[tuple[str, str], ...]
    ) -> list[Object]:
        found: list[Object] = []
        token = ""
        while True:
            page = (*query, ("limit", str(PAGE)), *((("continue", token),) if token else ()))
            request = Request("GET", path, "list", resource, namespace, query=page)
            answer = _decode(self._connection.send(request, self._deadline)) or {}
            found += answer.get("items") or []
            token = (answer.get("metadata") or {}).get("continue") or ""
            if not token:
                return found


def _base(kind: WorkloadKind) -> str:
    return f"/apis/{kind.group}/{kind.version}"


def _path(base: str, namespace: str | None, resource: str, name: str = "") -> str:
    parts = [*(("namespaces", namespace) if namespace else ()), resource, *((name,) if name else ())]
    return "/".join([base, *(quote(part, safe="") for part in parts)])


def _decode(body: bytes | None) -> Object | None:
    return None if body is None else json.loads(body)
