"""A cluster with memory, for deliveries, and for what people and other controllers do to it meanwhile."""

import copy
import itertools
from collections.abc import Mapping

from keyferry.delivery.apply import Object
from keyferry.errors import NamespaceGone, Overtaken
from keyferry.kinds import WorkloadKind
from keyferry.mapping.mapping import Workload
from keyferry.mapping.targets import Selector
from keyferry.testing.calls import Calls
from keyferry.testing.secret import FakeSecret, Fields, Owners, Path, encoded, fields_of

_DUE: Path = ("annotations", "keyferry.dev/restart-due")


class FakeCluster:
    """What a cluster remembers: namespaces, Secrets with the owners of their fields, and workloads.

    Deliveries use `client()`. The methods here are what people and other controllers do, and what a test asks.
    """

    def __init__(self, *namespaces: str) -> None:
        """Begin with some namespaces, `payments` where none is named, and nothing in them."""
        self.namespaces: dict[str, Mapping[str, str]] = {name: {} for name in namespaces or ("payments",)}
        """Name → labels."""
        self.terminating: set[str] = set()
        """Namespaces that are being deleted: they take nothing new."""
        self.secrets: dict[tuple[str, str], FakeSecret] = {}
        """(namespace, name) → Secret."""
        self.workloads: dict[tuple[str, str, str], Object] = {}
        """(namespace, kind, name) → workload."""
        self.history: list[str] = []
        """Writes of content, deletions, rollouts, in order: `write payments/db`, `rollout payments/Deployment/api`."""
        self.contents: list[dict[str, str]] = []
        """The data, as it is encoded, after each write of content."""
        self._numbers = itertools.count(100)

    def client(self, calls: Calls | None = None) -> "FakeClient":
        """Return the cluster as one process sees it, which records its calls."""
        return FakeClient(self, calls or Calls())

    # What people and others do

    def create(
        self,
        namespace: str,
        name: str,
        data: Mapping[str, str],
        *,
        manager: str = "helm",
        of: str = "Opaque",
        **metadata: Object,
    ) -> None:
        """Create a Secret of some type as somebody else does, with annotations or labels."""
        body = {"metadata": metadata, "type": of, "data": {key: encoded(text) for key, text in data.items()}}
        self._add(namespace, name, body, (manager, "Update"))

    def edit(
        self,
        namespace: str,
        name: str,
        *,
        data: Mapping[str, str | None] | None = None,
        annotations: Mapping[str, str | None] | None = None,
        labels: Mapping[str, str | None] | None = None,
        manager: str = "kubectl-edit",
    ) -> None:
        """Change fields as `kubectl edit` does; None removes one. Who changes a field owns it, alone."""
        encodings = {key: None if text is None else encoded(text) for key, text in (data or {}).items()}
        parts = {"data": encodings, "annotations": annotations or {}, "labels": labels or {}}
        self._update(
            self.secrets[namespace, name],
            {(part, key): value for part, pairs in parts.items() for key, value in pairs.items()},
            manager,
        )

    def delete(self, namespace: str, name: str) -> None:
        """Delete a Secret; one that is missing is fine."""
        self.secrets.pop((namespace, name), None)

    def own(self, namespace: str, name: str, *owners: str) -> None:
        """Give a Secret ownerReferences, each as `ExternalSecret/db`."""
        secret = self.secrets[namespace, name]
        secret.references = [dict(zip(("kind", "name"), owner.split("/"), strict=True)) for owner in owners]
        secret.version = next(self._numbers)

    def make_immutable(self, namespace: str, name: str) -> None:
        """Set `immutable: true`."""
        self._update(self.secrets[namespace, name], {("immutable",): "true"}, "kubectl-edit")

    def forget_owners(self, namespace: str, name: str) -> None:
        """Clear managedFields, as some backup tools do."""
        secret = self.secrets[namespace, name]
        self._store(secret, secret.fields, {})

    def run(self, namespace: str, kind: str, raw: Object) -> None:
        """Create or replace a workload; another pod template, so one without its stamp, rolls out."""
        key = namespace, kind, raw["metadata"]["name"]
        if key in self.workloads and self.workloads[key]["spec"].get("template") != raw["spec"].get("template"):
            self.history.append(f"rollout {namespace}/{kind}/{key[2]}")
        self.workloads[key] = copy.deepcopy(raw)
        self.workloads[key]["metadata"]["namespace"] = namespace

    # What a test asks

    def data(self, namespace: str, name: str) -> dict[str, str]:
        """Return the data of a Secret, as it is encoded."""
        return self.secrets[namespace, name].part("data")

    def annotations(self, namespace: str, name: str) -> dict[str, str]:
        """Return the annotations of a Secret."""
        return self.secrets[namespace, name].part("annotations")

    def owners(self, namespace: str, name: str, key: str) -> set[str]:
        """Return the field managers that own a key of a Secret's data."""
        owners = self.secrets[namespace, name].owners
        return {manager for (manager, _), paths in owners.items() if ("data", key) in paths}

    def stamps(self, namespace: str, kind: str, name: str) -> dict[str, str]:
        """Return the annotations of a workload's pod template."""
        template = self.workloads[namespace, kind, name]["spec"].get("template", {})
        return dict(template.get("metadata", {}).get("annotations", {}))

    def versions(self) -> dict[tuple[str, str], int]:
        """Return the resourceVersion of every Secret."""
        return {key: secret.version for key, secret in self.secrets.items()}

    # What the API server does with the requests of deliveries

    def apply_secret(self, namespace: str, body: Object, manager: str, *, force: bool) -> Object:
        """Apply a Secret server-side, and return it as it then is.

        Raises:
            NamespaceGone: there is no such namespace, or it is being deleted.
            Conflict: a field belongs to another manager, and nothing is forced.
            Overtaken: the Secret is not, or no longer, the one that the body's uid and resourceVersion mean.
            Refused: a type or an immutable Secret cannot change so.
        """
        if namespace not in self.namespaces or namespace in self.terminating:
            raise NamespaceGone(f"namespace {namespace} does not exist, or is being deleted")
        name = body["metadata"]["name"]
        secret = self.secrets.get((namespace, name))
        if secret is None:
            if "uid" in body["metadata"]:
                raise Overtaken(f"secrets/{name} in namespace {namespace} is no longer there")
            self._note(namespace, name, {}, fields_of(body))
            return self._add(namespace, name, body, (manager, "Apply")).as_object(name)
        fields, owners = secret.applied(body, manager, force=force)
        self._note(namespace, name, secret.fields, fields)
        self._store(secret, fields, owners)
        return secret.as_object(name)

    def patch_secret(self, namespace: str, patch: Object, manager: str) -> Object | None:
        """Patch a Secret by a merge patch, null removing a field; return it as it then is, None where it is missing.

        Raises:
            Overtaken: the Secret is no longer the one that the patch means.
            Refused: a type or an immutable Secret cannot change so.
        """
        name, metadata = patch["metadata"]["name"], patch["metadata"]
        secret = self.secrets.get((namespace, name))
        if secret is None:
            return None
        secret.check_preconditions(metadata)
        parts = {"data": patch.get("data"), **{part: metadata.get(part) for part in ("annotations", "labels")}}
        changes: dict[Path, str | None] = {
            (part, key): value for part, pairs in parts.items() for key, value in (pairs or {}).items()
        }
        secret.check({path: value for path, value in (secret.fields | changes).items() if value is not None})
        old, owned = secret.fields, bool(secret.references) and "ownerReferences" in metadata
        self._update(secret, changes, manager)
        if owned:
            secret.references, secret.version = [], next(self._numbers)
        self._note(namespace, name, old, secret.fields)
        return secret.as_object(name)

    def delete_secret(self, namespace: str, name: str, preconditions: Mapping[str, str]) -> None:
        """Delete a Secret; one that is missing is fine.

        Raises:
            Overtaken: it is no longer the one that the preconditions mean.
        """
        secret = self.secrets.get((namespace, name))
        if secret is not None:
            secret.check_preconditions(preconditions)
            self.delete(namespace, name)
            self.history.append(f"delete {namespace}/{name}")

    def patch_workload(self, workload: Workload, namespace: str, patch: Object) -> bool:
        """Patch the pod template's annotations by a strategic merge patch, and return whether the workload is there."""
        raw = self.workloads.get((namespace, workload.kind.name, workload.name))
        if raw is None:
            return False
        metadata = raw["spec"].setdefault("template", {}).setdefault("metadata", {})
        stamped = metadata.get("annotations", {}) | patch["spec"]["template"]["metadata"]["annotations"]
        if stamped != metadata.get("annotations"):
            metadata["annotations"] = stamped
            self.history.append(f"rollout {namespace}/{workload.kind}/{workload.name}")
        return True

    def _add(self, namespace: str, name: str, body: Object, owner: tuple[str, str]) -> FakeSecret:
        number, fields = next(self._numbers), fields_of(body)
        whole = {("type",): "Opaque"} | fields  # what the API server fills in is nobody's
        secret = self.secrets[namespace, name] = FakeSecret(f"uid-{number}", number, whole, {owner: set(fields)})
        return secret

    def _update(self, secret: FakeSecret, changes: Mapping[Path, str | None], manager: str) -> None:
        changed = {path: value for path, value in changes.items() if secret.fields.get(path) != value}
        fields = {path: value for path, value in (secret.fields | changed).items() if value is not None}
        owners = {who: paths - changed.keys() for who, paths in secret.owners.items()}
        owners[manager, "Update"] = owners.get((manager, "Update"), set()) | (changed.keys() & fields.keys())
        self._store(secret, fields, {who: paths for who, paths in owners.items() if paths})

    def _store(self, secret: FakeSecret, fields: Fields, owners: Owners) -> None:
        if (fields, owners) != (secret.fields, secret.owners):
            secret.fields, secret.owners, secret.version = fields, owners, next(self._numbers)

    def _note(self, namespace: str, name: str, old: Fields, new: Fields) -> None:
        """Note a write of content: another data, or a new mark of due restarts."""
        before, after = ({path[1]: value for path, value in each.items() if path[0] == "data"} for each in (old, new))
        if before != after or new.get(_DUE) not in (None, old.get(_DUE)):
            self.history.append(f"write {namespace}/{name}")
            self.contents.append(after)


