"""The Secrets that a folder of mappings gains, loses or writes, by what the stack says of its own targets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from keyferry.cli.plan.changes import describe_content, name_workloads, pair_mappings
from keyferry.cli.plan.document import TargetChange
from keyferry.cli.plan.rows import Row, Secret, StackRows, describe_failure
from keyferry.delivery.desired import compute_revision
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Cluster
from keyferry.model import Expected, Place

_WILL = {"gone": "create", "stale": "update", "restart due": "restart"}
"""State of a target → what a delivery does to it, where the mapping stays as it is."""
_CONTENT = {"gone": "changes", "stale": "may change", "restart due": "stays"}
"""State of a target → what becomes of its content then."""
_TAKEN = (
    "it is mapping {0}'s: say metadata.previousNames [{0}] where this is that mapping, or policies.conflict: takeOver"
)


@dataclass
class Comparison:
    """What comes of the comparison of targets."""

    changes: list[TargetChange] = field(default_factory=list)
    unchanged: int = 0
    """How many targets are known to be as the folder asks, and stay so."""
    unknown: int = 0
    """Of how many targets without a change it is not known whether they are."""
    contested: int = 0
    """How many targets without a change have a conflict, and stay so."""
    notes: list[str] = field(default_factory=list)
    """What cannot be known without asking the clusters."""


@dataclass(frozen=True)
class _Pair:
    """A mapping of the folder on one cluster, and the deployed one that it continues."""

    after: SecretMapping
    before: SecretMapping | None
    is_moved: bool = False
    """Whether the cluster is deployed under another name, and the Secret can have that name in it."""

    @cached_property
    def revision(self) -> str:
        return compute_revision(self.after)

    @cached_property
    def is_changed(self) -> bool:
        """Whether deliveries write something for it that they do not write for the deployed one."""
        return self.before is None or self.is_moved or self._is_other

    @cached_property
    def _is_other(self) -> bool:
        """Whether it asks for something else than the deployed mapping, by its name or its spec."""
        before, after = self.before, self.after
        return before is not None and (before.journal_names[0], compute_revision(before)) != (
            after.journal_names[0],
            self.revision,
        )

    @cached_property
    def content(self) -> str:
        content = describe_content(self.before, self.after) if self.before else "may change"
        return "may change" if content == "stays" and self.is_moved else content

    @cached_property
    def why(self) -> str:
        """Why deliveries write something else for it."""
        if self.before is None:
            return "the mapping takes it over"
        changed = ["the mapping has changed"] if self._is_other else []
        return "; ".join([*changed, *(["the cluster has another name"] if self.is_moved else [])])


def compare_targets(folder: Catalog, deployed: Catalog, rows: Sequence[Row]) -> Comparison:
    """Return the targets that the folder gains, loses or writes.

    Args:
        folder: the mappings of the folder.
        deployed: those of the stack. A cluster that is renamed has its new name, under the key of its old one.
        rows: what the stack says of its targets; one whose last delivery failed with the `error` of that, and when it
            `failed`.
    """
    comparison = _TargetComparison(folder, deployed, StackRows(deployed, rows))
    comparison.run()
    return comparison.result


class _TargetComparison:
    def __init__(self, folder: Catalog, deployed: Catalog, known: StackRows) -> None:
        self.result = Comparison(notes=[*known.list_unknown()])
        self._folder, self._deployed, self._known = folder, deployed, known
        self._kept = set[Secret]()
        """The Secrets that the folder writes."""
        self._renamed = {cluster.name for name, cluster in deployed.clusters.items() if name != cluster.name}

    def run(self) -> None:
        pairs = list(pair_mappings(self._folder, self._deployed))
        for after, before in pairs:
            if after:
                for cluster in self._folder.clusters_of(after):
                    is_moved = cluster.name in self._renamed and after.spec.differs_by_cluster
                    self._compare_cluster(_Pair(after, before, is_moved), cluster)
        for after, before in pairs:
            if before:
                self.result.changes += self._list_lost(before, after)
        self.result.changes.sort(key=lambda each: (each.mapping, each.cluster, each.namespace, each.secret))

    def _compare_cluster(self, pair: _Pair, cluster: Cluster) -> None:
        for namespace in sorted(self._list_namespaces(pair, cluster.name)):
            secret = cluster.name, namespace, pair.after.spec.secret.name
            self._kept.add(secret)
            change = self._compare(pair, secret)
            self.result.changes += [change] if change else []
            if change is None:
                self._count(secret)

    def _count(self, secret: Secret) -> None:
        """Count a target that the folder does not change, by what is known of it."""
        row = self._known.get(secret)
        self.result.unknown += row is None or row["state"] == "unknown"
        self.result.contested += row is not None and row["state"] == "conflict"
        self.result.unchanged += row is not None and row["state"] not in ("unknown", "conflict")

    def _list_namespaces(self, pair: _Pair, cluster: str) -> set[str]:
        """Return the namespaces of a mapping on a cluster, as far as they are known; a note says what is not."""
        spec = pair.after.spec
        if not spec.namespace_selectors:
            return set(spec.namespace_names)
        chosen = self._known.find_choice(pair.after, cluster)
        if chosen is not None:
            return chosen
        choice = "; ".join(selector.description for selector in spec.namespace_selectors)
        self.result.notes.append(
            f"mapping {pair.after.name}: which namespaces of {cluster} have {choice}, only the cluster knows"
        )
        before = self._known.list_namespaces(pair.before, cluster) if pair.before else set()
        return set(spec.namespace_names) | {name for name in before if spec.can_write_to(name)}

    def _compare(self, pair: _Pair, secret: Secret) -> TargetChange | None:
        """Return what a target gains, or what would be written to it; None if nothing is."""
        row = self._known.get(secret)
        state, is_there = row["state"] if row else "", row is not None and "uid" in row
        if not pair.is_changed and (row or self._is_deployed(pair, secret)):
            if row is None or state not in _WILL:
                return None
            return self._build(pair, secret, will=_WILL[state], why=row.get("why", ""), content=_CONTENT[state])
        creation = pair.after.spec.policies.creation
        if (creation == "createOnce" and is_there) or (creation == "merge" and state == "right" and not is_there):
            return None  # it is left alone, whatever the mapping asks for; nobody has made it yet
        if row is None and not self._is_deployed(pair, secret):
            why = _explain_gain(pair)
            return self._build(pair, secret, change="gained", will="create", why=why, content="changes")
        if state == "gone":
            return self._build(pair, secret, will="create", why="the Secret is missing", content="changes")
        if row and pair.before is None and pair.after.spec.policies.conflict == "fail":
            return self._build(pair, secret, will="fail", why=_TAKEN.format(row["mapping"]))
        content = "may change" if state == "stale" and pair.content == "stays" else pair.content
        will = "annotate" if content == "stays" else "update"
        return self._build(pair, secret, will=will, why=pair.why, content=content)

    def _is_deployed(self, pair: _Pair, secret: Secret) -> bool:
        """Return whether a Secret is one of the targets of the deployed mapping, whatever is known of its state."""
        cluster, namespace, name = secret
        before = pair.before
        return (
            before is not None and before.spec.secret.name == name and namespace in self._list_deployed(before, cluster)
        )

    def _list_deployed(self, before: SecretMapping, cluster: str) -> set[str]:
        is_target = cluster in [each.name for each in self._deployed.clusters_of(before)]
        return self._known.list_namespaces(before, cluster) if is_target else set()

    def _build(self, pair: _Pair, secret: Secret, **more: Any) -> TargetChange:  # noqa: ANN401  # fields of the document
        cluster, namespace, name = secret
        row = self._known.get(secret)
        fields = {"change": "written", "state": row["state"] if row else ""} | more
        if row and pair.before and row["mapping"] == pair.before.name:
            fields["why"] = "; ".join(filter(None, [fields["why"], describe_failure(row)]))
        expected = self._expect(pair, row, Place(cluster, namespace))
        return TargetChange(
            mapping=pair.after.name, cluster=cluster, namespace=namespace, secret=name, expected=expected, **fields
        )

    def _expect(self, pair: _Pair, row: Row | None, place: Place) -> Expected:
        is_missing = row is not None and row["state"] != "unknown"
        return Expected(
            before="present" if row and "uid" in row else "missing" if is_missing else "unknown",
            uid=row.get("uid", "") if row else "",
            resource_version=row.get("resourceVersion", "") if row else "",
            revision=pair.revision,
            versions=self._known.list_versions(pair.after, place),
            workloads=None if pair.after.spec.restart == "auto" else name_workloads(pair.after),
        )

    def _list_lost(self, before: SecretMapping, after: SecretMapping | None) -> Iterator[TargetChange]:
        """Yield the targets of a deployed mapping that nothing of the folder writes to any more."""
        for cluster in self._deployed.clusters_of(before):
            for namespace in self._known.list_namespaces(before, cluster.name):
                secret = cluster.name, namespace, before.spec.secret.name
                if secret not in self._kept:
                    row = self._known.get(secret)
                    yield TargetChange(
                        mapping=before.name,
                        cluster=cluster.name,
                        namespace=namespace,
                        secret=secret[2],
                        change="lost",
                        why=self._explain_loss(before, after, cluster),
                        state=row["state"] if row else "unknown",
                    )

    def _explain_loss(self, before: SecretMapping, after: SecretMapping | None, cluster: Cluster) -> str:
        if after is None:
            return "the mapping is removed"
        if cluster.name not in self._folder.clusters:
            is_replaced = cluster.name == str(cluster.eks)
            return "another cluster has its name now" if is_replaced else "the cluster is removed"
        if cluster.name not in [each.name for each in self._folder.clusters_of(after)]:
            return "the mapping no longer goes to the cluster"
        is_renamed = before.spec.secret.name != after.spec.secret.name
        return "the Secret has another name" if is_renamed else "the mapping no longer goes to the namespace"


def _explain_gain(pair: _Pair) -> str:
    if pair.before is None:
        return "the mapping is new"
    is_renamed = pair.before.spec.secret.name != pair.after.spec.secret.name
    return "the Secret has another name" if is_renamed else "the mapping goes there now"
