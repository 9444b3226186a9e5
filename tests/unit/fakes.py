"""A cluster with memory, and processes that call it and can die or be overtaken at any call."""

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from keyferry.delivery.apply import Object
from keyferry.errors import NamespaceGone, Overtaken
from keyferry.mapping.mapping import Kind, Workload
from keyferry.mapping.targets import Selector
from tests.unit.fake_secret import FakeSecret, Fields, Owners, Path, data_of, encoded, fields_of

type Step = Callable[[int, str], None]
"""What happens beside a call: its number, and what it is."""


class Crash(BaseException):
    """The process died: nothing may catch this."""


def _nothing(_number: int, _what: str) -> None:
    """Nothing happens."""


@dataclass
class Calls:
    """What one process calls, in order; a test can step in before and after each call."""

    made: list[str] = field(default_factory=list)
    before: Step = _nothing
    after: Step = _nothing

    @contextmanager
    def call(self, what: str) -> Iterator[None]:
        """Surround one call."""
        number = len(self.made)
        self.made.append(what)
        self.before(number, what)
        yield
        self.after(number, what)

    def count(self, verb: str) -> int:
        """Return how many calls of a verb were made."""
        return sum(what.split()[0] == verb for what in self.made)

    @property
    def writes(self) -> list[str]:
        """The calls that may change something."""
        return [what for what in self.made if what.split()[0] in ("apply", "patch", "prune", "delete")]


def dying(number: int, when: str) -> Calls:
    """Return the calls of a process that dies `before` or `after` one of them, and calls nothing from then on."""
    dead = False

    def step(this: int, what: str) -> None:
        nonlocal dead
        dead = dead or this == number
        if dead:
            raise Crash(what)

    return Calls(before=step) if when == "before" else Calls(after=step)


