"""The observed state of a Secret: its content, the journal in its annotations, and the field managers of each field.

The journal is what Keyferry knows about a Secret: which mapping wrote it, from which versions, and whether restarts
are due. There is no database beside it (docs/decisions/0002).
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from keyferry import secret_types
from keyferry.formats import jsontext
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import MANAGED_BY, PREFIX, SecretValue

MAPPING = f"{PREFIX}/mapping"
"""Annotation: the name of the mapping that wrote the Secret."""
VERSIONS = f"{PREFIX}/versions"
"""Annotation: the versions that the content was made from, as JSON: alias of a source → version."""
REVISION = f"{PREFIX}/revision"
"""Annotation: a digest of the mapping's spec at the time of the write."""
KEYS = f"{PREFIX}/keys"
"""Annotation: the keys of the data that the mapping wrote, with commas between them."""
RESTART_DUE = f"{PREFIX}/restart-due"
"""Annotation: the nonce of the last write of content, as long as workloads have to be restarted for that write."""
TAKEN_BACK = f"{PREFIX}/taken-back"
"""Annotation: from whom keys were taken back, as JSON: field manager → when, ISO 8601 in UTC, to the second."""
_MAX_TEXT = 1024
"""The longest name and the longest text in these two annotations; a version of several regions has about 150."""
JOURNAL = (MAPPING, VERSIONS, REVISION, KEYS, RESTART_DUE, TAKEN_BACK)
WRITTEN = f"{PREFIX}/written"
"""Annotation: when the content was written last, ISO 8601 in UTC, to the second."""
CERTIFICATE_EXPIRES = f"{PREFIX}/certificate-expires"
"""Annotation: when the certificate of that content expires, as above."""
RELEASE = f"{PREFIX}/release"
"""Annotation: the release of Keyferry that applied the Secret last."""
NOTICES = (WRITTEN, CERTIFICATE_EXPIRES, RELEASE)
"""The annotations that are for people to read alone: no decision hangs on them (docs/decisions/0012)."""
RESTART_REQUEST = f"{PREFIX}/restart-request"
"""Annotation: the nonce of the last restart that somebody asked for. A message that comes twice restarts nothing."""
OWN = (*JOURNAL, RESTART_REQUEST, *NOTICES)
"""All annotations of ours on a Secret."""
_RELEASE = re.compile(r"[0-9][0-9A-Za-z.+-]{0,39}")
FIRST_MANAGER = "before-first-apply"
"""What the API server calls the manager of all fields of an object without managedFields, at the next apply."""
LABELS = {MANAGED_BY: "keyferry"}
"""The labels that Keyferry sets on every Secret that it writes."""


def name_metadata(labels: Iterable[str], annotations: Iterable[str]) -> frozenset[str]:
    """Return names for labels and annotations in one set, such as `label team` and `annotation team`."""
    return frozenset([*(f"label {key}" for key in labels), *(f"annotation {key}" for key in annotations)])


@dataclass(frozen=True)
class ManagedFields:
    """The fields of a Secret that one field manager owns: an entry of `metadata.managedFields`."""

    manager: str
    applies: bool
    """Whether it owns them by server-side apply. Updates under the same name are an entry of their own."""
    keys: frozenset[str]
    """Keys of the data."""
    annotations: frozenset[str]
    labels: frozenset[str]

    @property
    def metadata(self) -> frozenset[str]:
        """Its labels and annotations, each as `label KEY` or `annotation KEY`."""
        return name_metadata(self.labels, self.annotations)


