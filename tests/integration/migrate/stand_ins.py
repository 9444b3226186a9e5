"""What External Secrets' operator and the CSI driver do to Secrets: small stand-ins for them, on a real API server.

They do what the originals' sources do to a Secret and to its owner, request for request as far as others can see it:
of the operator `Reconcile`, `applyOwnership`, `updateSecret` and `cleanupManagedSecrets`
(pkg/controllers/externalsecret/externalsecret_controller.go), of the driver `Patcher`, `patchSecretWithOwnerRef` and
`createOrUpdateK8sSecret` (controllers/secretproviderclasspodstatus_controller.go). The garbage collector is the
cluster's own.
"""

import base64
import hashlib
import json
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from keyferry_local.admin import Admin, Object, Refused
from keyferry_local.watch import until

OPERATOR, DRIVER = "external-secrets.io", "secrets-store.csi.x-k8s.io"
MARK, HASH, CREATED_BY = (f"reconcile.{OPERATOR}/{name}" for name in ("managed", "data-hash", "created-by"))
MANAGED = "secrets-store.csi.k8s.io/managed"
FINALIZER = f"externalsecrets.{OPERATOR}/externalsecret-cleanup"
_MERGE, _JSON = "application/merge-patch+json", "application/json"
_KINDS = (
    ("ExternalSecret", OPERATOR, "externalsecrets", ("v1", "v1beta1")),
    ("ClusterExternalSecret", OPERATOR, "clusterexternalsecrets", ("v1", "v1beta1")),
    ("SecretProviderClass", DRIVER, "secretproviderclasses", ("v1",)),
    ("SecretProviderClassPodStatus", DRIVER, "secretproviderclasspodstatuses", ("v1",)),
)

type Content = Callable[[Object], dict[str, str]]
"""Returns what AWS has for an original now: key → value."""


def install_kinds(admin: Admin) -> None:
    """Install the custom kinds, with the versions that are served; their schemas take anything."""
    admin.apply(*(_definition(*kind) for kind in _KINDS))
    paths = [f"/apis/{group}/{version}/{plural}" for _, group, plural, versions in _KINDS for version in versions]
    until("the originals' kinds served", lambda: all(map(admin.answers, paths)))


def remove_kinds(admin: Admin) -> None:
    """Take the custom kinds away again, with all objects of them, which no operator lets go of any more."""
    for each in admin.send("GET", f"/apis/{OPERATOR}/v1/externalsecrets")["items"]:
        Operator(admin, each["metadata"]["namespace"], lambda _: {}).let_go(each)
    names = [f"{plural}.{group}" for _, group, plural, _ in _KINDS]
    for name in names:
        admin.delete("CustomResourceDefinition", name)
    until("the originals' kinds gone", lambda: not any(admin.get("CustomResourceDefinition", name) for name in names))


def _definition(kind: str, group: str, plural: str, versions: tuple[str, ...]) -> Object:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Cluster" if kind.startswith("Cluster") else "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": version == "v1",
                    "schema": schema,
                    "subresources": {"status": {}} if kind == "ExternalSecret" else {},
                }
                for version in versions
            ],
        },
    }


class Cluster:
    """The requests of a controller in one namespace, which fail as they do for any other."""

    def __init__(self, admin: Admin, namespace: str) -> None:
        self.admin, self.namespace = admin, namespace

    def path(self, plural: str, name: str = "") -> str:
        group = "api/v1" if plural in ("secrets", "pods") else f"apis/{_group_of(plural)}/v1"
        return f"/{group}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def list(self, plural: str) -> list[Object]:
        return list(self.admin.send("GET", self.path(plural))["items"])

    def get(self, plural: str, name: str) -> Object | None:
        try:
            return self.admin.send("GET", self.path(plural, name))
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def create(self, plural: str, body: Object, manager: str) -> Object:
        return self.admin.send("POST", f"{self.path(plural)}?fieldManager={manager}", body, _JSON)

    def update(self, plural: str, body: Object, manager: str, part: str = "") -> Object:
        path = self.path(plural, body["metadata"]["name"]) + part
        return self.admin.send("PUT", f"{path}?fieldManager={manager}", body, _JSON)

    def patch(self, plural: str, name: str, patch: Object, manager: str) -> Object:
        return self.admin.send("PATCH", f"{self.path(plural, name)}?fieldManager={manager}", patch, _MERGE)

    def delete(self, plural: str, name: str) -> None:
        try:
            self.admin.send("DELETE", self.path(plural, name))
        except Refused as error:
            if error.status != 404:
                raise


def _group_of(plural: str) -> str:
    return next(group for _, group, known, _ in _KINDS if known == plural)


