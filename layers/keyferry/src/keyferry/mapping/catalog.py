"""The catalogue: all mappings and clusters of a deployment, and which of them a change concerns."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Self

from pydantic import Field, model_validator

from keyferry.errors import CLUSTER, ENVIRONMENT, ClusterUnavailable, KeyferryError, UnknownName, WrongCluster
from keyferry.mapping.mapping import SecretMapping, Workload
from keyferry.mapping.origin import Origin
from keyferry.mapping.stack import StackNames
from keyferry.mapping.targets import Cluster, Selector
from keyferry.mapping.verdict import Verdict
from keyferry.model import Change, Delivery, Record, StoreName
from keyferry.stores.source import Source


@dataclass(frozen=True)
class Match:
    """A source of a mapping that reads the secret or parameter of a change."""

    mapping: SecretMapping
    alias: str
    namespace: str | None = None
    """The only namespace that the change concerns; None for all namespaces of the mapping."""
    cluster: str | None = None
    """The only cluster that the change concerns; None for all clusters of the mapping."""

    @property
    def source(self) -> Source:
        """The source, with its placeholders."""
        return self.mapping.spec.sources[self.alias]

    def concerns(self, cluster: str) -> bool:
        """Return whether the change concerns a cluster, and a namespace that the mapping can write to."""
        return self.cluster in (None, cluster) and self.mapping.spec.can_write_to(self.namespace)


class Catalog(Record):
    """All mappings and clusters of a deployment."""

    mappings: dict[str, SecretMapping] = Field(default_factory=dict)
    """Name → mapping."""
    clusters: dict[str, Cluster] = Field(default_factory=dict)
    """Name → cluster."""
    stack: StackNames = Field(default_factory=StackNames)
    """The names of the stack in the clusters."""
    verdicts: dict[str, Verdict] = Field(default_factory=dict)
    """Name of a mapping → what the policy leaves to its deliveries; a mapping without one is not limited."""
    folder: str = ""
    """The folder of the files, for messages."""
    origins: dict[str, Origin] = Field(default_factory=dict)
    """Name of a mapping → where it is in the files."""
    cluster_origins: dict[str, Origin] = Field(default_factory=dict, alias="clusterOrigins")
    """Name of a cluster → where it is in the files."""

    @model_validator(mode="after")
    def _identify_mappings(self) -> Self:
        identity = self.stack.identity
        for name, mapping in self.mappings.items():
            self.mappings[name] = mapping.identify(identity)
        return self

    def deliveries_of(self, change: Change) -> list[Delivery]:
        """Return the deliveries that a change leads to: one for each mapping and cluster that it concerns."""
        matches_by_mapping: defaultdict[str, list[Match]] = defaultdict(list)
        for match in self.matches_of(change):
            if change.label in (None, match.source.watched_label):
                matches_by_mapping[match.mapping.name].append(match)
        return [
            _make_delivery(change, cluster.name, concerned)
            for name, matches in sorted(matches_by_mapping.items())
            for cluster in self.clusters_of(self.mappings[name])
            if (concerned := [match for match in matches if match.concerns(cluster.name)])
        ]

    def matches_of(self, change: Change) -> Iterator[Match]:
        """Yield every source that reads the secret or parameter of a change, whichever label has moved."""
        matches: dict[tuple[str, str], Match] = {}
        for name in change.names:
            for mapping, alias in self._look_up(change.store, name):
                source = self.mappings[mapping].spec.sources[alias]
                placeholders = source.match_event_name(name)
                if placeholders is not None and source.can_be_in(change.account):
                    matches.setdefault((mapping, alias), Match(self.mappings[mapping], alias, **placeholders))
        yield from (matches[key] for key in sorted(matches))

    def clusters_of(self, mapping: SecretMapping) -> list[Cluster]:
        """Return the clusters that a mapping writes to, sorted by name. Names of unknown clusters are left out."""
        chosen = mapping.spec.clusters
        if isinstance(chosen, Selector):
            return sorted((c for c in self.clusters.values() if chosen.matches(c.labels)), key=lambda c: c.name)
        return [self.clusters[name] for name in sorted(set(chosen)) if name in self.clusters]

    def mappings_on(self, cluster: Cluster) -> list[SecretMapping]:
        """Return the mappings that write to a cluster."""
        return [mapping for mapping in self.mappings.values() if cluster in self.clusters_of(mapping)]

    def namespaces_on(self, cluster: Cluster) -> list[str]:
        """Return the namespaces of a cluster that mappings name, sorted."""
        return sorted({name for mapping in self.mappings_on(cluster) for name in mapping.spec.namespace_names})

    def namespaces_beside(self, cluster: Cluster, namespace: str) -> set[str]:
        """Return the namespaces of a cluster that mappings name which do not name this one: what it may mean."""
        own = [mapping.spec.namespace_names for mapping in self.mappings_on(cluster)]
        with_it = {name for names in own if namespace in names for name in names}
        return set(self.namespaces_on(cluster)) - with_it

    def workloads_beside(self, cluster: Cluster, mapping: str, namespace: str) -> set[Workload]:
        """Return the workloads that other mappings restart by name in a namespace: what a missing one may mean."""
        return {
            workload
            for other in self.mappings_on(cluster)
            if other.name != mapping and isinstance(other.spec.restart, list) and other.spec.can_write_to(namespace)
            for workload in other.spec.restart
        }

    def list_prefixes(self, mapping: SecretMapping, alias: str) -> list[str]:
        """Return the patterns of names that IAM grants in place of a source's own names; none where it grants these."""
        verdict = self.verdicts.get(mapping.name)
        return verdict.prefixes.get(alias, []) if verdict else []

    @cached_property
    def digest(self) -> str:
        """A digest of all that deliveries and rights go by. Where that is in the files, and its order, are no part."""
        places = {"folder", "origins", "cluster_origins"}
        document = self.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=places)
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def used_clusters(self) -> list[Cluster]:
        """The clusters that a mapping writes to, sorted by name: others may only be planned."""
        used = {cluster.name: cluster for mapping in self.mappings.values() for cluster in self.clusters_of(mapping)}
        return [used[name] for name in sorted(used)]

    def get(self, mapping: str, cluster: str) -> tuple[SecretMapping, Cluster]:
        """Return a mapping and one of its clusters by their names.

        Raises:
            UnknownName: this deployment has no such mapping, or the mapping does not write to such a cluster.
        """
        known_mapping = self.mappings.get(mapping)
        if known_mapping is None:
            raise UnknownName(f"mapping {mapping} is not among this deployment's mappings")
        known_cluster = next((c for c in self.clusters_of(known_mapping) if c.name == cluster), None)
        if known_cluster is None:
            raise UnknownName(f"mapping {mapping} has no cluster {cluster} in this deployment")
        return known_mapping, known_cluster

    def locate(self, mapping: str, cluster: str, error: KeyferryError) -> str:
        """Return file and line of what an error of a delivery is about, as `mappings/db.yaml:12`.

        Args:
            mapping: the name of the mapping.
            cluster: the name of the cluster. Errors of a cluster are about its entry in clusters.yaml.
            error: the error.

        Returns:
            The place; empty where it is not known, and for what is wrong with the environment.
        """
        if isinstance(error, ENVIRONMENT):
            return ""
        is_of_cluster = error.part == CLUSTER or isinstance(error, ClusterUnavailable | WrongCluster)
        origin = self.cluster_origins.get(cluster) if is_of_cluster else self.origins.get(mapping)
        if origin is None:
            return ""
        at = origin.locate() if is_of_cluster else origin.locate(error.part, error.template_line)
        return str(PurePosixPath(self.folder, at))

    def locate_mapping(self, name: str) -> str:
        """Return file and line of a mapping, as `mappings/db.yaml:1`; empty where they are not known."""
        origin = self.origins.get(name)
        return str(PurePosixPath(self.folder, origin.locate())) if origin else ""

    def _look_up(self, store: StoreName, name: str) -> Iterator[tuple[str, str]]:
        """Yield (mapping, alias) of the sources whose names start and end like this one.

        The number of look-ups depends on the length of the name, not on the number of mappings.
        """
        for length in range(len(name) + 1):
            by_end = self._index.get((store, name[:length]), {})
            for end in {name[start:] for start in range(length, len(name) + 1)} if by_end else ():
                yield from by_end.get(end, ())

    @cached_property
    def _index(self) -> Mapping[tuple[StoreName, str], Mapping[str, list[tuple[str, str]]]]:
        """(store, beginning of the name) → end of the name → (mapping, alias)."""
        index: dict[tuple[StoreName, str], dict[str, list[tuple[str, str]]]] = {}
        for mapping in self.mappings.values():
            for alias, source in mapping.spec.sources.items():
                for beginning, end in source.event_name_ends:
                    by_end = index.setdefault((source.store_name, beginning), {})
                    by_end.setdefault(end, []).append((mapping.name, alias))
        return index