@dataclass(frozen=True)
class OwnerReference:
    """An entry of `metadata.ownerReferences`. The cluster deletes a Secret when all its owners are gone."""

    kind: str
    name: str

    def __str__(self) -> str:
        """Return kind and name, such as `ExternalSecret/db`."""
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True)
class Observed:
    """A Secret as the API server returned it."""

    uid: str
    resource_version: str
    type: str
    immutable: bool
    data: Mapping[str, SecretValue]
    annotations: Mapping[str, str] = field(repr=False)
    """Not shown: `kubectl apply` keeps what it applied last in one of them, with all values."""
    labels: Mapping[str, str]
    managed_fields: tuple[ManagedFields, ...]
    owner_references: tuple[OwnerReference, ...] = ()

    @classmethod
    def from_object(cls, raw: Mapping[str, Any]) -> "Observed":
        """Return the state of a Secret, given its decoded JSON. The data is empty if that has only the metadata."""
        metadata = raw["metadata"]
        managed_fields = [_parse_managed_fields(entry) for entry in metadata.get("managedFields") or ()]
        return cls(
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
            type=raw.get("type") or secret_types.OPAQUE,
            immutable=raw.get("immutable") is True,
            data={key: SecretValue(base64.b64decode(text)) for key, text in (raw.get("data") or {}).items()},
            annotations=metadata.get("annotations") or {},
            labels=metadata.get("labels") or {},
            managed_fields=tuple(managed_fields or [_infer_managed_fields(raw)]),
            owner_references=tuple(
                OwnerReference(str(reference.get("kind")), str(reference.get("name")))
                for reference in metadata.get("ownerReferences") or ()
            ),
        )

    @property
    def preconditions(self) -> dict[str, str]:
        """The metadata that makes the API server refuse a write if the Secret was changed or created anew since."""
        return {"uid": self.uid, "resourceVersion": self.resource_version}

    @property
    def journal(self) -> dict[str, str]:
        """The annotations that are the journal."""
        return {key: text for key, text in self.annotations.items() if key in JOURNAL}

    def list_kept_annotations(self, *managers: str) -> dict[str, str]:
        """Return the annotations under `keyferry.dev/` that these managers own and that are not of the journal.

        They are the notices, the last request for a restart, and what a newer release has written.
        """
        owned = self.metadata_owned_by(*managers)
        return {
            key: text
            for key, text in self.annotations.items()
            if key.startswith(f"{PREFIX}/") and key not in JOURNAL and f"annotation {key}" in owned
        }

    @property
    def restart_due(self) -> str | None:
        """The nonce of the write for which restarts are due; None if none are."""
        return self.annotations.get(RESTART_DUE)

    @property
    def restart_request(self) -> str | None:
        """The nonce of the last restart that somebody asked for, and that was taken up; None if nobody has."""
        return self.annotations.get(RESTART_REQUEST)

    def get_differing_metadata(self, labels: Mapping[str, str], annotations: Mapping[str, str]) -> frozenset[str]:
        """Return which of these labels and annotations the Secret lacks or has with another value.

        Each is returned as `label KEY` or `annotation KEY`.
        """
        return name_metadata(
            dict(labels.items() - self.labels.items()), dict(annotations.items() - self.annotations.items())
        )

    def names(self, mapping: SecretMapping) -> bool:
        """Return whether the journal names a mapping as the writer of the Secret."""
        return self.annotations.get(MAPPING) in mapping.journal_names

    def is_written_by(self, mapping: SecretMapping) -> bool:
        """Return whether a mapping wrote the Secret, by the journal.

        Somebody may have written that annotation, or removed it. Then it counts whose the rest of the journal is:
        another mapping that has taken the Secret over has applied all of it.
        """
        if self.names(mapping):
            return True
        is_applied = any(entry.applies and MAPPING in entry.annotations for entry in self.managed_fields)
        owned = self.metadata_owned_by(*mapping.managers)
        return not is_applied and bool(owned & name_metadata([], JOURNAL))

    def keys_owned_by(self, *managers: str) -> frozenset[str]:
        """Return the keys of the data that these field managers own by server-side apply."""
        return frozenset().union(*(entry.keys for entry in self._applied_by(managers)))

    def metadata_owned_by(self, *managers: str) -> frozenset[str]:
        """Return labels and annotations that these managers own by apply, as `label KEY` and `annotation KEY`."""
        return frozenset().union(*(entry.metadata for entry in self._applied_by(managers)))

    def fields_of_other_managers(self, *managers: str) -> tuple[ManagedFields, ...]:
        """Return the fields that anybody else than these managers owns. Their own updates count as somebody else's.

        An apply by these managers can conflict with these fields alone.
        """
        applied = self._applied_by(managers)
        return tuple(entry for entry in self.managed_fields if entry not in applied)

    def _applied_by(self, managers: Iterable[str]) -> list[ManagedFields]:
        return [entry for entry in self.managed_fields if entry.applies and entry.manager in managers]

    def build_minimal_body(self, name: str) -> dict[str, Any]:
        """Return the shortest body of an apply to the Secret: it owns no field, and has the preconditions."""
        return {"apiVersion": "v1", "kind": "Secret", "metadata": self.build_patch_metadata(name)}

    def build_patch_metadata(self, name: str) -> dict[str, Any]:
        """Return the metadata that every patch of the Secret starts from: its name and the preconditions."""
        return {"name": name, **self.preconditions}

    def get_journal_versions(self) -> dict[str, str]:
        """Return alias of a source → version, as the journal has them; empty if the annotation is not valid."""
        return _parse_texts(self.annotations.get(VERSIONS, "{}"))

    def get_notice(self, name: str) -> datetime | None:
        """Return the time in one of the notices; None if there is none, or it is not valid."""
        return _parse_time(self.annotations.get(name, ""))

    def get_release(self) -> str:
        """Return the release that applied the Secret last; empty if there is none, or it is not valid."""
        text = self.annotations.get(RELEASE, "")
        return text if _RELEASE.fullmatch(text) else ""

    def get_taken_back(self) -> dict[str, datetime]:
        """Return field manager → when keys were taken back from it. What is not valid is left out."""
        return {
            manager: time
            for manager, text in _parse_texts(self.annotations.get(TAKEN_BACK, "{}")).items()
            if (time := _parse_time(text))
        }

    def get_journal_keys(self) -> frozenset[str]:
        """Return the keys of the data that the mapping wrote, as the journal has them."""
        return frozenset(filter(None, self.annotations.get(KEYS, "").split(",")))


