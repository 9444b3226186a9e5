"""A cluster in memory: for deliveries, and for what people and other controllers do to it meanwhile."""

import copy
import itertools
from collections.abc import Mapping

from keyferry.delivery.apply import Object
from keyferry.errors import NamespaceGone, Overtaken
from keyferry.kinds import DEFAULT_KINDS, KINDS, WorkloadKind
from keyferry.mapping.mapping import Workload
from keyferry.testing.calls import Calls
from keyferry.testing.client import FakeClient
from keyferry.testing.secret import FakeSecret, Fields, ManagedFields, Path, encode, parse_fields

_DUE: Path = ("annotations", "keyferry.dev/restart-due")


class FakeCluster:
    """The state of a cluster: namespaces, Secrets with the managers of their fields, and workloads.

    Deliveries use `client()`. The other methods do what people and other controllers do, or return the state to a test.
    """

    def __init__(self, *namespaces: str) -> None:
        """Create a cluster with empty namespaces; with the one namespace `payments` if none is given."""
        self.namespaces: dict[str, Mapping[str, str]] = {name: {} for name in namespaces or ("payments",)}
        """Name → labels."""
        self.terminating: set[str] = set()
        """Namespaces that are being deleted: no object can be created in them."""
        self.kinds: set[WorkloadKind] = set(DEFAULT_KINDS)
        """The kinds of workloads that the cluster has."""
        self.secrets: dict[tuple[str, str], FakeSecret] = {}
        """(namespace, name) → Secret."""
        self.workloads: dict[tuple[str, str, str], Object] = {}
        """(namespace, kind, name) → workload."""
        self.history: list[str] = []
        """All writes of content, deletions and rollouts: `write payments/db`, `rollout payments/Deployment/api`."""
        self.contents: list[dict[str, str]] = []
        """The data, in base64, after each write of content."""
        self._numbers = itertools.count(100)

    def client(self, calls: Calls | None = None) -> FakeClient:
        """Return a client for one process. It records its calls in `calls`."""
        return FakeClient(self, calls or Calls())

    # What people and other controllers do

    def create(
        self,
        namespace: str,
        name: str,
        data: Mapping[str, str],
        *,
        manager: str = "helm",
        secret_type: str = "Opaque",  # noqa: S107  # no password
        **metadata: Object,
    ) -> None:
        """Create a Secret in the name of another manager, with `annotations` or `labels`."""
        body = {"metadata": metadata, "type": secret_type, "data": {key: encode(text) for key, text in data.items()}}
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
        """Change fields as `kubectl edit` does. None removes a field. The manager of a changed field owns it alone."""
        encoded = {key: None if text is None else encode(text) for key, text in (data or {}).items()}
        parts = {"data": encoded, "annotations": annotations or {}, "labels": labels or {}}
        self._update(
            self.secrets[namespace, name],
            {(part, key): value for part, pairs in parts.items() for key, value in pairs.items()},
            manager,
        )

    def delete(self, namespace: str, name: str) -> None:
        """Delete a Secret; it is no error if it is missing."""
        self.secrets.pop((namespace, name), None)

    def set_owner_references(self, namespace: str, name: str, *owners: str) -> None:
        """Set the ownerReferences of a Secret, given as kind and name: `ExternalSecret/db`."""
        secret = self.secrets[namespace, name]
        secret.owner_references = [dict(zip(("kind", "name"), owner.split("/"), strict=True)) for owner in owners]
        secret.version = next(self._numbers)

    def make_immutable(self, namespace: str, name: str) -> None:
        """Set `immutable: true` on a Secret."""
        self._update(self.secrets[namespace, name], {("immutable",): "true"}, "kubectl-edit")

    def clear_managed_fields(self, namespace: str, name: str) -> None:
        """Remove the managedFields of a Secret, as some backup tools do."""
        secret = self.secrets[namespace, name]
        self._store(secret, secret.fields, {})

    def run(self, namespace: str, kind: str, raw: Object) -> None:
        """Create or replace a workload; it rolls out if its pod template changes. An unknown kind is a ValueError."""
        if kind not in KINDS:
            raise ValueError(f"no kind of workload is called {kind}; there is {', '.join(KINDS)}")
        self.kinds.add(KINDS[kind])
        key = namespace, kind, raw["metadata"]["name"]
        if key in self.workloads and self.workloads[key]["spec"].get("template") != raw["spec"].get("template"):
            self.history.append(f"rollout {namespace}/{kind}/{key[2]}")
        self.workloads[key] = copy.deepcopy(raw)
        self.workloads[key]["metadata"]["namespace"] = namespace

    # What a test asks for

    def data(self, namespace: str, name: str) -> dict[str, str]:
        """Return the data of a Secret, in base64."""
        return self.secrets[namespace, name].select_part("data")

    def annotations(self, namespace: str, name: str) -> dict[str, str]:
        """Return the annotations of a Secret."""
        return self.secrets[namespace, name].select_part("annotations")

    def managers(self, namespace: str, name: str, key: str) -> set[str]:
        """Return the field managers that own a key of a Secret's data."""
        managed_fields = self.secrets[namespace, name].managed_fields
        return {manager for (manager, _), paths in managed_fields.items() if ("data", key) in paths}

    def stamps(self, namespace: str, kind: str, name: str) -> dict[str, str]:
        """Return all annotations of a workload's pod template, the stamps among them."""
        template = self.workloads[namespace, kind, name]["spec"].get("template", {})
        return dict(template.get("metadata", {}).get("annotations", {}))

    def versions(self) -> dict[tuple[str, str], int]:
        """Return the resourceVersion of every Secret."""
        return {key: secret.version for key, secret in self.secrets.items()}

    # What the API server does with the requests of deliveries

    def apply_secret(self, namespace: str, body: Object, manager: str, *, force: bool) -> Object:
        """Apply a Secret server-side and return the new state of it.

        Raises:
            NamespaceGone: the namespace does not exist, or is being deleted.
            Conflict: another manager owns a field with another value, and `force` is false.
            Overtaken: the Secret does not have the resourceVersion of the body, or no longer exists.
            Refused: the uid of the body is another one, or the change is not allowed.
        """
        self.check_namespace(namespace)
        name = body["metadata"]["name"]
        secret = self.secrets.get((namespace, name))
        if secret is None:
            if "uid" in body["metadata"]:
                raise Overtaken(f"secrets/{name} in namespace {namespace} is no longer there")
            self._record_write(namespace, name, {}, parse_fields(body))
            return self._add(namespace, name, body, (manager, "Apply")).as_object(name)
        fields, managed_fields = secret.compute_apply(body, manager, force=force)
        self._record_write(namespace, name, secret.fields, fields)
        self._store(secret, fields, managed_fields)
        return secret.as_object(name)

    def check_namespace(self, name: str) -> None:
        """Raise NamespaceGone if a namespace does not exist, or is being deleted."""
        if name not in self.namespaces or name in self.terminating:
            raise NamespaceGone(f"namespace {name} does not exist, or is being deleted")

    def patch_secret(self, namespace: str, patch: Object, manager: str) -> Object | None:
        """Apply a JSON merge patch to a Secret and return the new state of it; None if it is missing.

        Raises:
            Overtaken: the Secret does not have the resourceVersion of the patch.
            Refused: the uid of the patch is another one, or the change is not allowed.
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
        secret.check_change({path: value for path, value in (secret.fields | changes).items() if value is not None})
        old_fields = secret.fields
        clears_owners = bool(secret.owner_references) and "ownerReferences" in metadata
        self._update(secret, changes, manager)
        if clears_owners:
            secret.owner_references, secret.version = [], next(self._numbers)
        self._record_write(namespace, name, old_fields, secret.fields)
        return secret.as_object(name)

    def delete_secret(self, namespace: str, name: str, preconditions: Mapping[str, str]) -> None:
        """Delete a Secret; one that is missing is fine.

        Raises:
            Overtaken: the Secret does not have the resourceVersion of the preconditions.
            Refused: it does not have their uid.
        """
        secret = self.secrets.get((namespace, name))
        if secret is not None:
            secret.check_preconditions(preconditions)
            self.delete(namespace, name)
            self.history.append(f"delete {namespace}/{name}")

    def patch_workload(self, workload: Workload, namespace: str, patch: Object) -> bool:
        """Change annotations of a pod template by a strategic merge patch, and return whether the workload exists."""
        raw = self.workloads.get((namespace, workload.kind.name, workload.name))
        if raw is None:
            return False
        metadata = raw["spec"].setdefault("template", {}).setdefault("metadata", {})
        changes = patch["spec"]["template"]["metadata"]["annotations"]
        merged = metadata.get("annotations", {}) | changes
        annotations = {key: value for key, value in merged.items() if value is not None}
        if annotations != metadata.get("annotations"):
            metadata["annotations"] = annotations
            self.history.append(f"rollout {namespace}/{workload}")
        return True

    def _add(self, namespace: str, name: str, body: Object, entry: tuple[str, str]) -> FakeSecret:
        number, given = next(self._numbers), parse_fields(body)
        fields = {("type",): "Opaque"} | given  # nobody owns a field that the API server fills in
        secret = self.secrets[namespace, name] = FakeSecret(f"uid-{number}", number, fields, {entry: set(given)})
        return secret

    def _update(self, secret: FakeSecret, changes: Mapping[Path, str | None], manager: str) -> None:
        changed = {path: value for path, value in changes.items() if secret.fields.get(path) != value}
        fields = {path: value for path, value in (secret.fields | changed).items() if value is not None}
        managed_fields = {entry: paths - changed.keys() for entry, paths in secret.managed_fields.items()}
        updater = (manager, "Update")
        managed_fields[updater] = managed_fields.get(updater, set()) | (changed.keys() & fields.keys())
        self._store(secret, fields, {entry: paths for entry, paths in managed_fields.items() if paths})

    def _store(self, secret: FakeSecret, fields: Fields, managed_fields: ManagedFields) -> None:
        if (fields, managed_fields) != (secret.fields, secret.managed_fields):
            secret.fields, secret.managed_fields, secret.version = fields, managed_fields, next(self._numbers)

    def _record_write(self, namespace: str, name: str, old: Fields, new: Fields) -> None:
        """Add a write to the history if it changes the content: other data, or a new `restart-due`."""
        before, after = (
            {path[1]: value for path, value in fields.items() if path[0] == "data"} for fields in (old, new)
        )
        if before != after or new.get(_DUE) not in (None, old.get(_DUE)):
            self.history.append(f"write {namespace}/{name}")
            self.contents.append(after)
