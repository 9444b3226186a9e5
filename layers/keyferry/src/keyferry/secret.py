"""The Secret in the cluster as it is observed, the Secret as it should be, and the body of an apply.

The annotations are the journal (docs/decisions/0002): what Keyferry knows about a target is on the target.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from keyferry.mapping import SecretMapping
from keyferry.model import MANAGED_BY, PREFIX, SecretValue, shorten

MAPPING = f"{PREFIX}/mapping"
VERSIONS = f"{PREFIX}/versions"
REVISION = f"{PREFIX}/revision"
KEYS = f"{PREFIX}/keys"
RESTART_DUE = f"{PREFIX}/restart-due"
JOURNAL = (MAPPING, VERSIONS, REVISION, KEYS, RESTART_DUE)
LABELS = {MANAGED_BY: "keyferry"}


def field_manager(mapping: str) -> str:
    """Return the field manager of a mapping: at most 128 bytes, as the API server allows."""
    return shorten(f"keyferry:{mapping}", 128)


def stamp_key(secret: str) -> str:
    """Return the pod template annotation that carries a Secret's restarts: its name part has 63 characters at most."""
    return f"{PREFIX}/{shorten(secret, 63)}"


def metadata_fields(labels: Iterable[str], annotations: Iterable[str]) -> frozenset[str]:
    """Return what labels and annotations are called where both are meant."""
    return frozenset([*(f"label {key}" for key in labels), *(f"annotation {key}" for key in annotations)])


def revision(mapping: SecretMapping) -> str:
    """Return a digest of what a mapping says (never of values), which changes when it does."""
    spec = mapping.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]


def versions_text(versions: Mapping[str, str | None]) -> str:
    """Return the annotation's text for source → version id."""
    return json.dumps(versions, separators=(",", ":"), sort_keys=True)


@dataclass(frozen=True)
class Desired:
    """The Secret as the mapping and the sources want it."""

    mapping: SecretMapping
    data: Mapping[str, SecretValue]
    versions: Mapping[str, str]
    """Source → the version that was read."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Those that the mapping gives it."""

    @property
    def manager(self) -> str:
        """The field manager that writes it."""
        return field_manager(self.mapping.name)

    @property
    def journal(self) -> dict[str, str]:
        """The annotations, all but `restart-due`."""
        return {
            MAPPING: self.mapping.name,
            VERSIONS: versions_text(self.versions),
            REVISION: revision(self.mapping),
            KEYS: ",".join(sorted(self.data)),
        }

    def body(self, preconditions: Mapping[str, str], restart_due: str | None) -> dict[str, Any]:
        """Return the complete object of an apply: what an apply leaves out, it removes.

        Args:
            preconditions: metadata that must be so in the cluster (uid, resourceVersion), or the apply is refused.
            restart_due: the nonce of the restarts that are due, if any are.
        """
        due = {} if restart_due is None else {RESTART_DUE: restart_due}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": self.mapping.spec.secret.name,
                **preconditions,
                "labels": {**self.labels, **LABELS},
                "annotations": {**self.annotations, **self.journal, **due},
            },
            "type": self.mapping.spec.secret.type,
            "data": {key: base64.b64encode(value.reveal()).decode() for key, value in self.data.items()},
        }


@dataclass(frozen=True)
class Owner:
    """What one field manager owns of a Secret."""

    manager: str
    applies: bool
    """Whether it owns by server-side apply: an update under the same name is another owner."""
    keys: frozenset[str]
    annotations: frozenset[str]
    labels: frozenset[str]

    @property
    def metadata(self) -> frozenset[str]:
        """Its labels and annotations, as `metadata_fields` names them."""
        return metadata_fields(self.labels, self.annotations)


@dataclass(frozen=True)
class Observed:
    """A Secret as the API server returned it."""

    uid: str
    resource_version: str
    type: str
    immutable: bool
    data: Mapping[str, SecretValue]
    annotations: Mapping[str, str]
    labels: Mapping[str, str]
    owners: tuple[Owner, ...]

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Observed":
        """Return it from the decoded JSON of the object, or of its metadata alone."""
        metadata = raw["metadata"]
        owners = [_owner(entry) for entry in metadata.get("managedFields") or ()]
        return cls(
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
            type=raw.get("type") or "Opaque",
            immutable=raw.get("immutable") is True,
            data={key: SecretValue(base64.b64decode(text)) for key, text in (raw.get("data") or {}).items()},
            annotations=metadata.get("annotations") or {},
            labels=metadata.get("labels") or {},
            owners=tuple(owners or [_first_owner(raw)]),
        )

    @property
    def preconditions(self) -> dict[str, str]:
        """The metadata that makes an apply fail where the object is another, or was changed."""
        return {"uid": self.uid, "resourceVersion": self.resource_version}

    @property
    def restart_due(self) -> str | None:
        """The nonce of the restarts that are due, if any are."""
        return self.annotations.get(RESTART_DUE)

    def differing_metadata(self, labels: Mapping[str, str], annotations: Mapping[str, str]) -> frozenset[str]:
        """Return which of these labels and annotations it has otherwise, as `metadata_fields` names them."""
        other = dict(labels.items() - self.labels.items()), dict(annotations.items() - self.annotations.items())
        return metadata_fields(*other)

    def written_by(self, mapping: str) -> bool:
        """Return whether the journal says that this mapping wrote it."""
        return self.annotations.get(MAPPING) == mapping

    def keys_owned_by(self, manager: str) -> frozenset[str]:
        """Return the keys of data that a manager owns by apply."""
        return frozenset().union(*(owner.keys for owner in set(self.owners) - set(self.owners_beside(manager))))

    def metadata_owned_by(self, manager: str) -> frozenset[str]:
        """Return the labels and annotations that a manager owns by apply."""
        ours = set(self.owners) - set(self.owners_beside(manager))
        return frozenset().union(*(owner.metadata for owner in ours))

    def owners_beside(self, manager: str) -> tuple[Owner, ...]:
        """Return the owners that an apply by a manager can conflict with."""
        return tuple(owner for owner in self.owners if not (owner.applies and owner.manager == manager))

    def keys_in_journal(self) -> frozenset[str]:
        """Return the keys that the journal says were written."""
        return frozenset(filter(None, self.annotations.get(KEYS, "").split(",")))


def _owner(entry: Mapping[str, Any]) -> Owner:
    fields = entry.get("fieldsV1") or {}
    metadata = fields.get("f:metadata") or {}
    return Owner(
        manager=entry.get("manager") or "an unnamed manager",
        applies=entry.get("operation") == "Apply",
        # What somebody applied as stringData is data now, and stays theirs under that name; the API server itself
        # sees no conflict between the two.
        keys=_names(fields.get("f:data")) | _names(fields.get("f:stringData")),
        annotations=_names(metadata.get("f:annotations")),
        labels=_names(metadata.get("f:labels")),
    )


def _first_owner(raw: Mapping[str, Any]) -> Owner:
    """Return who owns an object without managedFields (some backup tools clear them): so the API server will say."""
    metadata = raw["metadata"]
    parts = (raw.get("data"), metadata.get("annotations"), metadata.get("labels"))
    return Owner("before-first-apply", False, *(frozenset(part or ()) for part in parts))


def _names(fields: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the field names of a managedFields set: `f:username` → `username`."""
    return frozenset(name[2:] for name in fields or () if name.startswith("f:"))
