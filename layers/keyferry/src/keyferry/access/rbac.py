"""Generate the Roles and bindings that a cluster needs (RBAC).

They name each Secret and workload, where the name is known. What RBAC cannot express, an admission policy does (see
`keyferry.access.admission`).
"""

from collections.abc import Iterable, Sequence
from itertools import batched, groupby
from operator import attrgetter
from typing import Any

from keyferry.access.admission import policies
from keyferry.errors import InvalidInput
from keyferry.identity import GENERATED_LABEL, Identity, role_name
from keyferry.kinds import WorkloadKind
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Cluster

type Object = dict[str, Any]
type _RoleRules = list[tuple[Sequence[str], str, list[Object]]]
"""The Roles of one mapping: the Kubernetes users that get the Role, the name of the Role, and its rules."""

MAX_NAMES = 1_000
"""How many namespaces a ClusterRole names: `kubectl apply` keeps each object in an annotation, of 256 KiB at most."""
_RBAC = "rbac.authorization.k8s.io"
_get_group = attrgetter("group")


def identify(raw: Object) -> tuple[str, str, str]:
    """Return kind, namespace and name of an object; the namespace is empty for one of the whole cluster."""
    return raw["kind"], raw["metadata"].get("namespace", ""), raw["metadata"]["name"]


def build_rbac(catalog: Catalog, cluster: Cluster) -> list[Object]:
    """Return the admission policies, Roles and bindings of one cluster: first what limits, then what allows.

    Args:
        catalog: all mappings and clusters.
        cluster: one cluster of the catalog.

    Raises:
        InvalidInput: an admission policy would be more than an API server takes.
    """
    identity = catalog.stack.identity
    mappings = catalog.mappings_on(cluster)
    try:
        objects = policies.build_policies(identity, mappings, events=cluster.events)
    except InvalidInput as error:
        raise InvalidInput(f"cluster {cluster.name}: {error}") from None
    for number, names in enumerate(batched(catalog.namespaces_on(cluster), MAX_NAMES, strict=False), start=1):
        rules = [_build_rule("", ["namespaces"], ["get"], list(names))]
        objects += _build_cluster_wide(identity.name_named_role(number), rules, identity.users)
    for mapping in mappings:
        roles = _list_roles(identity, mapping, cluster)
        if mapping.spec.namespace_selectors:
            for users, name, rules in roles:
                objects += _build_cluster_wide(name, rules, users)
        else:
            objects += _build_roles(roles, mapping.spec.namespace_names)
    if any(mapping.spec.namespace_selectors for mapping in mappings):
        rules = [_build_rule("", ["namespaces"], ["list"])]
        objects += _build_cluster_wide(identity.namespaces_role, rules, identity.users)
    if cluster.events:
        objects += _build_event_roles(identity, mappings, catalog.namespaces_on(cluster))
    return [_label(each, identity) for each in objects]


def _build_event_roles(
    identity: Identity, mappings: Sequence[SecretMapping], namespaces: Sequence[str]
) -> list[Object]:
    """Return the Roles by which `deliver` alone creates Events in some namespaces, or in all where a mapping chooses.

    The admission policy says about which Secrets.
    """
    rules, users = [_build_rule("", ["events"], ["create"])], [identity.deliver]
    if any(mapping.spec.namespace_selectors for mapping in mappings):
        return _build_cluster_wide(identity.events_role, rules, users)
    return _build_roles([(users, identity.events_role, rules)], namespaces)


def _list_roles(identity: Identity, mapping: SecretMapping, cluster: Cluster) -> _RoleRules:
    """Return the Roles that a mapping needs in each of its namespaces."""
    writer_role, reader_role = (role_name(user, mapping.name) for user in (identity.deliver, identity.reconcile))
    return [
        (identity.writers, writer_role, _list_deliver_rules(mapping, cluster.restart_kinds)),
        ([identity.reconcile], reader_role, _list_reader_rules(mapping)),
    ]


def _label(generated: Object, identity: Identity) -> Object:
    """Return an object with the label that tells generated ones of this stack from all others."""
    return generated | {"metadata": generated["metadata"] | {"labels": {GENERATED_LABEL: identity.prefix}}}


def _list_deliver_rules(mapping: SecretMapping, restart_kinds: Iterable[WorkloadKind]) -> list[Object]:
    """Return the rules for the function deliver.

    Args:
        mapping: the mapping that is delivered.
        restart_kinds: the kinds that `restart: auto` looks for on the cluster.
    """
    policies = mapping.spec.policies
    verbs = ["get", "patch"]
    verbs += ["create"] if policies.creation != "merge" else []
    verbs += ["delete"] if policies.deletion == "delete" else []
    rules = [_build_rule("", ["secrets"], verbs, [mapping.spec.secret.name])]
    restart = mapping.spec.restart
    if restart == "auto":
        # Deliver searches for the workloads that use the Secret, so their names are not known here.
        rules += [
            _build_rule(api_group, sorted(kind.resource for kind in kinds), ["list", "patch"])
            for api_group, kinds in groupby(sorted(restart_kinds, key=_get_group), key=_get_group)
        ]
    elif restart != "none":
        for kind in sorted({workload.kind for workload in restart}, key=str):
            names = sorted(workload.name for workload in restart if workload.kind == kind)
            rules.append(_build_rule(kind.group, [kind.resource], ["get", "patch"], names))
    return rules


def _list_reader_rules(mapping: SecretMapping) -> list[Object]:
    """Return the rules for the function reconcile, which only reads."""
    return [_build_rule("", ["secrets"], ["get"], [mapping.spec.secret.name])]


def _build_rule(api_group: str, resources: list[str], verbs: list[str], names: list[str] | None = None) -> Object:
    rule: Object = {"apiGroups": [api_group], "resources": resources, "verbs": verbs}
    return rule | ({"resourceNames": names} if names else {})


def _build_roles(roles: _RoleRules, namespaces: Sequence[str]) -> list[Object]:
    """Return a Role and its binding, for each role in each namespace."""
    return [
        role_or_binding
        for namespace in namespaces
        for users, name, rules in roles
        for role_or_binding in (
            _build_object("Role", name, namespace, rules=rules),
            _build_binding("Role", name, namespace, users),
        )
    ]


def _build_cluster_wide(name: str, rules: list[Object], users: Sequence[str]) -> list[Object]:
    """Return a ClusterRole and its ClusterRoleBinding."""
    role = _build_object("ClusterRole", name, None, rules=rules)
    return [role, _build_binding("ClusterRole", name, None, users)]


def _build_binding(kind: str, name: str, namespace: str | None, users: Sequence[str]) -> Object:
    return _build_object(
        "RoleBinding" if namespace else "ClusterRoleBinding",
        name,
        namespace,
        roleRef={"apiGroup": _RBAC, "kind": kind, "name": name},
        subjects=[{"apiGroup": _RBAC, "kind": "User", "name": user} for user in users],
    )


def _build_object(kind: str, name: str, namespace: str | None, **fields: object) -> Object:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": metadata, **fields}