@contextmanager
def running(step: Callable[[], None], seconds: float) -> Iterator[None]:
    """Run a controller's step again and again in a thread. A conflict is for its next turn, as for the original."""
    ended, broken = threading.Event(), list[str]()

    def run() -> None:
        while not ended.wait(seconds):
            try:
                step()
            except Refused as error:
                if error.status not in (404, 409):
                    broken.append(traceback.format_exc())
            except Exception:
                broken.append(traceback.format_exc())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert not broken, broken[0]


class Operator:
    """External Secrets' operator, for the ExternalSecrets of one namespace."""

    def __init__(self, admin: Admin, namespace: str, content: Content) -> None:
        self.cluster, self.content = Cluster(admin, namespace), content
        self.drops_owners = True
        """Whether it takes its ownerReference away when it no longer is the owner; old releases do not."""

    def reconcile_all(self) -> None:
        for each in self.cluster.list("externalsecrets"):
            self.reconcile(each)

    def reconcile(self, made: Object) -> None:
        metadata, target = made["metadata"], made["spec"].get("target") or {}
        name = target.get("name") or metadata["name"]
        if "deletionTimestamp" in metadata:
            self._clean_up(made, name)
            return
        if FINALIZER not in metadata.get("finalizers", ()):
            finalizers = [*metadata.get("finalizers", ()), FINALIZER]
            self._patch(made, {"metadata": {"finalizers": finalizers}})
            return
        secret = self.cluster.get("secrets", name)
        if secret and (secret["metadata"].get("labels") or {}).get(MARK) != "true":
            self.cluster.patch("secrets", name, {"metadata": {"labels": {MARK: "true"}}}, field_manager(made))
            return
        if not self._should_refresh(made) and self._is_valid(secret, made):
            return
        self._write(made, name, secret)
        self._mark_synced(made)

    def _should_refresh(self, made: Object) -> bool:
        synced = (made.get("status") or {}).get("syncedResourceVersion", "")
        if made["spec"].get("refreshPolicy") == "CreatedOnce" or made["spec"].get("refreshInterval") == "0":
            return not synced
        return bool(synced != version_of(made))

    def _is_valid(self, secret: Object | None, made: Object) -> bool:
        if (made["spec"].get("target") or {}).get("creationPolicy") == "Orphan":
            return True
        held = (secret or {"metadata": {}})["metadata"].get("annotations") or {}
        return secret is not None and held.get(HASH) == digest(secret.get("data") or {})

    def _write(self, made: Object, name: str, secret: Object | None) -> None:
        policy = (made["spec"].get("target") or {}).get("creationPolicy") or "Owner"
        if policy == "Merge" and secret is None:
            return
        before: Object = secret or {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque"}
        after, metadata = deepcopy(before), made["metadata"]
        own = after["metadata"]
        labels, annotations = dict(own.get("labels") or {}), dict(own.get("annotations") or {})
        labels |= metadata.get("labels") or {}
        annotations |= metadata.get("annotations") or {}
        kept = dict(before.get("data") or {}) if policy == "Merge" else {}
        for key, text in self.content(made).items():
            kept[key] = base64.b64encode(text.encode()).decode()
        after["data"] = kept
        self._set_owner(made, own, policy)
        labels |= {MARK: "true"}
        labels.pop(CREATED_BY, None)
        labels |= {CREATED_BY: digest({metadata["name"]: ""})[:32]} if policy == "Owner" else {}
        own |= {"labels": labels, "annotations": annotations | {HASH: digest(after["data"])}}
        if after != before:
            write = self.cluster.update if secret else self.cluster.create
            write("secrets", after, field_manager(made))

    def _set_owner(self, made: Object, own: Object, policy: str) -> None:
        references = own.get("ownerReferences") or []
        others = [each for each in references if each["uid"] != made["metadata"]["uid"]]
        assert not [each for each in others if each["kind"] == "ExternalSecret"], "owned by another ExternalSecret"
        mine: Object = {"apiVersion": f"{OPERATOR}/v1", "kind": "ExternalSecret", "controller": True}
        mine |= {"blockOwnerDeletion": True, **{key: made["metadata"][key] for key in ("name", "uid")}}
        if policy == "Owner":
            own["ownerReferences"] = [*others, mine]
        elif self.drops_owners and others != references:
            own["ownerReferences"] = others

    def _mark_synced(self, made: Object) -> None:
        status = {"syncedResourceVersion": version_of(made), "conditions": [{"type": "Ready", "status": "True"}]}
        self.cluster.update("externalsecrets", made | {"status": status}, "external-secrets", "/status")

    def _clean_up(self, made: Object, name: str) -> None:
        if (made["spec"].get("target") or {}).get("deletionPolicy") == "Delete":
            secret = self.cluster.get("secrets", name)
            owners = secret["metadata"].get("ownerReferences", ()) if secret else ()
            if any(each["uid"] == made["metadata"]["uid"] for each in owners):
                self.cluster.delete("secrets", name)
        self.let_go(made)

    def let_go(self, made: Object) -> None:
        """Take the finalizer away, without which an ExternalSecret that was deleted is gone."""
        left = [each for each in made["metadata"].get("finalizers", ()) if each != FINALIZER]
        self._patch(made, {"metadata": {"finalizers": left}})

    def _patch(self, made: Object, patch: Object) -> None:
        self.cluster.patch("externalsecrets", made["metadata"]["name"], patch, "external-secrets")


def field_manager(made: Object) -> str:
    """Return the name under which the operator writes the Secret of an ExternalSecret."""
    return f"externalsecrets.{OPERATOR}/{made['metadata']['name']}"


def version_of(made: Object) -> str:
    """Return what the operator notes as synced: the generation, and a digest of labels and annotations."""
    metadata = made["metadata"]
    return f"{metadata['generation']}-{digest([metadata.get('labels'), metadata.get('annotations')])[:8]}"


def digest(value: Any) -> str:  # noqa: ANN401  # JSON
    """Return a digest."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


class Driver:
    """The CSI driver on a node that has all pods of one namespace."""

    def __init__(self, admin: Admin, namespace: str, content: Content) -> None:
        self.cluster, self.content = Cluster(admin, namespace), content

    def mount(self, pod: str, name: str) -> None:
        """Let a pod mount a class: its files are there, and a status of it."""
        body: Object = {
            "apiVersion": f"{DRIVER}/v1",
            "kind": "SecretProviderClassPodStatus",
            "metadata": {"name": f"{pod}-{self.cluster.namespace}-{name}", "namespace": self.cluster.namespace},
            "status": {"podName": pod, "secretProviderClassName": name, "mounted": True},
        }
        self.cluster.create("secretproviderclasspodstatuses", body, "secrets-store-csi")
        self.write_secrets(name)

    def write_secrets(self, name: str) -> None:
        """Write the Secrets of a class, whole, as at a mount and at a rotation: what others have written is lost."""
        made = self.cluster.get("secretproviderclasses", name)
        assert made is not None
        for each in made["spec"].get("secretObjects") or ():
            held = {key: base64.b64encode(text.encode()).decode() for key, text in self.content(made).items()}
            metadata: Object = {"name": each["secretName"], "namespace": self.cluster.namespace}
            metadata |= {"labels": {**each.get("labels", {}), MANAGED: "true"}}
            body: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": each["type"]}
            body |= {"data": {entry["key"]: held[entry["objectName"]] for entry in each["data"]}}
            is_there = self.cluster.get("secrets", each["secretName"])
            (self.cluster.update if is_there else self.cluster.create)("secrets", body, "secrets-store-csi")

    def patch_owners(self) -> None:
        """Add the owners of all pods that mount a class to the Secrets of it: what it does every five seconds."""
        owners: dict[str, list[Object]] = {}
        for status in self.cluster.list("secretproviderclasspodstatuses"):
            made = self.cluster.get("secretproviderclasses", status["status"]["secretProviderClassName"])
            pod = self.cluster.get("pods", status["status"]["podName"])
            if made is None or pod is None:
                return
            names = ("apiVersion", "kind", "name", "uid")
            found = [{key: each[key] for key in names} for each in pod["metadata"].get("ownerReferences", ())]
            own = {**{key: status[key] for key in names[:2]}, **{key: status["metadata"][key] for key in names[2:]}}
            for each in made["spec"].get("secretObjects") or ():
                owners.setdefault(each["secretName"], []).extend(found or [own])
        for name, wanted in owners.items():
            self._patch_owner(name, wanted)

    def _patch_owner(self, name: str, wanted: list[Object]) -> None:
        secret = self.cluster.get("secrets", name)
        if secret is None or (secret["metadata"].get("labels") or {}).get(MANAGED) != "true":
            return  # its cache has Secrets with the label alone
        known = secret["metadata"].get("ownerReferences") or []
        names = {each["name"] for each in known}
        added = {each["name"]: each for each in wanted if each["name"] not in names}
        if added:
            seen: Mapping[str, str] = {"resourceVersion": secret["metadata"]["resourceVersion"]}
            patch = {"metadata": {**seen, "ownerReferences": [*known, *added.values()]}}
            self.cluster.patch("secrets", name, patch, "secrets-store-csi")