def _make_delivery(change: Change, cluster: str, matches: Sequence[Match]) -> Delivery:
    """Return the delivery of one mapping to a cluster; to a single namespace, if the change concerns only that."""
    namespaces = {match.namespace for match in matches}
    return Delivery(
        mapping=matches[0].mapping.name,
        cluster=cluster,
        namespace=namespaces.pop() if len(namespaces) == 1 else None,
        event_id=change.event_id,
        time=change.time,
        versions=_expected_versions(matches, change.version),
        deleted=sorted(match.alias for match in matches) if change.kind == "deleted" else [],
    )


def _expected_versions(matches: Iterable[Match], version: str | None) -> dict[str, str]:
    """Return alias → version id that the event names, for the sources that read the event's version."""
    aliases = sorted(match.alias for match in matches if match.source.reads_event_version)
    return {alias: version for alias in aliases if version}


def build_catalog(
    mappings: Iterable[SecretMapping], clusters: Iterable[Cluster], stack: StackNames | None = None
) -> Catalog:
    """Return the catalogue of some mappings and clusters.

    Args:
        mappings: the mappings.
        clusters: the clusters that they name.
        stack: the names of the stack; those with the prefix `keyferry` by default.

    Raises:
        ValueError: two have the same name, or a mapping names a cluster that does not exist.
    """
    catalog = Catalog(
        mappings=_index_by_name(mappings, "mapping"),
        clusters=_index_by_name(clusters, "cluster"),
        stack=stack or StackNames(),
    )
    for mapping in catalog.mappings.values():
        if not isinstance(mapping.spec.clusters, Selector):
            for name in mapping.spec.clusters:
                if name not in catalog.clusters:
                    raise ValueError(f"mapping {mapping.name} names cluster {name}, which clusters.yaml does not have")
    return catalog


def _index_by_name[T: (SecretMapping, Cluster)](items: Iterable[T], noun: str) -> dict[str, T]:
    by_name: dict[str, T] = {}
    for item in items:
        if item.name in by_name:
            raise ValueError(f"two {noun}s are called {item.name}")
        by_name[item.name] = item
    return dict(sorted(by_name.items()))