def _parse_texts(text: str) -> dict[str, str]:
    """Return the names and texts of a JSON object; empty if the text is none.

    Anybody who may edit the Secret can have written it. What we would not have written is left out: other types,
    what is longer than a version or a manager, and what has no form in a message.
    """
    try:
        parsed = jsontext.parse(text.encode())  # which refuses a name that is there twice
    except ValueError:
        return {}
    pairs = parsed.items() if isinstance(parsed, dict) else ()
    return {name: value for name, value in pairs if _is_plain(name) and isinstance(value, str) and _is_plain(value)}


def _is_plain(text: str) -> bool:
    return len(text) <= _MAX_TEXT and text.isprintable()


def _parse_time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else None


def _parse_managed_fields(entry: Mapping[str, Any]) -> ManagedFields:
    fields = _take_object(entry.get("fieldsV1"))
    metadata = _take_object(fields.get("f:metadata"))
    return ManagedFields(
        manager=entry.get("manager") or "an unnamed manager",
        applies=entry.get("operation") == "Apply",
        # The API server stores a key that was applied as stringData in data, and keeps the manager's field under the
        # name stringData. It sees no conflict between the two, so both count as the key's here.
        keys=_parse_field_names(fields.get("f:data")) | _parse_field_names(fields.get("f:stringData")),
        annotations=_parse_field_names(metadata.get("f:annotations")),
        labels=_parse_field_names(metadata.get("f:labels")),
    )


def _infer_managed_fields(raw: Mapping[str, Any]) -> ManagedFields:
    """Return the fields of a Secret without managedFields, which some backup tools remove.

    At the next apply, the API server itself does so.
    """
    metadata = raw["metadata"]
    parts = (raw.get("data"), metadata.get("annotations"), metadata.get("labels"))
    return ManagedFields(FIRST_MANAGER, False, *(frozenset(part or ()) for part in parts))


def _parse_field_names(fields: object) -> frozenset[str]:
    """Return the names in a part of `fieldsV1`: `f:username` → `username`."""
    return frozenset(name[2:] for name in _take_object(fields) if name.startswith("f:"))


def _take_object(value: object) -> Mapping[str, Any]:
    """Return a JSON object; an empty one for anything else, as somebody can write into `fieldsV1`."""
    return value if isinstance(value, dict) else {}
