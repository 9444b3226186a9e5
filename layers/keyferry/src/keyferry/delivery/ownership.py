"""What in the Secret is somebody else's: fields of other managers, and claims to the whole of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from keyferry.delivery.desired import Desired
from keyferry.delivery.observed import JOURNAL, MAPPING, REVISION, Observed, metadata_fields
from keyferry.errors import Conflict
from keyferry.model import MANAGED_BY

_REMEDIES = {
    "ExternalSecret": "delete that ExternalSecret",
    "SecretProviderClass": "take secretObjects out of that SecretProviderClass",
    "SecretProviderClassPodStatus": "take secretObjects out of its SecretProviderClass",
    "Secrets Store CSI driver": "take secretObjects out of its SecretProviderClass",
    "Helm": "take it out of the chart, which first gives it the annotation helm.sh/resource-policy: keep",
    "Argo CD": "take it out of what that application syncs",
}
"""Who claims it → what is to be done where the claim comes from."""


@dataclass(frozen=True)
class Mark:
    """A label or annotation by which a tool knows what is its own."""

    noun: Literal["label", "annotation"]
    key: str
    tool: str
    value: str | None = None
    """The value that makes it one; any where absent."""


MARKS = (
    Mark("annotation", "meta.helm.sh/release-name", "Helm"),
    Mark("label", MANAGED_BY, "Helm", "Helm"),
    Mark("annotation", "argocd.argoproj.io/tracking-id", "Argo CD"),
    Mark("label", "argocd.argoproj.io/instance", "Argo CD"),
    Mark("label", "secrets-store.csi.k8s.io/managed", "Secrets Store CSI driver"),
)


@dataclass(frozen=True)
class Claim:
    """Somebody's claim to the whole Secret, by an ownerReference or a mark."""

    by: str
    """Who: `ExternalSecret/db`, `Helm (payments)`."""
    tool: str
    mark: Mark | None = None

    @property
    def remedy(self) -> str:
        """What is to be done where the claim comes from."""
        return _REMEDIES.get(self.tool, f"take it away from {self.by}")

    def __str__(self) -> str:
        """Return what the report of a delivery says that takes over."""
        return f"was owned by {self.by}: {self.remedy}, or it writes again"


def claims(desired: Desired, observed: Observed) -> list[Claim]:
    """Return who else claims the whole Secret; nobody's claim counts where it is meant to be somebody else's.

    Raises:
        Conflict: somebody does, and the mapping does not take over.
    """
    found = [] if desired.merges else list(_claims(desired, observed))
    if found and desired.mapping.spec.policies.conflict != "takeOver":
        first = found[0]
        raise Conflict(
            f"Secret {desired.name} is owned by {first.by}, which writes or deletes it too: set"
            f" spec.policies.conflict: takeOver in mapping {desired.mapping.name} and then {first.remedy}"
        )
    return found


def without(claimed: list[Claim], desired: Desired, observed: Observed) -> dict[str, Any]:
    """Return the merge patch that takes all claims off: an apply keeps what is somebody else's."""
    patch: dict[str, Any] = {"metadata": observed.named(desired.name) | {"ownerReferences": None}}
    for mark in filter(None, (claim.mark for claim in claimed)):
        patch["metadata"].setdefault(f"{mark.noun}s", {})[mark.key] = None
    return patch


def must_force(desired: Desired, observed: Observed) -> bool:
    """Return whether an apply must take fields back, or over.

    Force is per request, not per field: so everything that somebody else owns is looked at here. The preconditions
    of the apply make that safe.

    Raises:
        Conflict: somebody else owns what was never ours, and the mapping does not take over.
    """
    takes_over = desired.mapping.spec.policies.conflict == "takeOver"
    ours = observed.written_by(*desired.mapping.names)
    known = observed.keys_owned_by(*desired.managers) | (observed.keys_in_journal() if ours else frozenset())
    given_before = _given_before(desired, observed)
    force = False
    for owner in observed.owners_beside(desired.manager):
        keys = owner.keys & desired.data.keys()
        metadata = (owner.annotations & set(JOURNAL)) | (owner.labels & desired.own_labels.keys())
        given = observed.differing_metadata(desired.labels, desired.annotations) & owner.metadata
        if not takes_over and (keys - known or (metadata and not ours) or given - given_before):
            raise _conflict(desired, observed, owner.manager, sorted((keys - known) or metadata or given))
        force = force or bool(keys or metadata or given)
    return force


def _claims(desired: Desired, observed: Observed) -> Iterator[Claim]:
    """Yield each claim, the gravest first."""
    for reference in observed.references:
        yield Claim(str(reference), reference.kind)
    for mark in MARKS:
        held = observed.labels if mark.noun == "label" else observed.annotations
        given = desired.labels if mark.noun == "label" else desired.annotations
        if mark.key in held and mark.value in (None, held[mark.key]) and mark.key not in given:
            name = held[mark.key].partition(":")[0]
            yield Claim(mark.tool if name in (mark.tool, "true") else f"{mark.tool} ({name})", mark.tool, mark)


def _given_before(desired: Desired, observed: Observed) -> frozenset[str]:
    """Return the labels and annotations that are known to have been ours: all, where we wrote this very mapping."""
    ours = observed.written_by(*desired.mapping.names)
    if ours and observed.annotations.get(REVISION) == desired.revision:
        return metadata_fields(desired.labels, desired.annotations)
    return observed.metadata_owned_by(*desired.managers)


def _conflict(desired: Desired, observed: Observed, manager: str, fields: list[str]) -> Conflict:
    writer = observed.annotations.get(MAPPING)
    by = f" (mapping {writer})" if writer and writer not in desired.mapping.names else ""
    return Conflict(
        f"Secret {desired.name}: {', '.join(fields)} belongs to field manager {manager}{by};"
        f" stop that manager from writing it, or set spec.policies.conflict: takeOver in mapping {desired.mapping.name}"
    )