class FakeCluster:
    """What a cluster remembers. Its methods are what people and other controllers do; deliveries use `client()`."""

    def __init__(self, *namespaces: str) -> None:
        self.namespaces: dict[str, Mapping[str, str]] = {name: {} for name in namespaces or ("payments",)}
        self.terminating: set[str] = set()
        self.secrets: dict[tuple[str, str], FakeSecret] = {}
        self.workloads: dict[tuple[str, str, str], Object] = {}
        self.history: list[str] = []
        """Writes of content and rollouts, in order: `write payments/db`, `rollout payments/Deployment/api`."""
        self.contents: list[dict[str, str]] = []
        """The data, as it is encoded, after each write of content."""
        self._numbers = itertools.count(100)

    def client(self, calls: Calls | None = None) -> "FakeClient":
        """Return the cluster as one process sees it."""
        return FakeClient(self, calls or Calls())

    # What deliveries do

    def apply(self, namespace: str, body: Object, manager: str, *, force: bool) -> Object:
        """Apply server-side."""
        if namespace not in self.namespaces or namespace in self.terminating:
            raise NamespaceGone(f"namespace {namespace} does not exist, or is being deleted")
        name = body["metadata"]["name"]
        found = self.secrets.get((namespace, name))
        if found is None:
            if "uid" in body["metadata"]:
                raise Overtaken(f"secrets/{name} in namespace {namespace} is no longer there")
            self._remember(namespace, name, {}, fields_of(body))
            found = self._add(namespace, name, body, (manager, "Apply"))
        else:
            fields, owners = found.applied(body, manager, force=force)
            self._remember(namespace, name, found.fields, fields)
            self._store(found, fields, owners)
        return found.as_object(name)

    def patch(self, workload: Workload, namespace: str, patch: Object) -> bool:
        """Patch the pod template's annotations, as a strategic merge patch does."""
        found = self.workloads.get((namespace, workload.kind, workload.name))
        if found is None:
            return False
        metadata = found["spec"].setdefault("template", {}).setdefault("metadata", {})
        stamped = metadata.get("annotations", {}) | patch["spec"]["template"]["metadata"]["annotations"]
        if stamped != metadata.get("annotations"):
            metadata["annotations"] = stamped
            self.history.append(f"rollout {namespace}/{workload.kind}/{workload.name}")
        return True

    def prune(self, namespace: str, patch: Object, manager: str) -> Object | None:
        """Patch a Secret by a merge patch: null removes a field."""
        name, metadata = patch["metadata"]["name"], patch["metadata"]
        found = self.secrets.get((namespace, name))
        if found is None:
            return None
        found.check_preconditions(metadata)
        parts = {
            "data": patch.get("data"),
            "annotations": metadata.get("annotations"),
            "labels": metadata.get("labels"),
        }
        changes: dict[Path, str | None] = {
            (part, key): value for part, pairs in parts.items() for key, value in (pairs or {}).items()
        }
        found.check({path: value for path, value in (found.fields | changes).items() if value is not None})
        old, owned = found.fields, bool(found.references) and "ownerReferences" in metadata
        self._update(found, changes, manager)
        if owned:
            found.references, found.version = [], next(self._numbers)
        self._remember(namespace, name, old, found.fields)
        return found.as_object(name)

    def remove(self, namespace: str, name: str, preconditions: Mapping[str, str]) -> None:
        """Delete a Secret that is as is said."""
        found = self.secrets.get((namespace, name))
        if found is not None:
            found.check_preconditions(preconditions)
            self.delete(namespace, name)
            self.history.append(f"delete {namespace}/{name}")

    # What people and others do

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

    def own(self, namespace: str, name: str, *owners: str) -> None:
        """Give a Secret ownerReferences, each as `ExternalSecret/db`."""
        found = self.secrets[namespace, name]
        found.references = [dict(zip(("kind", "name"), owner.split("/"), strict=True)) for owner in owners]
        found.version = next(self._numbers)

    def make_immutable(self, namespace: str, name: str) -> None:
        """Set `immutable: true`."""
        self._update(self.secrets[namespace, name], {("immutable",): "true"}, "kubectl-edit")

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

    def delete(self, namespace: str, name: str) -> None:
        """Delete a Secret; one that is missing is fine."""
        self.secrets.pop((namespace, name), None)

    def forget_owners(self, namespace: str, name: str) -> None:
        """Clear managedFields, as some backup tools do."""
        found = self.secrets[namespace, name]
        self._store(found, found.fields, {})

    def run(self, namespace: str, kind: Kind, raw: Object) -> None:
        """Create or replace a workload; another pod template, so one without its stamp, rolls out."""
        key = namespace, kind, raw["metadata"]["name"]
        if key in self.workloads and self.workloads[key]["spec"].get("template") != raw["spec"].get("template"):
            self.history.append(f"rollout {namespace}/{kind}/{key[2]}")
        self.workloads[key] = copy.deepcopy(raw)
        self.workloads[key]["metadata"]["namespace"] = namespace
        self.workloads[key]["metadata"]["namespace"] = namespace

    # What tests ask

    def data(self, namespace: str, name: str) -> dict[str, str]:
        """Return the data of a Secret, as it is encoded."""
        return self.secrets[namespace, name].part("data")

    def annotations(self, namespace: str, name: str) -> dict[str, str]:
        """Return the annotations of a Secret."""
        return self.secrets[namespace, name].part("annotations")

    def owners(self, namespace: str, name: str, key: str) -> set[str]:
        """Return who owns a key."""
        owners = self.secrets[namespace, name].owners
        return {manager for (manager, _), paths in owners.items() if ("data", key) in paths}

    def stamps(self, namespace: str, kind: Kind, name: str) -> dict[str, str]:
        """Return the annotations of a workload's pod template."""
        template = self.workloads[namespace, kind, name]["spec"].get("template", {})
        return dict(template.get("metadata", {}).get("annotations", {}))

    def versions(self) -> dict[tuple[str, str], int]:
        """Return the resourceVersion of every Secret."""
        return {key: found.version for key, found in self.secrets.items()}

    def _add(self, namespace: str, name: str, body: Object, owner: tuple[str, str]) -> FakeSecret:
        number, fields = next(self._numbers), fields_of(body)
        found = self.secrets[namespace, name] = FakeSecret(f"uid-{number}", number, fields, {owner: set(fields)})
        return found

    def _update(self, found: FakeSecret, changes: Mapping[Path, str | None], manager: str) -> None:
        changed = {path: value for path, value in changes.items() if found.fields.get(path) != value}
        fields = {path: value for path, value in (found.fields | changed).items() if value is not None}
        owners = {who: paths - changed.keys() for who, paths in found.owners.items()}
        owners[manager, "Update"] = owners.get((manager, "Update"), set()) | (changed.keys() & fields.keys())
        self._store(found, fields, {who: paths for who, paths in owners.items() if paths})

    def _store(self, found: FakeSecret, fields: Fields, owners: Owners) -> None:
        if (fields, owners) != (found.fields, found.owners):
            found.fields, found.owners, found.version = fields, owners, next(self._numbers)

    def _remember(self, namespace: str, name: str, old: Fields, new: Fields) -> None:
        due = ("annotations", "keyferry.dev/restart-due")
        if data_of(old) != data_of(new) or new.get(due) not in (None, old.get(due)):
            self.history.append(f"write {namespace}/{name}")
            self.contents.append({path[1]: value for path, value in data_of(new).items()})


