"""One Secret in memory, applied as a 1.36 API server was seen to do it.

Ownership field by field, co-ownership of equal values, conflicts looked at before preconditions, and an object without
managedFields owned by `before-first-apply`.
"""

import base64
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field

from keyferry.delivery.apply import Object
from keyferry.errors import Conflict, Overtaken, Refused

type Path = tuple[str, ...]
"""Where a field is: `("data", "password")`, `("type",)`, …"""
type Fields = dict[Path, str]
type Owners = dict[tuple[str, str], set[Path]]
"""(manager, operation) → the fields that it owns."""

FIRST = ("before-first-apply", "Update")


@dataclass
class FakeSecret:
    """One Secret: its fields, and who owns which."""

    uid: str
    version: int
    fields: Fields
    owners: Owners
    references: list[Object] = field(default_factory=list)
    """Its ownerReferences, which no apply of ours names."""

    def as_object(self, name: str) -> Object:
        """Return it as the API server does."""
        metadata: Object = {"name": name, "uid": self.uid, "resourceVersion": str(self.version)}
        metadata |= {part: pairs for part in ("annotations", "labels") if (pairs := self.part(part))}
        metadata["managedFields"] = [
            {"manager": manager, "operation": operation, "fieldsV1": _fields_v1(paths)}
            for (manager, operation), paths in sorted(self.owners.items())
        ]
        metadata |= {"ownerReferences": self.references} if self.references else {}
        whole: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
        whole["type"] = self.fields[("type",)]
        whole |= {"data": data} if (data := self.part("data")) else {}
        return whole | ({"immutable": True} if ("immutable",) in self.fields else {})

    def part(self, part: str) -> dict[str, str]:
        """Return `data`, `annotations` or `labels`."""
        return {path[1]: value for path, value in self.fields.items() if path[0] == part}

    def applied(self, body: Object, manager: str, *, force: bool) -> tuple[Fields, Owners]:
        """Return fields and owners as they are after an apply, or raise what the API server refuses."""
        metadata, wanted, us = body["metadata"], fields_of(body), (manager, "Apply")
        owners = copy.deepcopy(self.owners) or {FIRST: set(self.fields)}
        self._settle_conflicts(wanted, owners, us, force=force)
        self.check_preconditions(metadata)
        dropped = owners.get(us, set()) - wanted.keys()
        kept = set[Path]().union(*(paths for who, paths in owners.items() if who != us))
        fields = {path: value for path, value in self.fields.items() if path not in dropped - kept} | wanted
        fields.setdefault(("type",), "Opaque")
        self.check(fields)
        return fields, {who: paths for who, paths in (owners | {us: set(wanted)}).items() if paths}

    def check_preconditions(self, metadata: Mapping[str, str]) -> None:
        """Refuse what means another state of the object."""
        if metadata.get("resourceVersion", str(self.version)) != str(self.version):
            raise Overtaken(f"the Secret {metadata.get('name')} changed")
        if metadata.get("uid", self.uid) != self.uid:
            raise Refused("metadata.uid: FieldValueInvalid")

    def _settle_conflicts(self, wanted: Fields, owners: Owners, us: tuple[str, str], *, force: bool) -> None:
        other = {path for path, value in wanted.items() if self.fields.get(path) != value}
        for who in owners.keys() - {us}:
            clashes = owners[who] & other
            if clashes and not force:
                raise Conflict(f"{sorted('.'.join(path) for path in clashes)} belongs to field manager {who[0]}")
            owners[who] -= clashes

    def check(self, fields: Fields) -> None:
        """Refuse what can never change."""
        if self.fields[("type",)] != fields[("type",)]:
            raise Refused("type: FieldValueInvalid")
        if ("immutable",) in self.fields and _data_of(self.fields) != _data_of(fields):
            raise Refused("data: FieldValueForbidden")
        if ("immutable",) in self.fields and ("immutable",) not in fields:
            raise Refused("immutable: FieldValueForbidden")


def encoded(text: str) -> str:
    """Return what `data` holds for a text."""
    return base64.b64encode(text.encode()).decode()


def fields_of(body: Object) -> Fields:
    """Return the fields of an object."""
    metadata = body["metadata"]
    parts = {"data": body.get("data"), "annotations": metadata.get("annotations"), "labels": metadata.get("labels")}
    fields: Fields = {(part, key): value for part, pairs in parts.items() for key, value in (pairs or {}).items()}
    fields |= {("immutable",): "true"} if body.get("immutable") else {}
    return fields | ({("type",): str(body["type"])} if "type" in body else {})


def _data_of(fields: Mapping[Path, str]) -> Fields:
    """Return the fields of `data` alone."""
    return {path: value for path, value in fields.items() if path[0] == "data"}


def _fields_v1(paths: set[Path]) -> Object:
    whole: Object = {}
    for path in sorted(paths):
        inside = whole
        for part in ("metadata", *path) if path[0] in ("annotations", "labels") else path:
            inside = inside.setdefault(f"f:{part}", {})
    return whole
