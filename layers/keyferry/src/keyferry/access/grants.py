"""What the roles of the functions need in AWS, as grants: to read sources, to list their versions, to sign in."""

from collections import Counter
from collections.abc import Iterable, Iterator
from operator import attrgetter

from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Cluster
from keyferry.model import Place
from keyferry.role import Role, chain_key
from keyferry.stores.grant import Grant
from keyferry.stores.source import Source


def list_source_grants(catalog: Catalog) -> list[Grant]:
    """Return the grants for reading the sources of all mappings that go to a cluster, sorted by resource."""
    return sort_grants(
        grant
        for mapping in catalog.mappings.values()
        if catalog.clusters_of(mapping)
        for grant in _list_mapping_grants(catalog, mapping)
    )


def list_version_grants(catalog: Catalog) -> list[Grant]:
    """Return the grants for listing versions of sources, which sweeps compare. None of them reads a value."""
    return sort_grants(
        grant
        for mapping in catalog.mappings.values()
        if catalog.clusters_of(mapping)
        for source in mapping.spec.sources.values()
        if not source.role
        for grant in source.store.get_listing_grants(source)
    )


def list_cluster_grants(catalog: Catalog) -> list[Grant]:
    """Return the grants for signing in to the clusters that mappings go to, sorted by resource."""
    grants = set[Grant]()
    for cluster in catalog.used_clusters:
        grants.add(_assume_role_grant(cluster.roles[0]) if cluster.roles else describe_grant(cluster))
    return sort_grants(grants)


def describe_grant(cluster: Cluster) -> Grant:
    """Return the grant to ask EKS where a cluster is."""
    eks = cluster.eks
    return Grant("eks:DescribeCluster", f"arn:${{AWS::Partition}}:eks:{eks.region}:{eks.account}:cluster/{eks.name}")


def sort_grants(grants: Iterable[Grant]) -> list[Grant]:
    """Return grants without duplicates; those on one resource are neighbours."""
    return sorted(set(grants), key=attrgetter("resource", "conditions", "action"))


def _list_mapping_grants(catalog: Catalog, mapping: SecretMapping) -> Iterator[Grant]:
    """Yield the grants for reading the sources of a mapping, at all of its places."""
    batched = list_batched(mapping)
    for alias, source in mapping.spec.sources.items():
        prefixes = catalog.list_prefixes(mapping, alias)
        named = (replica.with_name(prefix) for replica in (source, *source.replicas) for prefix in prefixes)
        for resolved in named if prefixes else resolve(catalog, mapping, source):
            yield from list_grants(resolved)
            if alias in batched and not source.role:
                yield from resolved.store.get_batch_grants(resolved)


def list_batched(mapping: SecretMapping) -> set[str]:
    """Return the aliases of the sources that are read several by one call: of one store and region, with one role."""
    batches = {
        alias: (source.store_name, source.home_region, chain_key(source.role))
        for alias, source in mapping.spec.sources.items()
        if list(source.store.get_batch_grants(source))
    }
    sizes = Counter(batches.values())
    return {
        alias
        for alias, batch in batches.items()
        if sizes[batch] > 1 or "namespace" in mapping.spec.sources[alias].placeholders
    }


def resolve_sources(catalog: Catalog) -> Iterator[Source]:
    """Yield the sources of all mappings for each place that a mapping goes to."""
    for mapping in catalog.mappings.values():
        for source in mapping.spec.sources.values():
            yield from resolve(catalog, mapping, source)


def resolve(catalog: Catalog, mapping: SecretMapping, source: Source) -> Iterator[Source]:
    """Yield a source for each of a mapping's places.

    A namespace that is chosen by labels alone can have any name: it counts as `*`.
    """
    patterns = {name for selector in mapping.spec.namespace_selectors for name in selector.names or ["*"]}
    namespaces = ["*"] if "*" in patterns else sorted({*patterns, *mapping.spec.namespace_names})
    for cluster in catalog.clusters_of(mapping):
        for namespace in namespaces if "namespace" in source.placeholders else namespaces[:1]:
            yield source.resolve(Place(cluster.name, namespace))


def list_grants(source: Source) -> Iterator[Grant]:
    """Yield the grants for reading one source by a call of its own, in each of its regions.

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
