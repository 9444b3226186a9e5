"""A Secret in memory, with server-side apply as an API server of Kubernetes 1.36 was seen to do it.

Managers own single fields, and share a field whose value they agree on. Conflicts are checked before preconditions. The
fields of an object without managedFields belong to the manager `before-first-apply`.
"""

import base64
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field

from keyferry.delivery.apply import Object
from keyferry.errors import Conflict, Overtaken, Refused

type Path = tuple[str, ...]
"""The path of a field: `("data", "password")`, `("type",)`, …"""
type Fields = dict[Path, str]
type ManagedFields = dict[tuple[str, str], set[Path]]
"""(manager, operation) → the paths of the fields that the manager owns by `Apply` or `Update`."""

FIRST_MANAGER = ("before-first-apply", "Update")


@dataclass
class FakeSecret:
    """A Secret: its fields, and the managers that own them."""

    uid: str
    version: int
    fields: Fields
    managed_fields: ManagedFields
    owner_references: list[Object] = field(default_factory=list)
    """Its ownerReferences. No apply of Keyferry has any."""

    def as_object(self, name: str) -> Object:
        """Return the object as the API server would."""
        metadata: Object = {"name": name, "uid": self.uid, "resourceVersion": str(self.version)}
        metadata |= {part: pairs for part in ("annotations", "labels") if (pairs := self.select_part(part))}
        metadata["managedFields"] = [
            {"manager": manager, "operation": operation, "fieldsV1": _build_fields_v1(paths)}
            for (manager, operation), paths in sorted(self.managed_fields.items())
        ]
        metadata |= {"ownerReferences": self.owner_references} if self.owner_references else {}
        secret: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
        secret["type"] = self.fields[("type",)]
        secret |= {"data": data} if (data := self.select_part("data")) else {}
        return secret | ({"immutable": True} if ("immutable",) in self.fields else {})

    def select_part(self, part: str) -> dict[str, str]:
        """Return the fields of one part: `data`, `annotations` or `labels`."""
        return {path[1]: value for path, value in self.fields.items() if path[0] == part}

    def compute_apply(self, body: Object, manager: str, *, force: bool) -> tuple[Fields, ManagedFields]:
        """Return the fields and their managers after an apply.

        Raises:
            Conflict: another manager owns a field with another value, and `force` is false.
            Overtaken: the resourceVersion of the body is another one.
            Refused: the uid of the body is another one, or the change is not allowed.
        """
        metadata, applied, applier = body["metadata"], parse_fields(body), (manager, "Apply")
        managed_fields = copy.deepcopy(self.managed_fields) or {FIRST_MANAGER: set(self.fields)}
        self._resolve_conflicts(applied, managed_fields, applier, force=force)
        self.check_preconditions(metadata)
        dropped = managed_fields.get(applier, set()) - applied.keys()
        others = set[Path]().union(*(paths for entry, paths in managed_fields.items() if entry != applier))
        fields = {path: value for path, value in self.fields.items() if path not in dropped - others} | applied
        fields.setdefault(("type",), "Opaque")
        self.check_change(fields)
        return fields, {entry: paths for entry, paths in (managed_fields | {applier: set(applied)}).items() if paths}

    def check_preconditions(self, metadata: Mapping[str, str]) -> None:
        """Raise an error if a request is meant for another state of the object, or for another object."""
        if metadata.get("resourceVersion", str(self.version)) != str(self.version):
            raise Overtaken(f"the Secret {metadata.get('name')} changed")
        if metadata.get("uid", self.uid) != self.uid:
            raise Refused("metadata.uid: FieldValueInvalid")

    def _resolve_conflicts(
        self, applied: Fields, managed_fields: ManagedFields, applier: tuple[str, str], *, force: bool
    ) -> None:
        """Take the fields that the apply changes from all other managers, or raise a Conflict without `force`."""
        changed = {path for path, value in applied.items() if self.fields.get(path) != value}
        for entry in managed_fields.keys() - {applier}:
            conflicts = managed_fields[entry] & changed
            if conflicts and not force:
                raise Conflict(f"{sorted('.'.join(path) for path in conflicts)} belongs to field manager {entry[0]}")
            managed_fields[entry] -= conflicts

    def check_change(self, fields: Fields) -> None:
        """Raise Refused if the new fields change the type, or the data of an immutable Secret, or make that mutable."""
        if self.fields[("type",)] != fields[("type",)]:
            raise Refused("type: FieldValueInvalid")
        if ("immutable",) in self.fields and _select_data(self.fields) != _select_data(fields):
            raise Refused("data: FieldValueForbidden")
        if ("immutable",) in self.fields and ("immutable",) not in fields:
            raise Refused("immutable: FieldValueForbidden")


def encode(text: str) -> str:
    """Return a text in base64, as the data of a Secret has it."""
    return base64.b64encode(text.encode()).decode()


def parse_fields(body: Object) -> Fields:
    """Return the fields of a Secret, given the object or the body of a request."""
    metadata = body["metadata"]
    parts = {"data": body.get("data"), "annotations": metadata.get("annotations"), "labels": metadata.get("labels")}
    fields: Fields = {(part, key): value for part, pairs in parts.items() for key, value in (pairs or {}).items()}
    fields |= {("immutable",): "true"} if body.get("immutable") else {}
    return fields | ({("type",): str(body["type"])} if "type" in body else {})


def _select_data(fields: Mapping[Path, str]) -> Fields:
    """Return the fields of `data` alone."""
    return {path: value for path, value in fields.items() if path[0] == "data"}


def _build_fields_v1(paths: set[Path]) -> Object:
    fields: Object = {}
    for path in sorted(paths):
        node = fields
        for name in ("metadata", *path) if path[0] in ("annotations", "labels") else path:
            node = node.setdefault(f"f:{name}", {})
    return fields
