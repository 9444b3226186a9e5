"""The desired state of a Secret, and the body of the server-side apply that writes it."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from keyferry import __version__
from keyferry.delivery.observed import (
    CERTIFICATE_EXPIRES,
    JOURNAL,
    KEYS,
    LABELS,
    MAPPING,
    NOTICES,
    RELEASE,
    RESTART_DUE,
    RESTART_REQUEST,
    REVISION,
    TAKEN_BACK,
    VERSIONS,
    WRITTEN,
    Observed,
    name_metadata,
)
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.verdict import Verdict
from keyferry.model import MANAGED_BY, SecretValue, format_time
from keyferry.render import contents
from keyferry.render.render import Rendered

REVISION_LENGTH = 16
"""The characters of a revision."""


def compute_revision(mapping: SecretMapping) -> str:
    """Return a digest of a mapping's spec, without its owner. It changes if the mapping asks for another Secret."""
    spec = mapping.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"owner"})
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:REVISION_LENGTH]


def format_versions(versions: Mapping[str, str | None]) -> str:
    """Return the text of the annotation `versions`, given alias of a source → version."""
    return json.dumps(versions, separators=(",", ":"), sort_keys=True)


@dataclass(frozen=True)
class Desired:
    """A Secret as its mapping and the values of the sources ask for it.

    Where no content depends on the namespace, one object serves all namespaces of a delivery.
    """

    mapping: SecretMapping
    data: Mapping[str, SecretValue]
    versions: Mapping[str, str]
    """Alias of a source → the version that was read."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The labels of the mapping, without Keyferry's own."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """The annotations of the mapping, without the journal."""
    served: Mapping[str, str] = field(default_factory=dict)
    """Alias of a source → the failover region that served it, for those that the first region did not serve."""
    notes: tuple[str, ...] = ()
    """What the report says of how the data was made."""
    verdict: Verdict = field(default_factory=Verdict)
    """What the policy leaves to the delivery."""
    restart_request: str | None = None
    """The nonce of a restart that somebody asks for; None if nobody does, or the mapping restarts nothing."""
    kept_journal: Mapping[str, str] | None = None
    """The journal to keep, if the Secret should stay as it was observed (see `as_observed`); None otherwise."""

    @classmethod
    def from_rendered(cls, mapping: SecretMapping, rendered: Rendered, verdict: Verdict | None = None) -> "Desired":
        """Return the desired Secret of a mapping in one namespace, given its rendered content and its verdict."""
        return cls(
            mapping=mapping,
            data=rendered.data,
            versions=rendered.versions,
            labels=rendered.labels,
            annotations=rendered.annotations,
            served=rendered.served,
            notes=rendered.notes,
            verdict=verdict or Verdict(),
        )

    @property
    def name(self) -> str:
        """The name of the Secret."""
        return self.mapping.spec.secret.name

    # Cached properties are computed once for all namespaces.

    @cached_property
    def manager(self) -> str:
        """The field manager that applies the Secret."""
        return self.mapping.managers[0]

    @cached_property
    def revision(self) -> str:
        """The digest of the mapping, for the annotation `revision`."""
        return compute_revision(self.mapping)

    @cached_property
    def _facts(self) -> contents.Facts:
        return contents.get_facts(self.mapping.spec.secret.type, self.data)

    def list_notes(self, now: datetime) -> tuple[str, ...]:
        """Return the notes on the content for a report: when a certificate expires, what of a source is left out."""
        return (*self._facts.describe(now), *self.notes)

    @cached_property
    def managers(self) -> frozenset[str]:
        """The field managers of the mapping: the current one, and those of its earlier names and prefixes."""
        return frozenset(self.mapping.managers)

    @property
    def is_merge(self) -> bool:
        """Whether the mapping adds keys to a Secret that somebody else creates (`creation: merge`)."""
        return self.mapping.spec.policies.creation == "merge"

    def as_observed(self, observed: "Observed") -> "Desired":
        """Return a desired state that keeps what we own of the observed Secret, apart from `restart-due`.

        With it, the protocol finishes restarts that are due, and changes nothing else.
        """
        owned = observed.metadata_owned_by(*self.managers) - name_metadata([MANAGED_BY], JOURNAL)
        keys = observed.keys_owned_by(*self.managers) & observed.data.keys()
        return replace(
            self,
            data={key: observed.data[key] for key in keys},
            labels={key: text for key, text in observed.labels.items() if f"label {key}" in owned},
            annotations={key: text for key, text in observed.annotations.items() if f"annotation {key}" in owned},
            notes=(),
            kept_journal={key: text for key, text in observed.journal.items() if key not in (RESTART_DUE, TAKEN_BACK)},
        )

    @cached_property
    def journal(self) -> Mapping[str, str]:
        """The annotations that are the journal, without `restart-due` and `taken-back`."""
        if self.kept_journal is not None:
            return dict(self.kept_journal)
        return {
            MAPPING: self.mapping.journal_names[0],
            VERSIONS: format_versions(self.versions),
            REVISION: self.revision,
            KEYS: ",".join(sorted(self.data)),
        }

    def _build_notices(self, written: datetime) -> dict[str, str]:
        certificate = self._facts.certificate
        expires = certificate.expires if certificate else None
        times = {WRITTEN: written, CERTIFICATE_EXPIRES: expires}
        return {key: format_time(time) for key, time in times.items() if time}

    @property
    def own_labels(self) -> Mapping[str, str]:
        """Keyferry's own labels; none for a Secret that somebody else creates."""
        return {} if self.is_merge else LABELS

    def get_type(self, observed: "Observed | None") -> str:
        """Return the type of the Secret.

        Somebody else's Secret keeps its type if the mapping does not ask for one.
        """
        keeps_type = self.mapping.spec.keeps_type or self.kept_journal is not None
        return observed.type if observed and keeps_type else self.mapping.spec.secret.type

    def build_body(
        self,
        observed: "Observed | None",
        restart_due: str | None,
        taken_back: str = "",
        *,
        make_immutable: bool = False,
        written: datetime | None = None,
    ) -> dict[str, Any]:
        """Return the body of an apply. It is complete, since an apply removes the fields that it leaves out.

        Args:
            observed: the state of the Secret for which the body is meant; the API server refuses the apply if the
                Secret has changed since. None: the Secret has to be missing.
            restart_due: the nonce for which restarts are due; None if none are.
            taken_back: the text of the annotation `taken-back`; empty if there is nothing to note.
            make_immutable: whether to make the Secret immutable. An immutable Secret stays so.
            written: the current time, for a write of content; None keeps what the last one noted.
        """
        due = {} if restart_due is None else {RESTART_DUE: restart_due}
        notes = {TAKEN_BACK: taken_back} if taken_back else {}
        kept = self._keep_annotations(observed, written)
        # The API server refuses resourceVersion "1" for every Secret that exists: that makes the apply create-only.
        preconditions = {"resourceVersion": "1"} if observed is None else observed.preconditions
        is_immutable = make_immutable or (observed is not None and observed.immutable)
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": self.name,
                **preconditions,
                "labels": {**self.labels, **self.own_labels},
                "annotations": {**kept, **self.annotations, **self.journal, **notes, **due},
            },
            "type": self.get_type(observed),
            "data": {key: base64.b64encode(value.reveal()).decode() for key, value in self.data.items()},
        }
        return body | ({"immutable": True} if is_immutable else {})

    def _keep_annotations(self, observed: "Observed | None", written: datetime | None) -> dict[str, str]:
        """Return what an apply keeps of the Secret's annotations, with the notices of this write."""
        kept = {} if observed is None else dict(observed.list_kept_annotations(*self.managers))
        if written is not None:
            kept = {key: text for key, text in kept.items() if key not in NOTICES} | self._build_notices(written)
        if self.restart_request:
            kept |= {RESTART_REQUEST: self.restart_request}
        return kept if self.kept_journal is not None else kept | {RELEASE: __version__}

    def asks_for_restart(self, observed: Observed) -> bool:
        """Return whether somebody asks for a restart that the Secret does not remember."""
        return self.restart_request not in (None, observed.restart_request)


def list_changed_keys(desired: Desired, observed: Observed | None) -> tuple[str, ...]:
    """Return the keys that a write adds, changes, takes back or removes."""
    if observed is None:
        return tuple(sorted(desired.data))
    owned_keys = observed.keys_owned_by(desired.manager)
    changed_keys = {
        key for key, value in desired.data.items() if observed.data.get(key) != value or key not in owned_keys
    }
    return tuple(sorted(changed_keys | (owned_keys - desired.data.keys())))
