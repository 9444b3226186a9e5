"""What the roles may do in AWS: one grant for each action on each resource, and the statements that give them."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Place
from keyferry.role import Role
from keyferry.stores.grant import Grant
from keyferry.stores.source import Source

MAX_POLICY = 6000
"""Characters of a managed policy's statements; AWS allows a policy 6,144 without white space."""


def of_sources(catalog: Catalog) -> list[Grant]:
    """Return what reading the sources takes, of mappings that go to a cluster."""
    read = (source for mapping in catalog.mappings.values() for source in _read_by(catalog, mapping))
    return sorted({grant for source in read for grant in of_source(source)})


def of_clusters(catalog: Catalog) -> list[Grant]:
    """Return what signing in to the clusters takes."""
    used = {c.name for mapping in catalog.mappings.values() for c in catalog.clusters_of(mapping)}
    found = set[Grant]()
    for cluster in (catalog.clusters[name] for name in used):
        eks = cluster.eks
        arn = f"arn:${{AWS::Partition}}:eks:{eks.region}:{eks.account}:cluster/{eks.name}"
        found |= {_assume(cluster.roles[0])} if cluster.roles else {Grant("eks:DescribeCluster", arn)}
    return sorted(found)


def _read_by(catalog: Catalog, mapping: SecretMapping) -> Iterator[Source]:
    """Yield each source of each place; a namespace that only labels choose can have any name."""
    patterns = {name for each in mapping.spec.namespace_selectors for name in each.names or ["*"]}
    names = ["*"] if "*" in patterns else sorted({*patterns, *mapping.spec.namespace_names})
    for source in mapping.spec.sources.values():
        for cluster in catalog.clusters_of(mapping):
            for name in names if "namespace" in source.placeholders else names[:1]:
                yield source.resolve(Place(cluster.name, name))


def of_source(source: Source) -> Iterator[Grant]:
    """Yield what reading a source takes, in each of its regions. What a role of its own may, its owner says."""
    if source.role:
        yield _assume(source.role[0])
        if source.role[0].session_tags:
            yield Grant("sts:TagSession", source.role[0].arn)
        return
    for region in (source, *source.replicas):
        yield from source.store.get_grants(region)


def _assume(role: Role) -> Grant:
    return Grant("sts:AssumeRole", role.arn)


def is_unbounded(source: Source) -> bool:
    """Return whether reading a source takes the right to read all secrets, or all parameters, of the account."""
    bounds = source.find_prefix.strip("/") or source.tags or source.role
    return source.find is not None and not bounds


def policies(grants: Iterable[Grant]) -> Iterator[list[dict[str, Any]]]:
    """Yield the statements of as few policies as hold them."""
    chunk: list[Grant] = []
    for grant in grants:
        if chunk and len(json.dumps(_statements([*chunk, grant]))) > MAX_POLICY:
            yield _statements(chunk)
            chunk = []
        chunk.append(grant)
    if chunk:
        yield _statements(chunk)


def _statements(grants: Iterable[Grant]) -> list[dict[str, Any]]:
    together: dict[tuple[str, tuple[tuple[str, str], ...]], list[Grant]] = {}
    for grant in grants:
        together.setdefault((grant.action, grant.tags), []).append(grant)
    return [
        {
            "Effect": "Allow",
            "Action": action,
            "Resource": [{"Fn::Sub": each.resource} for each in found],
            **found[0].condition,
        }
        for (action, _), found in together.items()
    ]
