"""What the mappings of some stacks name in a cluster: the Secrets that they write, and what is generated for them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from keyferry.access.rbac import build_rbac, identify
from keyferry.cli.orphans.stamps import Stamped
from keyferry.identity import DEFAULT_PREFIX, Identity
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Cluster, Eks
from keyferry.wording import abridge

MAX_NAME = 300
"""How much of a name in a journal is shown: a mapping's has 253 characters at most, a prefix 40."""

type Namespaces = Mapping[str, Mapping[str, str]]
"""Name of a namespace → its labels."""
type GeneratedName = tuple[str, str, str]
"""Kind, namespace (empty for none) and name of an object."""


def split_journal_name(text: str) -> tuple[str, str]:
    """Return the prefix of the stack, and the name of the mapping, that the journal of a Secret names."""
    prefix, colon, mapping = abridge(text, MAX_NAME).partition(":")  # anybody may have written it
    return (prefix, mapping) if colon else (DEFAULT_PREFIX, prefix)


def list_clusters(catalogs: Iterable[Catalog]) -> list[Cluster]:
    """Return the clusters of some catalogues, sorted by name; one that several have, as the first has it.

    Where a name has moved to another cluster, the one that a later catalogue calls so is called by account,
    region and name in EKS: what is said and deleted by a name is of one cluster.
    """
    known: dict[Eks, Cluster] = {}
    for catalog in catalogs:
        for cluster in catalog.clusters.values():
            is_taken = cluster.name in {each.name for each in known.values()}
            renamed = cluster.model_copy(update={"name": str(cluster.eks)}) if is_taken else cluster
            known.setdefault(cluster.eks, renamed)
    return sorted(known.values(), key=lambda cluster: cluster.name)


class Names:
    """What some catalogues name in one cluster."""

    def __init__(self, catalogs: Sequence[Catalog], cluster: Cluster, namespaces: Namespaces | None) -> None:
        """Look at a cluster.

        Args:
            catalogs: the catalogues: of the folder, and of what is deployed.
            cluster: the cluster.
            namespaces: its namespaces; None where they are not known. A choice of namespaces counts as one of every
                namespace that is not known, and whose name it allows.
        """
        self._cluster, self._namespaces = cluster, namespaces
        # Two catalogues may call one cluster by two names.
        self._pairs = [(catalog, same) for catalog in catalogs for same in _list_same(catalog, cluster)]
        self.prefixes = frozenset(catalog.stack.prefix for catalog in catalogs)
        """The prefixes of the stacks."""
        self._all = [mapping for catalog in catalogs for mapping in catalog.mappings.values()]

    @cached_property
    def generated(self) -> frozenset[GeneratedName]:
        """The objects that are generated for the cluster.

        Raises:
            InvalidInput: an admission policy would be more than an API server takes.
        """
        objects = [raw for catalog, same in self._pairs for raw in build_rbac(catalog, same)]
        return frozenset(map(identify, objects))

    @property
    def is_used(self) -> bool:
        """Whether a mapping writes to the cluster."""
        return bool(self._writing)

    def names_secret(self, namespace: str, name: str) -> bool:
        """Return whether a mapping writes a Secret of this name to the namespace."""
        return any(mapping.spec.secret.name == name and self._chooses(mapping, namespace) for mapping in self._writing)

    @property
    def stamp_domains(self) -> frozenset[str]:
        """The domains of the stamps of the stacks."""
        return frozenset(Identity(prefix).stamp_domain for prefix in self.prefixes)

    def restarts(self, stamped: Stamped, stamp: str) -> bool:
        """Return whether a mapping restarts a workload by a stamp."""
        return any(
            stamp in mapping.stamp_keys and _restarts(mapping, stamped) and self._chooses(mapping, stamped.namespace)
            for mapping in self._writing
        )

    def explain(self, journal_name: str, namespace: str, secret: str) -> str:
        """Return why a Secret is left over whose journal names a mapping so."""
        known = [one for one in self._all if journal_name in one.journal_names]
        _, mapping = split_journal_name(journal_name)
        if not known:
            return f"no mapping is called {mapping} any more"
        here = [one for one in known if one in self._writing]
        if not here:
            return f"mapping {mapping} no longer goes to this cluster"
        if not any(self._chooses(one, namespace) for one in here):
            return f"mapping {mapping} no longer chooses this namespace"
        return f"mapping {mapping} writes Secret {here[0].spec.secret.name} in place of {secret}"

    @cached_property
    def _writing(self) -> list[SecretMapping]:
        return [mapping for catalog, same in self._pairs for mapping in catalog.mappings_on(same)]

    def _chooses(self, mapping: SecretMapping, namespace: str) -> bool:
        spec, labels = mapping.spec, (self._namespaces or {}).get(namespace)
        if labels is None:  # not known, or made since
            return spec.can_write_to(namespace)
        return namespace in spec.namespace_names or any(
            selector.matches_name(namespace) and selector.matches(labels) for selector in spec.namespace_selectors
        )


def _list_same(catalog: Catalog, cluster: Cluster) -> Iterator[Cluster]:
    yield from (one for one in catalog.clusters.values() if one.eks == cluster.eks)


def _restarts(mapping: SecretMapping, stamped: Stamped) -> bool:
    restart = mapping.spec.restart
    if isinstance(restart, list):
        return stamped.name in map(str, restart)
    return restart == "auto" and mapping.spec.secret.name in stamped.secrets
