"""Judge a Secret by its metadata: whose it is, and whether `orphans --delete` may take it away.

A Secret counts as made by Keyferry where its journal names a mapping of the stack, it has the label that Keyferry gives
to what it creates, and nobody else owns its type: an API server notes everybody who has written that, and nobody can
change it, so whoever made the Secret still owns it after the data was taken over.
"""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from keyferry.delivery.observed import FIRST_MANAGER, LABELS, MAPPING, OWN, Observed
from keyferry.delivery.ownership import MARKERS
from keyferry.model import MANAGED_BY


@dataclass(frozen=True)
class LeftSecret:
    """A Secret that a mapping has written, by its metadata."""

    observed: Observed
    prefix: str
    """The prefix of the stack that wrote it."""
    type_owners: tuple[str, ...]
    """The field managers that own its type."""

    @classmethod
    def parse(cls, raw: Mapping[str, Any], prefix: str) -> "LeftSecret":
        """Return the Secret, given its metadata as decoded JSON."""
        entries = raw["metadata"].get("managedFields") or ()
        owners = [entry.get("manager") or "?" for entry in entries if "f:type" in (entry.get("fieldsV1") or {})]
        return cls(Observed.from_object(raw), prefix, tuple(owners))

    @property
    def is_shared(self) -> bool:
        """Whether somebody else made the Secret, and the mapping only added keys (`creation: merge`)."""
        return self.observed.labels.get(MANAGED_BY) != LABELS[MANAGED_BY]

    @property
    def own_keys(self) -> list[str]:
        """The keys of the data that only Keyferry owns."""
        fields = [(self._is_own(entry.manager) and entry.applies, entry.keys) for entry in self.observed.managed_fields]
        own = {key for is_own, keys in fields if is_own for key in keys}
        return sorted(own - {key for is_own, keys in fields if not is_own for key in keys})

    def list_refusals(self) -> Iterator[str]:
        """Yield why the Secret is not Keyferry's to delete, going by its metadata."""
        if self.is_shared:
            yield f"somebody else made it; only our keys are left in it: {', '.join(self.own_keys) or 'none'}"
            return
        for reference in self.observed.owner_references:
            yield f"{reference} owns it, and deletes it with itself"
        for marker in MARKERS:
            texts = self.observed.labels if marker.noun == "label" else self.observed.annotations
            if marker.key in texts and marker.value in (None, texts[marker.key]):
                yield f"{marker.tool} has marked it as its own"
        yield from self._list_managers()

    def _list_managers(self) -> Iterator[str]:
        others = [
            entry for entry in self.observed.managed_fields if not (self._is_own(entry.manager) and entry.applies)
        ]
        if any(entry.manager == FIRST_MANAGER for entry in others):
            yield "who owns its keys is not known: somebody has removed its managedFields"
            return
        for entry in others:
            if entry.keys:
                yield f"{entry.manager} owns {', '.join(sorted(entry.keys))}"
        makers = sorted({owner for owner in self.type_owners if not self._is_own(owner)})
        if makers or not self.type_owners:
            yield f"{', '.join(makers) or 'somebody else'} made it, and Keyferry took it over"

    def format_withdrawal(self, context: str, namespace: str, name: str) -> str:
        """Return the command that takes our keys and annotations out of a Secret that somebody else made."""
        ours = [key for key in OWN if key in self.observed.annotations] or [MAPPING]
        patch = {
            "metadata": {"annotations": dict.fromkeys(ours)},
            **({"data": dict.fromkeys(self.own_keys)} if self.own_keys else {}),
        }
        where = ["--context", context, "--namespace", namespace]
        return shlex.join(["kubectl", *where, "patch", "secret", name, "--type", "merge", "--patch", json.dumps(patch)])

    def _is_own(self, manager: str) -> bool:
        return manager.startswith(f"{self.prefix}:")