class FakeClient:
    """One process's `ClusterClient` of a `FakeCluster`: each request is a call, under its verb and object."""

    def __init__(self, cluster: FakeCluster, calls: Calls) -> None:
        """Keep the cluster, and where the calls are recorded."""
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

    def list_workloads(self, kind: WorkloadKind, namespace: str | None) -> list[Object]:
        """List the workloads of a kind: `list payments/Deployment`, `list None/Deployment` for all namespaces."""
        with self.calls.call(f"list {namespace}/{kind}"):
            return [
                copy.deepcopy(raw)
                for (where, what, _), raw in sorted(self.cluster.workloads.items())
                if what == kind.name and namespace in (None, where)
            ]

    def read_workload(self, workload: Workload, namespace: str) -> Object | None:
        """Return a workload: `get payments/Deployment/api`."""
        with self.calls.call(f"get {namespace}/{workload.kind}/{workload.name}"):
            return copy.deepcopy(self.cluster.workloads.get((namespace, workload.kind.name, workload.name)))

    def patch_workload(self, workload: Workload, namespace: str, patch: Object, manager: str) -> bool:
        """Patch a workload: `patch payments/Deployment/api as keyferry-payments-db`."""
        with self.calls.call(f"patch {namespace}/{workload.kind}/{workload.name} as {manager}"):
            return self.cluster.patch_workload(workload, namespace, patch)

    def list_namespaces(self, selector: Selector) -> list[str]:
        """Return the namespaces that a selector chooses: `namespaces`."""
        with self.calls.call("namespaces"):
            return [
                name
                for name, labels in self.cluster.namespaces.items()
                if selector.matches(labels) and name not in self.cluster.terminating
            ]
