"""Who keeps a manifest, and would undo a change that is made in the cluster alone: Git, Helm, another controller."""

from collections.abc import Mapping
from typing import Any

_MARKERS = (
    ("annotations", "meta.helm.sh/release-name", "Helm"),
    ("labels", "helm.toolkit.fluxcd.io/name", "Flux"),
    ("labels", "kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("annotations", "argocd.argoproj.io/tracking-id", "Argo CD"),
    ("labels", "argocd.argoproj.io/instance", "Argo CD"),
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
    if (metadata.get("labels") or {}).get(_MANAGED_BY) == "Helm":
        return "Helm"
    managers = [entry.get("manager") for entry in metadata.get("managedFields") or ()]
    return next((_MANAGERS[manager] for manager in managers if manager in _MANAGERS), "")
