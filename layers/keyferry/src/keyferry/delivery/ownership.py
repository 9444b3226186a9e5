"""Find out what others own of a Secret: some of its fields, or the Secret as a whole.

Field managers own fields; the API server records that in managedFields. Whole Secrets are claimed by ownerReferences,
and by the labels and annotations with which tools such as Helm mark what they have created.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from keyferry.delivery.desired import Desired
from keyferry.delivery.observed import MAPPING, OWN, REVISION, Observed, name_metadata
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
"""Tool or kind of owner → how to end its claim at the place where that comes from."""
_HANDED_OVER = {"ExternalSecret", "SecretProviderClassPodStatus", "Secrets Store CSI driver"}
"""Tools and kinds of owners from whom `keyferry migrate handover` takes a Secret."""


@dataclass(frozen=True)
class Marker:
    """A label or annotation by which a tool recognises what it has created."""

    noun: Literal["label", "annotation"]
    key: str
    tool: str
    value: str | None = None
    """The value that it must have; None: any value."""


MARKERS = (
    Marker("annotation", "meta.helm.sh/release-name", "Helm"),
    Marker("label", MANAGED_BY, "Helm", "Helm"),
    Marker("annotation", "argocd.argoproj.io/tracking-id", "Argo CD"),
    Marker("label", "argocd.argoproj.io/instance", "Argo CD"),
    Marker("label", "secrets-store.csi.k8s.io/managed", "Secrets Store CSI driver"),
)


@dataclass(frozen=True)
class Claim:
    """A claim of somebody else to the whole Secret, by an ownerReference or a marker."""

    claimant: str
    """Whose claim it is: `ExternalSecret/db`, `Helm (payments)`."""
    tool: str
    """The tool, or the kind of the ownerReference."""
    marker: Marker | None = None
    """The marker; None for an ownerReference."""

    @property
    def remedy(self) -> str:
        """How to end the claim at the place where it comes from."""
        return _REMEDIES.get(self.tool, f"take it away from {self.claimant}")

    def __str__(self) -> str:
        """Return the note for the report of a delivery that takes the Secret over."""
        return f"was owned by {self.claimant}: {self.remedy}, or it writes again"


def check_claims(desired: Desired, observed: Observed) -> list[Claim]:
    """Check that nobody else claims the whole Secret, or that the mapping takes it over.

    Returns:
        The claims to take over (`conflict: takeOver`), the gravest first. None count where the mapping only adds keys
        to somebody else's Secret (`creation: merge`).

    Raises:
        Conflict: somebody claims the Secret, and the mapping does not take over.
    """
    claims = [] if desired.is_merge else list(_list_claims(desired, observed))
    if claims and desired.mapping.spec.policies.conflict != "takeOver":
        claim, name = claims[0], desired.mapping.name
        by_command = (
            f" `keyferry migrate handover {name}`, or" if any(each.tool in _HANDED_OVER for each in claims) else ""
        )
        raise Conflict(
            f"Secret {desired.name} is owned by {claim.claimant}, which writes or deletes it too:{by_command} set"
            f" spec.policies.conflict: takeOver in mapping {name} and then {claim.remedy}"
        )
    return claims


def build_claims_patch(claims: list[Claim], desired: Desired, observed: Observed) -> dict[str, Any]:
    """Return the merge patch that removes claims: all ownerReferences, and the markers.

    It takes a patch, since an apply removes only the fields of its own manager.
    """
    patch: dict[str, Any] = {"metadata": observed.build_patch_metadata(desired.name) | {"ownerReferences": None}}
    for marker in filter(None, (claim.marker for claim in claims)):
        patch["metadata"].setdefault(f"{marker.noun}s", {})[marker.key] = None
    return patch


def needs_force(desired: Desired, observed: Observed) -> bool:
    """Return whether an apply has to be forced, because other field managers own fields that it writes.

    `force` holds for the whole request, not for a field. So it is used only after the fields of all other managers were
    checked here. The preconditions of the apply make sure that no other field is taken: it is refused if the Secret has
    changed since it was observed.

    A field that was ours before, also under an earlier name of the mapping, is taken back. Any other field is taken
    over only if the mapping asks for it (`conflict: takeOver`).

    Raises:
        Conflict: somebody else owns a field that was never ours, and the mapping does not take over.
    """
    takes_over = desired.mapping.spec.policies.conflict == "takeOver"
    ours = observed.is_written_by(desired.mapping)
    known_keys = observed.keys_owned_by(*desired.managers) | (observed.get_journal_keys() if ours else frozenset())
    known_metadata = _list_known_metadata(desired, observed)
    force = False
    for other in observed.fields_of_other_managers(desired.manager):
        keys = other.keys & desired.data.keys()
        # Of Keyferry's own labels and annotations, and of those that the mapping gives the Secret.
        own_metadata = (other.annotations & set(OWN)) | (other.labels & desired.own_labels.keys())
        metadata = observed.get_differing_metadata(desired.labels, desired.annotations) & other.metadata
        if not takes_over and (keys - known_keys or (own_metadata and not ours) or metadata - known_metadata):
            fields = sorted((keys - known_keys) or own_metadata or metadata)
            raise _build_conflict(desired, observed, other.manager, fields)
        force = force or bool(keys or own_metadata or metadata)
    return force


def _list_claims(desired: Desired, observed: Observed) -> Iterator[Claim]:
    """Yield all claims to the Secret, the gravest first: the owner of an ownerReference can delete it."""
    for reference in observed.owner_references:
        yield Claim(str(reference), reference.kind)
    for marker in MARKERS:
        present = observed.labels if marker.noun == "label" else observed.annotations
        given = desired.labels if marker.noun == "label" else desired.annotations
        if marker.key in present and marker.value in (None, present[marker.key]) and marker.key not in given:
            name = present[marker.key].partition(":")[0]
            claimant = marker.tool if name in (marker.tool, "true") else f"{marker.tool} ({name})"
            yield Claim(claimant, marker.tool, marker)


def _list_known_metadata(desired: Desired, observed: Observed) -> frozenset[str]:
    """Return the labels and annotations that are known to have been ours before.

    If the Secret was last written for the same revision of the mapping, these are all labels and annotations of the
    mapping, whoever owns them now. Otherwise they are those that we still own.
    """
    ours = observed.is_written_by(desired.mapping)
    if ours and observed.annotations.get(REVISION) == desired.revision:
        return name_metadata(desired.labels, desired.annotations)
    return observed.metadata_owned_by(*desired.managers)


def _build_conflict(desired: Desired, observed: Observed, manager: str, fields: list[str]) -> Conflict:
    writer = observed.annotations.get(MAPPING)
    by = f" (mapping {writer})" if writer and writer not in desired.mapping.journal_names else ""
    return Conflict(
        f"Secret {desired.name}: {', '.join(fields)} belongs to field manager {manager}{by};"
        f" stop that manager from writing it, or set spec.policies.conflict: takeOver in mapping {desired.mapping.name}"
    )