class FakeClient:
    """One process's `ClusterClient` of a `FakeCluster`."""

    def __init__(self, cluster: FakeCluster, calls: Calls) -> None:
        self.cluster, self.calls = cluster, calls

    def read_secret(self, namespace: str, name: str) -> Object | None:
        with self.calls.call(f"read {namespace}/{name}"):
            found = self.cluster.secrets.get((namespace, name))
            return None if found is None else found.as_object(name)

    def read_secret_metadata(self, namespace: str, name: str) -> Object | None:
        with self.calls.call(f"metadata {namespace}/{name}"):
            found = self.cluster.secrets.get((namespace, name))
            return None if found is None else {"metadata": found.as_object(name)["metadata"]}

    def apply_secret(self, namespace: str, body: Object, manager: str, *, force: bool) -> Object:
        with self.calls.call(f"apply {namespace}/{body['metadata']['name']}"):
            return self.cluster.apply(namespace, body, manager, force=force)

    def patch_secret(self, namespace: str, patch: Object, manager: str) -> Object | None:
        with self.calls.call(f"prune {namespace}/{patch['metadata']['name']}"):
            return self.cluster.prune(namespace, patch, manager)

    def delete_secret(self, namespace: str, name: str, preconditions: Mapping[str, str]) -> None:
        with self.calls.call(f"delete {namespace}/{name}"):
            self.cluster.remove(namespace, name, preconditions)

    def list_workloads(self, kind: Kind, namespace: str | None) -> list[Object]:
        with self.calls.call(f"list {namespace}/{kind}"):
            return [
                copy.deepcopy(raw)
                for (where, what, _), raw in sorted(self.cluster.workloads.items())
                if what == kind and namespace in (None, where)
            ]

    def read_workload(self, workload: Workload, namespace: str) -> Object | None:
        with self.calls.call(f"get {namespace}/{workload.kind}/{workload.name}"):
            return copy.deepcopy(self.cluster.workloads.get((namespace, workload.kind, workload.name)))

    def patch_workload(self, workload: Workload, namespace: str, patch: Object, manager: str) -> bool:
        with self.calls.call(f"patch {namespace}/{workload.kind}/{workload.name} as {manager}"):
            return self.cluster.patch(workload, namespace, patch)

    def namespaces(self, selector: Selector) -> list[str]:
        with self.calls.call("namespaces"):
            return [
                name
                for name, labels in self.cluster.namespaces.items()
                if selector.matches(labels) and name not in self.cluster.terminating
            ]
