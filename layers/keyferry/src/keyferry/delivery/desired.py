"""The Secret as it should be, and the body of an apply."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from keyferry.delivery.observed import (
    JOURNAL,
    KEYS,
    LABELS,
    MAPPING,
    RESTART_DUE,
    REVISION,
    VERSIONS,
    Observed,
    metadata_fields,
)
from keyferry.identity import IDENTITY
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import MANAGED_BY, SecretValue
from keyferry.render import contents
from keyferry.render.render import Rendered


def revision(mapping: SecretMapping) -> str:
    """Return a digest of what a mapping says of the Secret (never of values), which changes when it does."""
    spec = mapping.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"owner"})
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
    served: Mapping[str, str] = field(default_factory=dict)
    """Source → the region that served it, where that is not its first one."""
    held: Mapping[str, str] | None = None
    """The journal of the Secret that it is, where what is wanted is that it stays as it is."""

    @classmethod
    def of(cls, mapping: SecretMapping, rendered: Rendered) -> "Desired":
        """Return the Secret that a mapping wants, of what was rendered for one of its namespaces."""
        return cls(
            mapping=mapping,
            data=rendered.data,
            versions=rendered.versions,
            labels=rendered.labels,
            annotations=rendered.annotations,
            served=rendered.served,
        )

    @property
    def name(self) -> str:
        """The Secret's name."""
        return self.mapping.spec.secret.name

    # What follows is made once, however many namespaces it is for.

    @cached_property
    def manager(self) -> str:
        """The field manager that writes it."""
        return IDENTITY.field_manager(self.mapping.name)

    @cached_property
    def revision(self) -> str:
        """The revision of the mapping."""
        return revision(self.mapping)

    @cached_property
    def _certificate(self) -> contents.Certificate | None:
        return contents.get_certificate(self.mapping.spec.secret.type, self.data)

    def notes(self, now: datetime) -> tuple[str, ...]:
        """Return what a report says of it: when its certificate expires."""
        return () if self._certificate is None else (self._certificate.describe(now),)

    @cached_property
    def managers(self) -> frozenset[str]:
        """That, and those of the mapping's earlier names."""
        return frozenset(map(IDENTITY.field_manager, self.mapping.names))

    @property
    def merges(self) -> bool:
        """Whether it is added to somebody else's Secret."""
        return self.mapping.spec.policies.creation == "merge"

    def as_held(self, observed: "Observed") -> "Desired":
        """Return the Secret as it is: what finishes its restarts and changes nothing else."""
        owned = observed.metadata_owned_by(*self.managers) - metadata_fields([MANAGED_BY], JOURNAL)
        keys = observed.keys_owned_by(*self.managers) & observed.data.keys()
        return replace(
            self,
            data={key: observed.data[key] for key in keys},
            labels={key: text for key, text in observed.labels.items() if f"label {key}" in owned},
            annotations={key: text for key, text in observed.annotations.items() if f"annotation {key}" in owned},
            held={key: text for key, text in observed.journal.items() if key != RESTART_DUE},
        )

    @cached_property
    def journal(self) -> Mapping[str, str]:
        """The annotations, all but `restart-due`."""
        if self.held is not None:
            return dict(self.held)
        return {
            MAPPING: self.mapping.name,
            VERSIONS: versions_text(self.versions),
            REVISION: self.revision,
            KEYS: ",".join(sorted(self.data)),
        }

    @property
    def own_labels(self) -> Mapping[str, str]:
        """The label that every Secret of Keyferry's has; not one that is somebody else's."""
        return {} if self.merges else LABELS

    def type(self, observed: "Observed | None") -> str:
        """Return its type: somebody else's Secret keeps its own, where the mapping asks for none in particular."""
        spec = self.mapping.spec.secret
        keeps = (self.merges and spec.given_type is None) or self.held is not None
        return observed.type if observed and keeps else spec.type

    def body(self, observed: "Observed | None", restart_due: str | None, *, seal: bool = False) -> dict[str, Any]:
        """Return the complete object of an apply: what an apply leaves out, it removes.

        Args:
            observed: what must be in the cluster, or the apply is refused; None where it must be missing.
            restart_due: the nonce of the restarts that are due, if any are.
            seal: whether to make it immutable; one that is stays so.
        """
        due = {} if restart_due is None else {RESTART_DUE: restart_due}
        preconditions = {"resourceVersion": "1"} if observed is None else observed.preconditions
        sealed = seal or (observed is not None and observed.immutable)
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": self.name,
                **preconditions,
                "labels": {**self.labels, **self.own_labels},
                "annotations": {**self.annotations, **self.journal, **due},
            },
            "type": self.type(observed),
            "data": {key: base64.b64encode(value.reveal()).decode() for key, value in self.data.items()},
        }
        return body | ({"immutable": True} if sealed else {})
