"""What a stack says of its targets, for looking up (`keyferry.pipeline.status`)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from keyferry.cli.output.words import join
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Place
from keyferry.stores.source import Source

type Row = dict[str, Any]
"""What the stack says of one target."""
type Secret = tuple[str, str, str]
"""Cluster, namespace and name of a Secret."""
_OPEN = {"unknown": "not known of", "conflict": "conflict of"}
"""State of a target of which a plan says nothing more → how a note about it begins."""


class StackRows:
    """The targets of a stack."""

    def __init__(self, deployed: Catalog, rows: Iterable[Row]) -> None:
        """Look at all rows once.

        Args:
            deployed: the mappings and clusters of the stack. A cluster that is renamed has its new name, by which it is
                asked for, under the key of its old one.
            rows: what the stack says of its targets, by the old names; one whose last delivery failed with the `error`
                of that.
        """
        self._deployed = deployed
        self._by_secret: dict[Secret, Row] = {}
        self._namespaces: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._versions: dict[str, str] = {}
        self._reasons: dict[tuple[str, str], str] = {}
        for row in rows:
            self._add(row)
        self._choices = {
            (cluster.name, _name_choice(mapping)): self._namespaces[mapping.name, cluster.name]
            for mapping in deployed.mappings.values()
            for cluster in deployed.clusters_of(mapping)
            if mapping.spec.namespace_selectors and not self.get_reason(mapping.name, cluster.name)
        }

    def _add(self, row: Row) -> None:
        mapping, namespace = self._deployed.mappings.get(row["mapping"]), row["namespace"]
        known = self._deployed.clusters.get(row["cluster"])  # a release that tells no deployment may have had others
        cluster = known.name if known else row["cluster"]
        if not namespace:
            self._reasons[row["mapping"], cluster] = row.get("why", "not known")
        elif mapping:
            self._by_secret[cluster, namespace, row["secret"]] = row
            self._namespaces[mapping.name, cluster].add(namespace)
            for source in row["sources"]:
                read = mapping.spec.sources.get(source["alias"])
                if read and "wanted" in source:  # it was read by the old name of the cluster
                    self._versions[_identify(read, Place(row["cluster"], namespace))] = source["wanted"]

    def get(self, secret: Secret) -> Row | None:
        """Return what is said of a Secret; None if it belongs to no target of the stack, or its cluster is away."""
        return self._by_secret.get(secret)

    def get_reason(self, mapping: str, cluster: str) -> str:
        """Return why the stack could not list the targets of a mapping on a cluster; empty if it could."""
        return self._reasons.get((mapping, cluster), "")

    def list_namespaces(self, mapping: SecretMapping, cluster: str) -> set[str]:
        """Return the namespaces of a deployed mapping on a cluster of its, as far as they are known."""
        return self._namespaces[mapping.name, cluster] | set(mapping.spec.namespace_names)

    def find_choice(self, mapping: SecretMapping, cluster: str) -> set[str] | None:
        """Return the namespaces that a deployed mapping with the same choice goes to; None if none has it."""
        return self._choices.get((cluster, _name_choice(mapping)))

    def list_versions(self, mapping: SecretMapping, place: Place) -> dict[str, str]:
        """Return alias → current version of those sources of a mapping that the stack reads too."""
        versions = {alias: self._versions.get(_identify(each, place)) for alias, each in mapping.spec.sources.items()}
        return {alias: version for alias, version in versions.items() if version}

    def list_unknown(self) -> Sequence[str]:
        """Return what the stack does not know of its targets, and which conflicts stay, each reason once."""
        names: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for (mapping, cluster), reason in self._reasons.items():
            names["not known of", reason].append(f"mapping {mapping} on {cluster}")
        for secret, row in self._by_secret.items():
            if row["state"] in _OPEN:
                why = "; ".join(filter(None, [row.get("why", "not known"), describe_failure(row)]))
                names[_OPEN[row["state"]], why].append("/".join(secret))
        return [f"{what} {join(named, limit=1)}: {why}" for (what, why), named in names.items()]


def describe_failure(row: Row) -> str:
    """Return that the last delivery of a target failed, and how; empty where it did not, or nothing is known of it."""
    return f"the last delivery failed: {row['error']}" if "error" in row else ""


def _name_choice(mapping: SecretMapping) -> str:
    return mapping.spec.model_dump_json(include={"namespaces"}, exclude_defaults=True)


def _identify(source: Source, place: Place) -> str:
    return source.resolve(place).model_dump_json(exclude_defaults=True)
