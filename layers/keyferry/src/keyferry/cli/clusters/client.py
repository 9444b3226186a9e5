"""Ask a cluster what a person may see there, and change what they name: of `orphans`, `doctor` and `migrate`.

Of Secrets only the metadata is ever asked for, but by `connect_secrets`, which is for the hand-over alone.
"""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from keyferry.cli.clusters.contexts import Context
from keyferry.cli.clusters.resource import SECRETS, Resource
from keyferry.deadline import Deadline
from keyferry.delivery.apply import Object
from keyferry.errors import ClusterUnavailable, Forbidden, Unauthorized
from keyferry.kinds import JSON_MERGE
from keyferry.kube import Connection, KubeClient
from keyferry.kube.client import JSON, METADATA_ONLY, PAGE_SIZE, parse_object
from keyferry.kube.transport import Request

_LIST_OF_METADATA = METADATA_ONLY.replace("PartialObjectMetadata", "PartialObjectMetadataList")
_AUTHORIZATION = "authorization.k8s.io/v1"


class OperatorClient:
    """A client for one cluster, with the rights of the person who runs the command. Threads may share it.

    Its methods raise KeyferryErrors, as `keyferry.kube.connection.Connection.send` says; `Forbidden` names the right
    that is missing.
    """

    def __init__(self, connection: Connection, context: Context, deadline: Deadline) -> None:
        """Use a connection until a deadline, after which no more requests are sent."""
        self._connection, self._deadline = connection, deadline
        self.context = context
        """The context that leads to the cluster."""

    @property
    def cluster(self) -> str:
        """The name of the cluster in clusters.yaml."""
        return self._connection.name

    def read_version(self) -> str:
        """Return the version of the API server, such as `v1.36.1`."""
        request = Request("GET", "/version", "get", "/version")
        return str((self._ask(request) or {}).get("gitVersion", ""))

    def find_served(self, resources: Iterable[Resource]) -> list[Resource]:
        """Return those of some kinds that the cluster has: every user may ask for that (`system:discovery`).

        Of a kind that it does not have, an API server says 403 to whoever may not list everything.
        """
        wanted = list(resources)
        plurals = {version: self._list_plurals(version) for version in {each.version for each in wanted}}
        return [each for each in wanted if each.plural in plurals[each.version]]

    def _list_plurals(self, version: str) -> set[str]:
        path = f"/apis/{version}" if "/" in version else f"/api/{version}"
        answer = self._ask(Request("GET", path, "get", path)) or {}
        return {str(each["name"]) for each in answer.get("resources") or ()}

    def list_metadata(self, resource: Resource, namespace: str | None = None, selector: str = "") -> Iterator[Object]:
        """Yield the objects of a kind with their metadata alone, page by page; none where the kind is not served.

        Args:
            resource: the kind.
            namespace: the namespace; None for all.
            selector: the labels to select by, as `labelSelector` has them; empty for all objects.
        """
        return self._list(resource, namespace, selector, _LIST_OF_METADATA)

    def list_objects(self, resource: Resource, namespace: str | None = None) -> Iterator[Object]:
        """Yield the whole objects of a kind, page by page; none where the kind is not served. It takes no Secrets."""
        if resource == SECRETS:
            raise ValueError("of Secrets, only the metadata is asked for")
        return self._list(resource, namespace, "", JSON)

    def read_object(self, resource: Resource, namespace: str | None, name: str) -> Object | None:
        """Return a whole object; None if it is missing. It takes no Secret."""
        if resource == SECRETS:
            raise ValueError("of Secrets, only the metadata is asked for")
        path = resource.build_path(namespace, name)
        return self._ask(Request("GET", path, "get", f"{resource.plural}/{name}", namespace))

    def read_metadata(self, resource: Resource, namespace: str | None, name: str) -> Object | None:
        """Return the metadata of an object; None if it is missing."""
        path = resource.build_path(namespace, name)
        request = Request("GET", path, "get", f"{resource.plural}/{name}", namespace, accept=METADATA_ONLY)
        return self._ask(request)

    def delete(self, resource: Resource, metadata: Mapping[str, str], *, dry_run: bool = False) -> None:
        """Delete an object if it still is as it was seen; it is no error if it is missing.

        Args:
            resource: its kind.
            metadata: its name, namespace, uid and resourceVersion.
            dry_run: whether the API server only says whether it would.

        Raises:
            Overtaken: it has changed since.
        """
        name, namespace = metadata["name"], metadata.get("namespace")
        seen = {key: metadata[key] for key in ("uid", "resourceVersion")}
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": seen}
        request = Request(
            "DELETE",
            resource.build_path(namespace, name),
            "delete",
            f"{resource.plural}/{name}",
            namespace,
            body=body | ({"dryRun": ["All"]} if dry_run else {}),
            content_type=JSON,
            accept=METADATA_ONLY,
        )
        self._ask(request)

    def patch(self, resource: Resource, metadata: Mapping[str, str], patch: Object, manager: str) -> Object | None:
        """Change an object by a JSON merge patch if it still is as it was seen; None if it is missing.

        Args:
            resource: its kind.
            metadata: its name, namespace, uid and resourceVersion.
            patch: what changes; a null removes a field.
            manager: the field manager that changes it.

        Raises:
            Overtaken: it has changed since.
        """
        name, namespace = metadata["name"], metadata.get("namespace")
        seen = {key: metadata[key] for key in ("uid", "resourceVersion")}
        request = Request(
            "PATCH",
            resource.build_path(namespace, name),
            "patch",
            f"{resource.plural}/{name}",
            namespace,
            query=(("fieldManager", manager),),
            body=patch | {"metadata": {**patch.get("metadata", {}), **seen}},
            content_type=JSON_MERGE,
        )
        return self._ask(request)

    def create(self, resource: Resource, body: Object, manager: str) -> None:
        """Create an object.

        Args:
            resource: its kind.
            body: the object, with its namespace and name.
            manager: the field manager that creates it.

        Raises:
            Overtaken: there is one of its name.
        """
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        request = Request(
            "POST",
            resource.build_path(namespace),
            "create",
            f"{resource.plural}/{name}",
            namespace,
            query=(("fieldManager", manager),),
            body=body,
            content_type=JSON,
        )
        self._ask(request)

    def connect_secrets(self) -> KubeClient:
        """Return a client for whole Secrets on the same connection, with the rights of the same person."""
        return _SecretsOfPerson(self._connection, self._deadline, self._name_person)

    def list_own_rules(self, namespace: str) -> Object:
        """Return what the person may do in a namespace: the status of a SelfSubjectRulesReview."""
        return self._review("SelfSubjectRulesReview", {"namespace": namespace})

    def may(self, attributes: Mapping[str, str], user: str | None = None, groups: Sequence[str] = ()) -> bool:
        """Return whether somebody may do something (SubjectAccessReview).

        Args:
            attributes: what, as `resourceAttributes` has it: verb, group, resource, namespace, name.
            user: who; None for the person who asks.
            groups: the user's groups.
        """
        spec: Object = {"resourceAttributes": dict(attributes)}
        if user is None:
            status = self._review("SelfSubjectAccessReview", spec)
        else:
            status = self._review("SubjectAccessReview", spec | {"user": user, "groups": list(groups)})
        return status.get("allowed") is True

    def _review(self, kind: str, spec: Object) -> Object:
        resource = Resource(kind, _AUTHORIZATION, f"{kind.lower()}s", is_namespaced=False)
        body = {"apiVersion": _AUTHORIZATION, "kind": kind, "spec": spec}
        request = Request("POST", resource.build_path(), "create", resource.plural, body=body, content_type=JSON)
        return dict((self._ask(request) or {}).get("status") or {})

    def _list(self, resource: Resource, namespace: str | None, selector: str, accept: str) -> Iterator[Object]:
        selected, token = (("labelSelector", selector),) if selector else (), ""
        while True:
            query = (*selected, ("limit", str(PAGE_SIZE)), *((("continue", token),) if token else ()))
            path = resource.build_path(namespace)
            request = Request("GET", path, "list", resource.full_name, namespace, query=query, accept=accept)
            page = self._ask(request) or {}
            yield from page.get("items") or ()
            token = (page.get("metadata") or {}).get("continue") or ""
            if not token:
                return

    def _ask(self, request: Request) -> Object | None:
        with self._name_person(request):
            return parse_object(self._connection.send(request, self._deadline), request)

    @contextmanager
    def _name_person(self, request: Request) -> Iterator[None]:
        """Let errors be about the rights of the person, and not about those that are generated for the pipeline."""
        where = f" in namespace {request.namespace}" if request.namespace else ""
        try:
            yield
        except Forbidden as error:
            if "by RBAC" not in str(error):  # an admission policy has refused it
                raise
            raise Forbidden(
                f"{self.context} may not {request.verb} {request.resource}{where} of cluster {self.cluster}: let"
                " somebody grant that"
            ) from None
        except Unauthorized:
            command = shlex.join(["kubectl", "--context", self.context.name, "auth", "whoami"])
            raise ClusterUnavailable(
                f"cluster {self.cluster} does not accept the sign-in of {self.context} (401): sign in to AWS anew, or"
                f" let an access entry of the cluster name you; try `{command}`"
            ) from None


class _SecretsOfPerson(KubeClient):
    """A client whose errors are about the rights of a person."""

    def __init__(
        self,
        connection: Connection,
        deadline: Deadline,
        name_person: Callable[[Request], AbstractContextManager[None]],
    ) -> None:
        """Use a connection until a deadline; `name_person` makes errors ones of the person."""
        super().__init__(connection, deadline)
        self._name_person = name_person

    def _send(self, request: Request) -> bytes | None:
        with self._name_person(request):
            return super()._send(request)
