"""What the roles may do in AWS: one grant for each action on each resource, and the statements that give them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Place
from keyferry.role import Role
from keyferry.stores.source import Source

MAX_POLICY = 6000
"""Characters of a managed policy's statements; AWS allows a policy 6,144 without white space."""


@dataclass(frozen=True, order=True)
class Grant:
    """One action on one resource."""

    action: str
    resource: str
    """An ARN, with CloudFormation's pseudo parameters in it."""
    tags: tuple[tuple[str, str], ...] = ()
    """Tags that the resource must have."""

    @property
    def condition(self) -> dict[str, Any]:
        """The condition of a statement (`aws:ResourceTag`, which both services have), empty where there is none."""
        equal = {f"aws:ResourceTag/{key}": value for key, value in self.tags}
        return {"Condition": {"StringEquals": equal}} if equal else {}


def of_sources(catalog: Catalog) -> list[Grant]:
    """Return what reading the sources takes, of mappings that go to a cluster."""
    read = (source for mapping in catalog.mappings.values() for source in _read_by(catalog, mapping))
    return sorted({grant for source in read for grant in of_source(source)})


def of_clusters(catalog: Catalog) -> list[Grant]:
    """Return what signing in to the clusters takes."""
    used = {c.name for mapping in catalog.mappings.values() for c in catalog.targets(mapping)}
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
        for cluster in catalog.targets(mapping):
            for name in names if "namespace" in source.placeholders else names[:1]:
                yield source.at(Place(cluster.name, name))


def of_source(source: Source) -> Iterator[Grant]:
    """Yield what reading a source takes, in each of its regions. What a role of its own may, its owner says."""
    if source.role:
        yield _assume(source.role[0])
        if source.role[0].session_tags:
            yield Grant("sts:TagSession", source.role[0].arn)
        return
    for place in (source, *source.elsewhere):
        grants = _of_secret if source.service == "secretsmanager" else _of_parameter
        yield from grants(place)


def _assume(role: Role) -> Grant:
    return Grant("sts:AssumeRole", role.arn)


def _of_secret(source: Source) -> Iterator[Grant]:
    base = f"arn:{_owner(source, 'secretsmanager')}:secret:"
    if source.find:
        yield Grant("secretsmanager:ListSecrets", "*")
        yield Grant("secretsmanager:BatchGetSecretValue", "*")
        yield Grant("secretsmanager:GetSecretValue", f"{base}{source.prefix}*", tuple(sorted(source.tags.items())))
        return
    action = "secretsmanager:DescribeSecret" if source.metadata else "secretsmanager:GetSecretValue"
    if source.identifier.startswith("arn:") and len(source.names) > 1:
        # Suffix or part of the name: either.
        yield Grant(action, f"{base}{source.names[1]}")
    yield Grant(action, f"{base}{source.names[-1]}-??????")


def _of_parameter(source: Source) -> Iterator[Grant]:
    base = f"arn:{_owner(source, 'ssm')}:parameter/"
    if source.find:
        yield Grant("ssm:DescribeParameters", "*")
        tags = tuple(sorted(source.tags.items()))
        yield Grant("ssm:GetParameters", f"{base}{source.prefix.lstrip('/')}*", tags)
        return
    if source.metadata:
        yield Grant("ssm:ListTagsForResource", f"{base}{source.names[0]}")
        return
    yield Grant("ssm:GetParameter", f"{base}{source.names[0]}")
    if not (source.account or source.failover):
        yield Grant("ssm:GetParameters", f"{base}{source.names[0]}")  # several are read by one call


def _owner(source: Source, service: str) -> str:
    """Return partition, service, region and account of an ARN."""
    arn = source.identifier.split(":", 6)
    if arn[0] == "arn":
        return ":".join([arn[1], service, *arn[3:5]])
    return f"${{AWS::Partition}}:{service}:{source.region or '${AWS::Region}'}:${{AWS::AccountId}}"


def is_unbounded(source: Source) -> bool:
    """Return whether reading a source takes the right to read all secrets, or all parameters, of the account."""
    bounds = source.prefix.strip("/") or source.tags or source.role
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
