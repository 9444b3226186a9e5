"""The Roles, bindings and admission policies that are generated for a stack, and that nothing generates any more."""

import shlex

from keyferry.cli.clusters.resource import Resource
from keyferry.identity import GENERATED_LABEL, Identity

_RBAC, _ADMISSION = "rbac.authorization.k8s.io/v1", "admissionregistration.k8s.io/v1"
GENERATED = (
    Resource("RoleBinding", _RBAC, "rolebindings"),
    Resource("ClusterRoleBinding", _RBAC, "clusterrolebindings", is_namespaced=False),
    Resource("Role", _RBAC, "roles"),
    Resource("ClusterRole", _RBAC, "clusterroles", is_namespaced=False),
    Resource("ValidatingAdmissionPolicyBinding", _ADMISSION, "validatingadmissionpolicybindings", is_namespaced=False),
    Resource("ValidatingAdmissionPolicy", _ADMISSION, "validatingadmissionpolicies", is_namespaced=False),
)
"""The kinds that are generated, in the order of removal: what allows goes before what limits."""
ALLOWING = tuple(resource.kind for resource in GENERATED if resource.plural in ("rolebindings", "clusterrolebindings"))
LIMITING = tuple(resource.kind for resource in GENERATED if resource.version == _ADMISSION)
"""The kinds that give rights to the stack's users, and those that limit how they use these."""


def format_deletion(context: str, prefix: str) -> str:
    """Return the command that takes all that was generated for the stack with a prefix out of a cluster."""
    kinds = ",".join(resource.plural for resource in GENERATED)
    label = f"{GENERATED_LABEL}={prefix}"
    return shlex.join(["kubectl", "--context", context, "delete", kinds, "--all-namespaces", "--selector", label])


def has_generated_name(prefix: str, resource: Resource, name: str) -> bool:
    """Return whether the stack with a prefix gives such a name to an object of this kind."""
    identity = Identity(prefix)
    if resource.version == _ADMISSION:
        return name in identity.policies
    beginnings = (*(f"{user}:" for user in identity.users), identity.namespaces_role, identity.name_named_role(1))
    return name == identity.events_role or name.startswith(beginnings)
