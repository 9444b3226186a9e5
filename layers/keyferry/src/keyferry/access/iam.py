"""Generate the IAM policies of the functions' roles, and the CloudFormation template that attaches them."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from keyferry.errors import InvalidInput
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Place
from keyferry.role import Role
from keyferry.stores.grant import Grant
from keyferry.stores.source import Source

MAX_CHARACTERS = 6000
"""Characters of the statements in one managed policy; AWS allows a policy 6,144 without white space."""
MAX_POLICIES = 20
"""Managed policies that AWS can attach to a role, on request."""
DEFAULT_MAX_POLICIES = 10
"""Managed policies that AWS can attach to a role without a request."""
RESERVED_POLICIES = 1
"""Managed policies that template.yaml attaches to the roles itself."""

type Object = dict[str, Any]


def build_template(catalog: Catalog) -> Object:
    """Return the nested CloudFormation template that attaches the IAM policies to the functions' roles.

    Raises:
        InvalidInput: a role would need more managed policies than AWS allows.
    """
    policy_count = count_policies(catalog)
    if policy_count > MAX_POLICIES:
        raise InvalidInput(
            f"the role of deliver would need {policy_count} managed policies, and AWS allows {MAX_POLICIES}:"
            " name fewer secrets, or deploy a second stack for some of the mappings"
        )
    policies = _build_policies(catalog)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "What Keyferry's roles may use, generated from the mappings",
        "Parameters": {
            "DeliverRole": {"Type": "String", "Description": "Name of the role that reads secrets and writes"},
            "ReconcileRole": {"Type": "String", "Description": "Name of the role that compares"},
        },
        # A template needs at least one resource: this one does nothing, if there are no mappings.
        "Resources": policies or {"Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}},
    }


def count_policies(catalog: Catalog) -> int:
    """Return how many managed policies the role of deliver would have."""
    return len(_build_policies(catalog)) + RESERVED_POLICIES


def _build_policies(catalog: Catalog) -> Object:
    """Return the managed policies, by their names in the template."""
    return {
        **_build_policy_resources("Deliver", ["DeliverRole"], list_source_grants(catalog)),
        **_build_policy_resources("SignIn", ["DeliverRole", "ReconcileRole"], list_cluster_grants(catalog)),
    }


def _build_policy_resources(prefix: str, roles: list[str], grants: Iterable[Grant]) -> Object:
    return {
        f"{prefix}{number}": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {
                "Description": "Generated from Keyferry's mappings",
                "Roles": [{"Ref": role} for role in roles],
                "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
            },
        }
        for number, statements in enumerate(split_into_policies(grants), start=1)
    }


def list_source_grants(catalog: Catalog) -> list[Grant]:
    """Return the grants for reading the sources of all mappings that go to a cluster, sorted."""
    sources = (source for mapping in catalog.mappings.values() for source in _resolve_sources(catalog, mapping))
    return sorted({grant for source in sources for grant in list_grants(source)})


def list_cluster_grants(catalog: Catalog) -> list[Grant]:
    """Return the grants for signing in to the clusters that mappings go to, sorted."""
    names = {cluster.name for mapping in catalog.mappings.values() for cluster in catalog.clusters_of(mapping)}
    grants = set[Grant]()
    for cluster in (catalog.clusters[name] for name in names):
        eks = cluster.eks
        arn = f"arn:${{AWS::Partition}}:eks:{eks.region}:{eks.account}:cluster/{eks.name}"
        grants |= {_assume_role_grant(cluster.roles[0])} if cluster.roles else {Grant("eks:DescribeCluster", arn)}
    return sorted(grants)


def _resolve_sources(catalog: Catalog, mapping: SecretMapping) -> Iterator[Source]:
    """Yield the sources of a mapping for each of its places.

    A namespace that is chosen by labels alone can have any name: it counts as `*`.
    """
    patterns = {name for selector in mapping.spec.namespace_selectors for name in selector.names or ["*"]}
    namespaces = ["*"] if "*" in patterns else sorted({*patterns, *mapping.spec.namespace_names})
    for source in mapping.spec.sources.values():
        for cluster in catalog.clusters_of(mapping):
            for namespace in namespaces if "namespace" in source.placeholders else namespaces[:1]:
                yield source.resolve(Place(cluster.name, namespace))


def list_grants(source: Source) -> Iterator[Grant]:
    """Yield the grants for reading one source, in each of its regions.

    A source with a role of its own needs only the grant to assume that role: what the role may do is up to its owner.
    """
    if source.role:
        yield _assume_role_grant(source.role[0])
        if source.role[0].session_tags:
            yield Grant("sts:TagSession", source.role[0].arn)
        return
    for replica in (source, *source.replicas):
        yield from source.store.get_grants(replica)


def _assume_role_grant(role: Role) -> Grant:
    return Grant("sts:AssumeRole", role.arn)


def is_unbounded(source: Source) -> bool:
    """Return whether reading a source takes the right to read all secrets, or all parameters, of the account."""
    bounds = source.find_prefix.strip("/") or source.tags or source.role
    return source.find is not None and not bounds


def split_into_policies(grants: Iterable[Grant]) -> Iterator[list[Object]]:
    """Yield the IAM statements of one managed policy after the other, until all grants are in one."""
    policy: list[Grant] = []
    for grant in grants:
        if policy and len(json.dumps(_build_statements([*policy, grant]))) > MAX_CHARACTERS:
            yield _build_statements(policy)
            policy = []
        policy.append(grant)
    if policy:
        yield _build_statements(policy)


def _build_statements(grants: Iterable[Grant]) -> list[Object]:
    """Return one IAM statement for each action and condition, with all of its resources."""
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[Grant]] = {}
    for grant in grants:
        groups.setdefault((grant.action, grant.tags), []).append(grant)
    return [
        {
            "Effect": "Allow",
            "Action": action,
            "Resource": [{"Fn::Sub": grant.resource} for grant in group],
            **group[0].condition,
        }
        for (action, _), group in groups.items()
    ]
