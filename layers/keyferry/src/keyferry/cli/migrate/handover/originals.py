"""The objects that make a Secret before Keyferry does: ExternalSecrets and SecretProviderClasses in a cluster."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keyferry.cli.clusters.resource import Resource
from keyferry.cli.migrate.handover.keepers import find_keeper
from keyferry.cli.migrate.model import CSI, EXTERNAL_SECRETS
from keyferry.delivery.apply import Object

EXTERNAL_SECRET, PROVIDER_CLASS, PARENT = "ExternalSecret", "SecretProviderClass", "ClusterExternalSecret"
RESOURCES = (
    *(Resource(EXTERNAL_SECRET, f"{EXTERNAL_SECRETS}/{version}", "externalsecrets") for version in ("v1", "v1beta1")),
    *(Resource(PROVIDER_CLASS, f"{CSI}/{version}", "secretproviderclasses") for version in ("v1", "v1alpha1")),
)
"""The kinds of originals, the newest version of each first."""
_MAX_MANAGER = 63
"""The longest name of a field manager that the operator uses as it stands (`fqdnFor` in its util.go)."""
_ZERO = re.compile(r"-.*|(0+(\.0*)?(h|m|s|ms|us|µs|ns)?)+")
"""A duration of Go that is not positive."""


def name_secret(entry: Object) -> str:
    """Return the name of the Secret of an entry of `secretObjects`, as the driver reads it."""
    return str(entry.get("secretName", "")).strip()


@dataclass(frozen=True)
class Original:
    """An object of the cluster that makes a Secret."""

    resource: Resource
    body: Mapping[str, Any] = field(repr=False)
    parent: Mapping[str, Any] | None = field(default=None, repr=False)
    """The metadata of the ClusterExternalSecret that makes it; None where none does."""

    @classmethod
    def of_manifest(cls, manifest: Mapping[str, Any]) -> "Original":
        """Return what a manifest describes, of a version that is among RESOURCES."""
        version, kind = manifest["apiVersion"], manifest["kind"]
        return cls(next(each for each in RESOURCES if (each.version, each.kind) == (version, kind)), manifest)

    def __str__(self) -> str:
        """Return kind, namespace and name, as `ExternalSecret payments/db`."""
        return f"{self.resource.kind} {self.namespace}/{self.name}"

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Its metadata."""
        return self.body["metadata"] or {}

    @property
    def chain(self) -> list[Mapping[str, Any]]:
        """Its metadata, and that of what makes it."""
        return [self.metadata, *([self.parent] if self.parent else [])]

    @property
    def keeper(self) -> str:
        """Who keeps its manifest, as `Helm (payments)`; empty for nobody."""
        return find_keeper(self.metadata)

    @property
    def keeping(self) -> str:
        """Who keeps it, as a sentence without its end, such as `Helm (payments) keeps ExternalSecret payments/db`."""
        beyond = find_keeper(self.parent) if self.parent else ""
        return f"{self.keeper} keeps {self}" + (f", and {beyond} keeps that" if beyond else "")

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.metadata["name"])

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.metadata["namespace"])

    @property
    def seen(self) -> dict[str, str]:
        """What a change has as its precondition: name, namespace, uid and resourceVersion."""
        return {key: str(self.metadata[key]) for key in ("name", "namespace", "uid", "resourceVersion")}

    @property
    def is_being_deleted(self) -> bool:
        """Whether somebody has deleted it, and the operator has not let go of it yet."""
        return "deletionTimestamp" in self.metadata

    @property
    def spec(self) -> Mapping[str, Any]:
        """Its spec."""
        return self.body.get("spec") or {}

    # Of an ExternalSecret

    @property
    def _target(self) -> Mapping[str, Any]:
        return self.spec.get("target") or {}

    @property
    def creation_policy(self) -> str:
        """`target.creationPolicy`, which is `Owner` by default."""
        return str(self._target.get("creationPolicy") or "Owner")

    @property
    def deletion_policy(self) -> str:
        """`target.deletionPolicy`, which is `Retain` by default."""
        return str(self._target.get("deletionPolicy") or "Retain")

    @property
    def changed_policies(self) -> dict[str, str]:
        """The policies that have to be others before it can be removed and its Secret stays; none if it can be."""
        changes = {"creationPolicy": "Orphan"} if self.creation_policy == "Owner" else {}
        return changes | ({"deletionPolicy": "Retain"} if self.deletion_policy != "Retain" else {})

    @property
    def field_manager(self) -> str:
        """The name under which the operator writes its Secret."""
        manager = f"externalsecrets.{EXTERNAL_SECRETS}/{self.name}"
        if len(manager) <= _MAX_MANAGER:
            return manager
        return f"externalsecrets.{EXTERNAL_SECRETS}/sha3/{hashlib.sha3_224(self.name.encode()).hexdigest()}"

    @property
    def has_synced(self) -> bool:
        """Whether the operator has written the Secret by the spec as it is now."""
        synced = str((self.body.get("status") or {}).get("syncedResourceVersion") or "")
        return synced.startswith(f"{self.metadata.get('generation')}-")

    @property
    def stays_as_synced(self) -> bool:
        """Whether the operator, which has written the Secret once, never does again, whatever changes in the spec."""
        if not (self.body.get("status") or {}).get("syncedResourceVersion"):
            return False
        policy, interval = self.spec.get("refreshPolicy"), str(self.spec.get("refreshInterval", "1h"))
        return policy == "CreatedOnce" or (policy != "OnChange" and bool(_ZERO.fullmatch(interval)))

    @property
    def trouble(self) -> str:
        """What the operator says of it where it cannot write the Secret, after a semicolon; empty where it can."""
        for each in (self.body.get("status") or {}).get("conditions") or ():
            if each.get("type") == "Ready" and each.get("status") == "False":
                return f"; it says: {each.get('message')}"
        return ""

    def make_secret_names(self) -> set[str]:
        """Return the names of the Secrets that it makes in its namespace."""
        if self.resource.kind == EXTERNAL_SECRET:
            return {str(self._target.get("name") or self.name)}
        return set(map(name_secret, self.secret_objects))

    # Of a SecretProviderClass

    @property
    def secret_objects(self) -> list[Object]:
        """`secretObjects`: the Secrets that the driver makes of it."""
        return list(self.spec.get("secretObjects") or ())
