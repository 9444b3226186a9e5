"""Who keeps a manifest, and would undo a change that is made in the cluster alone: Git, Helm, another controller."""

from collections.abc import Mapping, Sequence
from typing import Any

_TRACKING = "argocd.argoproj.io/tracking-id"
_TRACKING_LABELS = ("argocd.argoproj.io/instance", "app.kubernetes.io/instance")
_SYNC_OPTIONS = "argocd.argoproj.io/sync-options"
_MARKERS = (
    ("annotations", "meta.helm.sh/release-name", "Helm"),
    ("labels", "helm.toolkit.fluxcd.io/name", "Flux"),
    ("labels", "kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("annotations", _TRACKING, "Argo CD"),
    ("labels", _TRACKING_LABELS[0], "Argo CD"),
)
"""Part of the metadata, key, tool; the value names its release or application."""
_MANAGED_BY = "app.kubernetes.io/managed-by"
_MANAGERS = {
    "argocd-controller": "Argo CD",
    "argocd-application-controller": "Argo CD",
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
    "helm": "Helm",
}
"""Field manager → the tool that applies under this name."""


def find_keeper(metadata: Mapping[str, Any]) -> str:
    """Return who keeps the manifest of an object: `Helm (payments)`, `ClusterExternalSecret/db`; empty for nobody.

    Args:
        metadata: the metadata of the object, as the cluster has it.
    """
    for owner in metadata.get("ownerReferences") or ():
        return f"{owner.get('kind')}/{owner.get('name')}"
    for part, key, tool in _MARKERS:
        value = (metadata.get(part) or {}).get(key)
        if value:
            return f"{tool} ({str(value).partition(':')[0]})"
    managers = [entry.get("manager") for entry in metadata.get("managedFields") or ()]
    applied = next((_MANAGERS[manager] for manager in managers if manager in _MANAGERS), "")
    # What Argo CD and Flux make of a chart has the label too, so it comes last.
    return applied or ("Helm" if (metadata.get("labels") or {}).get(_MANAGED_BY) == "Helm" else "")


def find_pruned_label(
    chain: Sequence[Mapping[str, Any]], labels: Mapping[str, str], annotations: Mapping[str, str]
) -> str:
    """Return the label of a Secret for which Argo CD deletes it as soon as it has no owner; empty where none does.

    Argo CD that tracks by a label takes all objects with it for its application's, and prunes those that are not in
    Git and have no owner. Where it tracks by an annotation, its objects have that, and labels do not count.

    Args:
        chain: the metadata of the original, and of what makes that, as the cluster has them.
        labels: those of the Secret.
        annotations: those of the Secret.
    """
    is_kept = "Prune=false" in annotations.get(_SYNC_OPTIONS, "").replace(" ", "").split(",")
    by_annotation = any(_TRACKING in (each.get("annotations") or {}) for each in chain)
    if is_kept or by_annotation or not any(find_keeper(each).startswith("Argo CD") for each in chain):
        return ""
    own = {(key, value) for each in chain for key, value in (each.get("labels") or {}).items()}
    return next((key for key in _TRACKING_LABELS if (key, labels.get(key)) in own), "")
