"""Everything that a deployment knows, its compiled mappings and clusters, and which of them a change concerns."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property

from pydantic import Field

from keyferry.errors import UnknownName
from keyferry.mapping import SecretMapping
from keyferry.model import CURRENT, PREVIOUS, Change, Delivery, Record, Service
from keyferry.source import Source
from keyferry.targets import Cluster, Selector


class Catalog(Record):
    """Everything that a deployment knows: the compiled mappings and clusters."""

    mappings: dict[str, SecretMapping] = Field(default_factory=dict)
    clusters: dict[str, Cluster] = Field(default_factory=dict)

    def deliveries(self, change: Change) -> list[Delivery]:
        """Return one delivery for each (mapping, cluster) that the change concerns; none where nothing names it."""
        return [
            Delivery(
                mapping=name,
                cluster=cluster.name,
                event_id=change.event_id,
                time=change.time,
                versions=_expected(self.mappings[name], found, change.version),
            )
            for name, found in self._aliases_of(change).items()
            for cluster in self.targets(self.mappings[name])
        ]

    def targets(self, mapping: SecretMapping) -> list[Cluster]:
        """Return the clusters of a mapping, in the order of their names."""
        chosen = mapping.spec.clusters
        if isinstance(chosen, Selector):
            return sorted((c for c in self.clusters.values() if chosen.matches(c.labels)), key=lambda c: c.name)
        return [self.clusters[name] for name in sorted(set(chosen)) if name in self.clusters]

    def find(self, mapping: str, cluster: str) -> tuple[SecretMapping, Cluster]:
        """Return both by name.

        Raises:
            UnknownName: this deployment does not have one of them, or the mapping no longer names the cluster.
        """
        known = self.mappings.get(mapping)
        if known is None:
            raise UnknownName(f"mapping {mapping} is not among this deployment's mappings")
        target = next((c for c in self.targets(known) if c.name == cluster), None)
        if target is None:
            raise UnknownName(f"mapping {mapping} has no cluster {cluster} in this deployment")
        return known, target

    def _aliases_of(self, change: Change) -> Mapping[str, set[str]]:
        """Return mapping → its sources that the change concerns."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for name in change.names:
            for mapping, alias in self._index.get((change.service, name), ()):
                source = self.mappings[mapping].spec.sources[alias]
                if change.label in (None, _moves_with(source)):
                    found[mapping].add(alias)
        return dict(sorted(found.items()))

    @cached_property
    def _index(self) -> Mapping[tuple[Service, str], list[tuple[str, str]]]:
        """(service, name) → (mapping, source): a look-up whose time does not depend on their number."""
        index: defaultdict[tuple[Service, str], list[tuple[str, str]]] = defaultdict(list)
        for mapping in self.mappings.values():
            for alias, source in mapping.spec.sources.items():
                for name in source.names:
                    index[source.service, name].append((mapping.name, alias))
        return index


def _expected(mapping: SecretMapping, aliases: Iterable[str], version: str | None) -> dict[str, str]:
    """Return the version that each source should show by now; none for one that reads a fixed version."""
    sources = mapping.spec.sources
    follow = [alias for alias in sorted(aliases) if not sources[alias].version and sources[alias].label != PREVIOUS]
    return {alias: version for alias in follow if version}


def _moves_with(source: Source) -> str:
    """Return the label whose move changes what a source shows. AWSPREVIOUS follows AWSCURRENT, and has no event."""
    return CURRENT if source.label in (None, PREVIOUS) else source.label


def collect(mappings: Iterable[SecretMapping], clusters: Iterable[Cluster]) -> Catalog:
    """Return the whole of a folder of mappings.

    Raises:
        ValueError: a name is used twice, or a mapping names a cluster that does not exist.
    """
    whole = Catalog(mappings=_by_name(mappings, "mapping"), clusters=_by_name(clusters, "cluster"))
    for mapping in whole.mappings.values():
        if not isinstance(mapping.spec.clusters, Selector):
            for name in mapping.spec.clusters:
                if name not in whole.clusters:
                    raise ValueError(f"mapping {mapping.name} names cluster {name}, which clusters.yaml does not have")
    return whole


def _by_name[T: (SecretMapping, Cluster)](items: Iterable[T], noun: str) -> dict[str, T]:
    found: dict[str, T] = {}
    for item in items:
        if item.name in found:
            raise ValueError(f"two {noun}s are called {item.name}")
        found[item.name] = item
    return dict(sorted(found.items()))
