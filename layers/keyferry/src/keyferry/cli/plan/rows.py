"""What a stack says of its targets, for looking up (`keyferry.pipeline.status`)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keyferry.cli.failures import format_minute
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
                of that, and when it `failed`.
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
        rows: defaultdict[tuple[str, str, str], dict[str, Row]] = defaultdict(dict)
        for (mapping, cluster), reason in self._reasons.items():
            rows["not known of", reason, ""][f"mapping {mapping} on {cluster}"] = {}
        for secret, row in self._by_secret.items():
            if row["state"] in _OPEN:
                key = _OPEN[row["state"]], row.get("why", "not known"), row.get("error", "")
                rows[key]["/".join(secret)] = row
        return [_describe_open(what, why, known) for (what, why, _), known in rows.items()]


def _describe_open(what: str, why: str, rows: Mapping[str, Row]) -> str:
    """Return a note about targets with one reason and one error, which failed last when the latest of them did.

    Args:
        what: how the note begins.
        why: the reason.
        rows: name of a target → what the stack says of it.
    """
    latest = max(rows.values(), key=lambda row: str(row.get("failed", "")))
    reasons = "; ".join(filter(None, [why, describe_failure(latest)]))
    return f"{what} {join(list(rows), limit=1)}: {reasons}"


def describe_failure(row: Row) -> str:
    """Return when the last delivery of a target failed, and how; empty where it did not, or it is not known."""
    return f"the last delivery failed at {format_minute(row['failed'])}: {row['error']}" if "error" in row else ""


def _name_choice(mapping: SecretMapping) -> str:
    return mapping.spec.model_dump_json(include={"namespaces"}, exclude_defaults=True)


def _identify(source: Source, place: Place) -> str:
    return source.resolve(place).model_dump_json(exclude_defaults=True)
