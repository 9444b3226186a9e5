"""The Secret in the cluster as it is observed: what it holds, what is known of it, and whose each part is.

The annotations are the journal (docs/decisions/0002): what Keyferry knows about a target is on the target.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from keyferry import secret_types
from keyferry.model import MANAGED_BY, PREFIX, SecretValue

MAPPING = f"{PREFIX}/mapping"
VERSIONS = f"{PREFIX}/versions"
REVISION = f"{PREFIX}/revision"
KEYS = f"{PREFIX}/keys"
RESTART_DUE = f"{PREFIX}/restart-due"
JOURNAL = (MAPPING, VERSIONS, REVISION, KEYS, RESTART_DUE)
LABELS = {MANAGED_BY: "keyferry"}


def metadata_fields(labels: Iterable[str], annotations: Iterable[str]) -> frozenset[str]:
    """Return what labels and annotations are called where both are meant."""
    return frozenset([*(f"label {key}" for key in labels), *(f"annotation {key}" for key in annotations)])


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
class Reference:
    """One of the Secret's ownerReferences: when all of them are gone, the cluster deletes the Secret."""

    kind: str
    name: str

    def __str__(self) -> str:
        """Return kind and name."""
        return f"{self.kind}/{self.name}"


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
    references: tuple[Reference, ...] = ()

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Observed":
        """Return it from the decoded JSON of the object, or of its metadata alone."""
        metadata = raw["metadata"]
        owners = [_owner(entry) for entry in metadata.get("managedFields") or ()]
        return cls(
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
            type=raw.get("type") or secret_types.OPAQUE,
            immutable=raw.get("immutable") is True,
            data={key: SecretValue(base64.b64decode(text)) for key, text in (raw.get("data") or {}).items()},
            annotations=metadata.get("annotations") or {},
            labels=metadata.get("labels") or {},
            owners=tuple(owners or [_first_owner(raw)]),
            references=tuple(Reference(r["kind"], r["name"]) for r in metadata.get("ownerReferences") or ()),
        )

    @property
    def preconditions(self) -> dict[str, str]:
        """The metadata that makes an apply fail where the object is another, or was changed."""
        return {"uid": self.uid, "resourceVersion": self.resource_version}

    @property
    def journal(self) -> dict[str, str]:
        """Those of its annotations that are the journal."""
        return {key: text for key, text in self.annotations.items() if key in JOURNAL}

    @property
    def restart_due(self) -> str | None:
        """The nonce of the restarts that are due, if any are."""
        return self.annotations.get(RESTART_DUE)

    def differing_metadata(self, labels: Mapping[str, str], annotations: Mapping[str, str]) -> frozenset[str]:
        """Return which of these labels and annotations it has otherwise, as `metadata_fields` names them."""
        other = dict(labels.items() - self.labels.items()), dict(annotations.items() - self.annotations.items())
        return metadata_fields(*other)

    def written_by(self, *mappings: str) -> bool:
        """Return whether the journal says that this mapping wrote it, under one of its names."""
        return self.annotations.get(MAPPING) in mappings

    def keys_owned_by(self, *managers: str) -> frozenset[str]:
        """Return the keys of data that managers own by apply."""
        return frozenset().union(*(owner.keys for owner in self._owners(managers)))

    def metadata_owned_by(self, *managers: str) -> frozenset[str]:
        """Return the labels and annotations that managers own by apply."""
        return frozenset().union(*(owner.metadata for owner in self._owners(managers)))

    def owners_beside(self, *managers: str) -> tuple[Owner, ...]:
        """Return the owners that an apply by these managers can conflict with."""
        ours = self._owners(managers)
        return tuple(owner for owner in self.owners if owner not in ours)

    def _owners(self, managers: Iterable[str]) -> list[Owner]:
        return [owner for owner in self.owners if owner.applies and owner.manager in managers]

    def bare(self, name: str) -> dict[str, Any]:
        """Return the least that an apply can say of it."""
        return {"apiVersion": "v1", "kind": "Secret", "metadata": self.named(name)}

    def named(self, name: str) -> dict[str, Any]:
        """Return the metadata that a patch of it begins with: it fails where the object is another, or was changed."""
        return {"name": name, **self.preconditions}

    def versions_in_journal(self) -> dict[str, str]:
        """Return source → version, as the journal says they were read; nothing where it cannot be understood."""
        try:
            found = json.loads(self.annotations.get(VERSIONS, "{}"))
        except ValueError:
            return {}
        return {str(alias): str(version) for alias, version in found.items()} if isinstance(found, dict) else {}

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
