"""Mappings → the rights that they need and no more: IAM statements, RBAC, access entries.

Exact names only, where AWS and Kubernetes have them. What RBAC cannot say, an admission policy does (`admission`).
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from keyferry.access import admission, iam
from keyferry.errors import InvalidInput
from keyferry.identity import IDENTITY, Identity, role_name
from keyferry.kinds import WorkloadKind
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Cluster
from keyferry.stores.grant import Grant

MAX_POLICIES = 20
"""Managed policies of a role: AWS allows 10, and 20 on request."""
USUAL_POLICIES = 10
RESERVED_POLICIES = 1
"""Managed policies that template.yaml attaches to the roles itself."""
DELIVER_OUTPUT, RECONCILE_OUTPUT = "DeliverRoleArn", "ReconcileRoleArn"
"""Outputs of the stack that hold these roles."""

type Object = dict[str, Any]
type _Granted = list[tuple[str, str, list[Object]]]
"""Each Kubernetes group, the name of its role, and the rules of that."""

_RBAC = "rbac.authorization.k8s.io"
_group = attrgetter("group")


def template(catalog: Catalog) -> Object:
    """Return the nested CloudFormation template that attaches what the mappings need to the functions' roles.

    Raises:
        InvalidInput: a name would grant more than one thing, or a role would need more policies than AWS allows.
    """
    needed = policies_needed(catalog)
    if needed > MAX_POLICIES:
        raise InvalidInput(
            f"the role of deliver would need {needed} managed policies, and AWS allows {MAX_POLICIES}:"
            " name fewer secrets, or deploy a second stack for some of the mappings"
        )
    resources = _attached(catalog)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "What Keyferry's roles may use, generated from the mappings",
        "Parameters": {
            "DeliverRole": {"Type": "String", "Description": "Name of the role that reads secrets and writes"},
            "ReconcileRole": {"Type": "String", "Description": "Name of the role that compares"},
        },
        # A stack needs a resource: one that does nothing, where there are no mappings.
        "Resources": resources or {"Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}},
    }


def policies_needed(catalog: Catalog) -> int:
    """Return how many managed policies the role of deliver would have: AWS allows 10, and 20 on request."""
    return len(_attached(catalog)) + RESERVED_POLICIES


def rbac(
    catalog: Catalog,
    cluster: Cluster,
    bind_in: Mapping[str, Sequence[str]] | None = None,
    identity: Identity = IDENTITY,
) -> list[Object]:
    """Return the Roles and bindings of one cluster.

    Args:
        catalog: the mappings.
        cluster: one of its clusters.
        bind_in: mapping → namespaces, for mappings that choose namespaces by labels: which those are is not known
            here. Where it has none for a mapping, the rights are given in all namespaces.
        identity: whose groups get the rights.
    """
    mappings = [m for m in catalog.mappings.values() if cluster in catalog.clusters_of(m)]
    objects: list[Object] = admission.policy(identity) if any(m.spec.restart != "none" for m in mappings) else []
    for mapping in mappings:
        groups = _groups(identity, mapping, cluster)
        if mapping.spec.namespace_selectors:
            objects += _selected(groups, (bind_in or {}).get(mapping.name))
        else:
            objects += _namespaced(groups, mapping.spec.namespace_names)
    if any(m.spec.namespace_selectors for m in mappings):
        rules = [_rule("", ["namespaces"], ["list"])]
        objects += _cluster_wide(identity.namespaces_role, rules, [identity.deliver, identity.readers])
    return objects


def access_entries(catalog: Catalog) -> list[Object]:
    """Return the EKS access entries to make: cluster, principal and groups.

    The principal is the cluster's role, which both functions assume, or the output of the stack that holds theirs.
    """
    return [
        {
            "cluster": cluster.name,
            "clusterName": cluster.eks.name,
            "region": cluster.eks.region,
            "account": cluster.eks.account,
            "principal": principal,
            "kubernetesGroups": groups,
        }
        for cluster in catalog.clusters.values()
        for principal, groups in _principals(cluster)
    ]


def _principals(cluster: Cluster) -> list[tuple[str, list[str]]]:
    if cluster.role:  # one entry for each role is all that EKS takes
        return [(cluster.role, [IDENTITY.deliver, IDENTITY.readers])]
    return [(DELIVER_OUTPUT, [IDENTITY.deliver]), (RECONCILE_OUTPUT, [IDENTITY.readers])]


def _attached(catalog: Catalog) -> Object:
    return {
        **_policies("Deliver", ["DeliverRole"], iam.of_sources(catalog)),
        **_policies("SignIn", ["DeliverRole", "ReconcileRole"], iam.of_clusters(catalog)),
    }


def _policies(prefix: str, roles: list[str], granted: Iterable[Grant]) -> Object:
    return {
        f"{prefix}{number}": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {
                "Description": "Generated from Keyferry's mappings",
                "Roles": [{"Ref": role} for role in roles],
                "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
            },
        }
        for number, statements in enumerate(iam.policies(granted), start=1)
    }


def _rules(mapping: SecretMapping, kinds: Iterable[WorkloadKind]) -> list[Object]:
    """Return what deliver does in a namespace, of a cluster where `restart: auto` looks for these kinds."""
    deletes = ["delete"] if mapping.spec.policies.deletion == "delete" else []
    rules = [_rule("", ["secrets"], ["get", "patch", "create", *deletes], [mapping.spec.secret.name])]
    restart = mapping.spec.restart
    if restart == "auto":
        # Which workloads use the Secret is found out: their names are not known here.
        rules += [
            _rule(group, sorted(kind.resource for kind in some), ["list", "patch"])
            for group, some in groupby(sorted(kinds, key=_group), key=_group)
        ]
    elif restart != "none":
        for kind in sorted({workload.kind for workload in restart}, key=str):
            names = sorted(workload.name for workload in restart if workload.kind == kind)
            rules.append(_rule(kind.group, [kind.resource], ["get", "patch"], names))
    return rules


def _reader_rules(mapping: SecretMapping) -> list[Object]:
    """Return what reconcile does in a namespace."""
    return [_rule("", ["secrets"], ["get"], [mapping.spec.secret.name])]


def _rule(group: str, resources: list[str], verbs: list[str], names: list[str] | None = None) -> Object:
    rule: Object = {"apiGroups": [group], "resources": resources, "verbs": verbs}
    return rule | ({"resourceNames": names} if names else {})


def _groups(identity: Identity, mapping: SecretMapping, cluster: Cluster) -> _Granted:
    """Return what a mapping needs in each of its namespaces."""
    rules = {identity.deliver: _rules(mapping, cluster.restart_kinds), identity.readers: _reader_rules(mapping)}
    return [(group, role_name(group, mapping.name), allowed) for group, allowed in rules.items()]


def _namespaced(groups: _Granted, namespaces: Sequence[str]) -> list[Object]:
    return [
        each
        for namespace in namespaces
        for group, name, rules in groups
        for each in (
            _object("Role", name, namespace, rules=rules),
            _binding("Role", name, namespace, [group]),
        )
    ]


def _selected(groups: _Granted, namespaces: Sequence[str] | None) -> list[Object]:
    objects: list[Object] = []
    for group, name, rules in groups:
        if namespaces is None:
            objects += _cluster_wide(name, rules, [group])
        else:
            objects.append(_object("ClusterRole", name, None, rules=rules))
            objects += [_binding("ClusterRole", name, namespace, [group]) for namespace in namespaces]
    return objects


def _cluster_wide(name: str, rules: list[Object], groups: list[str]) -> list[Object]:
    return [_object("ClusterRole", name, None, rules=rules), _binding("ClusterRole", name, None, groups)]


def _binding(kind: str, name: str, namespace: str | None, groups: list[str]) -> Object:
    return _object(
        "RoleBinding" if namespace else "ClusterRoleBinding",
        name,
        namespace,
        roleRef={"apiGroup": _RBAC, "kind": kind, "name": name},
        subjects=[{"apiGroup": _RBAC, "kind": "Group", "name": group} for group in groups],
    )


def _object(kind: str, name: str, namespace: str | None, **rest: object) -> Object:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": metadata, **rest}
