"""Everything that a deployment knows, its compiled mappings and clusters, and which of them a change concerns."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from pydantic import Field

from keyferry.errors import UnknownName
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Cluster, Selector
from keyferry.model import Change, Delivery, Record, StoreName
from keyferry.stores.source import Source


@dataclass(frozen=True)
class Match:
    """A source that a change names."""

    mapping: SecretMapping
    alias: str
    namespace: str | None = None
    """The one namespace that is concerned; all where it is None."""
    cluster: str | None = None
    """The one cluster that is concerned; all where it is None."""

    @property
    def source(self) -> Source:
        """The source, as the mapping has it."""
        return self.mapping.spec.sources[self.alias]

    def concerns(self, cluster: str) -> bool:
        """Return whether it is about a cluster, and a namespace that the mapping can reach."""
        return self.cluster in (None, cluster) and self.mapping.spec.can_reach(self.namespace)


class Catalog(Record):
    """Everything that a deployment knows: the compiled mappings and clusters."""

    mappings: dict[str, SecretMapping] = Field(default_factory=dict)
    clusters: dict[str, Cluster] = Field(default_factory=dict)

    def deliveries(self, change: Change) -> list[Delivery]:
        """Return one delivery for each (mapping, cluster) that the change concerns; none where nothing names it."""
        found: defaultdict[str, list[Match]] = defaultdict(list)
        for match in self.matches(change):
            if change.label in (None, match.source.watched_label):
                found[match.mapping.name].append(match)
        return [
            _delivery(change, cluster.name, concerned)
            for name, matches in sorted(found.items())
            for cluster in self.targets(self.mappings[name])
            if (concerned := [each for each in matches if each.concerns(cluster.name)])
        ]

    def matches(self, change: Change) -> Iterator[Match]:
        """Yield each source that a change names, whichever label it moves."""
        found: dict[tuple[str, str], Match] = {}
        for name in change.names:
            for mapping, alias in self._candidates(change.store, name):
                stands = self.mappings[mapping].spec.sources[alias].match_event_name(name)
                if stands is not None:
                    found.setdefault((mapping, alias), Match(self.mappings[mapping], alias, **stands))
        yield from (found[each] for each in sorted(found))

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

    def _candidates(self, store: StoreName, name: str) -> Iterator[tuple[str, str]]:
        """Yield (mapping, source) of those whose names begin and end as this one does: as many look-ups as it has ends,
        however many mappings there are.
        """
        for length in range(len(name) + 1):
            by_end = self._index.get((store, name[:length]), {})
            for end in {name[start:] for start in range(length, len(name) + 1)} if by_end else ():
                yield from by_end.get(end, ())

    @cached_property
    def _index(self) -> Mapping[tuple[StoreName, str], Mapping[str, list[tuple[str, str]]]]:
        """(store, beginning of the name) → end of the name → (mapping, source)."""
        index: dict[tuple[StoreName, str], dict[str, list[tuple[str, str]]]] = {}
        for mapping in self.mappings.values():
            for alias, source in mapping.spec.sources.items():
                for beginning, end in source.event_name_ends:
                    by_end = index.setdefault((source.store_name, beginning), {})
                    by_end.setdefault(end, []).append((mapping.name, alias))
        return index


def _delivery(change: Change, cluster: str, concerned: Iterable[Match]) -> Delivery:
    """Return the delivery of one mapping to a cluster: of one namespace, where that is all that is concerned."""
    matches = list(concerned)
    namespaces = {match.namespace for match in matches}
    return Delivery(
        mapping=matches[0].mapping.name,
        cluster=cluster,
        namespace=namespaces.pop() if len(namespaces) == 1 else None,
        event_id=change.event_id,
        time=change.time,
        versions=_expected(matches, change.version),
        deleted=sorted(each.alias for each in matches) if change.kind == "deleted" else [],
    )


def _expected(matches: Iterable[Match], version: str | None) -> dict[str, str]:
    """Return the version that each source should show by now; none for one that shows another, or more than that."""
    follow = sorted(each.alias for each in matches if each.source.reads_event_version)
    return {alias: version for alias in follow if version}


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
