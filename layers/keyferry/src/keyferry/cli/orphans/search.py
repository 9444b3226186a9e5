"""Look for what is left over in one cluster, by the rights of the person who asks."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from shlex import quote
from typing import Any

from keyferry.cli.clusters.client import OperatorClient
from keyferry.cli.clusters.generated import ALLOWING, GENERATED, LIMITING, has_generated_name
from keyferry.cli.clusters.resource import NAMESPACES, SECRETS, Resource
from keyferry.cli.orphans.names import Names, Namespaces, split_journal_name
from keyferry.cli.orphans.orphan import Orphan
from keyferry.cli.orphans.secrets import LeftSecret
from keyferry.cli.orphans.stamps import NOBODY, RESTARTS, WORKLOADS, Stamped, format_removal
from keyferry.cli.orphans.usage import find_users
from keyferry.cli.output.words import join
from keyferry.delivery.observed import MAPPING
from keyferry.errors import Forbidden, KeyferryError
from keyferry.identity import GENERATED_LABEL, Identity, role_name
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import Cluster

type Object = dict[str, Any]


@dataclass
class Findings:
    """What is left over in clusters, and what could not be looked at."""

    orphans: list[Orphan] = field(default_factory=list)
    other_stacks: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Cluster, prefix of another stack, and kind → how many it has there. None of them is an orphan."""
    moved: list[tuple[str, str, str, str]] = field(default_factory=list)
    """Cluster, namespace and name of each Secret whose mapping another stack has, and the prefix of that stack."""
    awaiting: Counter[str] = field(default_factory=Counter)
    """Cluster → how many things the deployed mappings alone still name."""
    notes: list[str] = field(default_factory=list)
    """What could not be looked at, and why."""

    def add(self, other: "Findings") -> None:
        """Add what was found elsewhere."""
        self.orphans += other.orphans
        self.other_stacks += other.other_stacks
        self.moved += other.moved
        self.awaiting += other.awaiting
        self.notes += other.notes


class ClusterSearch:
    """The search of one cluster."""

    def __init__(
        self, client: OperatorClient, cluster: Cluster, catalogs: Sequence[Catalog], places: Sequence[Catalog] = ()
    ) -> None:
        """Prepare the search; nothing is asked yet.

        Args:
            client: asks the cluster.
            cluster: the cluster.
            catalogs: what the folder has, then what is deployed.
            places: whose namespaces are looked at where they may not be listed; none for those of the catalogues.
        """
        self._client, self._cluster, self._catalogs = client, cluster, catalogs
        self._places = places or catalogs
        self._findings = Findings()
        self._unseen = set[str]()
        """The kinds of which some may not be listed."""
        self._roles_of_others = dict[tuple[str, str], str]()
        """Namespace (empty for all) and name of each Role of another stack → the prefix of that stack."""

    def run(self) -> Findings:
        """Return what is left over. What cannot be looked at is noted."""
        try:
            self._search()
        except KeyferryError as error:
            self._findings.notes.append(f"{self._cluster.name}: {error}")
        return self._findings

    def _search(self) -> None:
        """Look at what is there, and only then at what is named: what has come in between is no orphan."""
        namespaces = self._list_namespaces()
        if namespaces is None:
            self._findings.notes.append(
                f"{self._client.context} may not list namespaces of cluster {self._cluster.name}: only those that"
                " mappings name are looked at"
            )
        places = sorted(namespaces) if namespaces is not None else self._list_named_namespaces()
        generated = [(kind, raw) for kind in GENERATED for raw in self._list(kind, places, GENERATED_LABEL)]
        secrets = [raw for raw in self._list(SECRETS, places) if _has_journal(raw)]
        namespaces = self._list_namespaces()
        names = Names(self._catalogs, self._cluster, namespaces)
        folder = Names(self._catalogs[:1], self._cluster, namespaces)
        for kind, raw in generated:
            self._add_generated(names, folder, kind, raw)
        left = [orphan for raw in secrets if (orphan := self._judge(names, folder, raw))]
        self._findings.orphans += self._check_usage(left)
        self._add_stamps(names, folder, places)

    def _list_namespaces(self) -> Namespaces | None:
        """Return the namespaces of the cluster; None where they may not be listed."""
        try:
            return {
                raw["metadata"]["name"]: raw["metadata"].get("labels") or {}
                for raw in self._client.list_metadata(NAMESPACES)
            }
        except Forbidden:
            return None

    def _list_named_namespaces(self) -> list[str]:
        return sorted(
            {
                name
                for catalog in self._places
                for cluster in catalog.clusters.values()
                if cluster.eks == self._cluster.eks
                for name in catalog.namespaces_on(cluster)
            }
        )

    def _list(self, resource: Resource, namespaces: Iterable[str], selector: str = "") -> Iterator[Object]:
        """Yield the metadata of the objects of a kind: in all namespaces, or where one may."""
        return self._list_by(lambda place: self._client.list_metadata(resource, place, selector), resource, namespaces)

    def _list_by(
        self, look: Callable[[str | None], Iterable[Object]], resource: Resource, namespaces: Iterable[str]
    ) -> Iterator[Object]:
        """Yield the objects of a kind, in all namespaces; where that is forbidden, in those where it is not.

        Args:
            look: lists those of one namespace, or of all (None).
            resource: the kind.
            namespaces: those that are known.
        """
        try:
            yield from look(None)
        except Forbidden as error:
            if not resource.is_namespaced:
                self._unseen.add(resource.kind)
                self._findings.notes.append(str(error))
                return
            refused = []
            for namespace in namespaces:
                try:
                    yield from look(namespace)
                except Forbidden:
                    refused.append(namespace)
            if refused:
                self._unseen.add(resource.kind)
                self._findings.notes.append(
                    f"{self._client.context} may not list {resource.full_name} of cluster {self._cluster.name} in"
                    f" {join(refused)}: let somebody grant that"
                )

    def _add_generated(self, names: Names, folder: Names, resource: Resource, raw: Object) -> None:
        prefix, seen = str(raw["metadata"]["labels"][GENERATED_LABEL]), _take_metadata(raw["metadata"])
        key = resource.kind, seen.get("namespace", ""), seen["name"]
        if prefix not in names.prefixes:
            self._findings.other_stacks[self._cluster.name, prefix, resource.kind] += 1
            self._roles_of_others[seen.get("namespace", ""), seen["name"]] = prefix
        elif key not in names.generated:
            orphan = self._build(resource, seen, "nothing generates it any more")
            is_ours = has_generated_name(prefix, resource, seen["name"])
            self._findings.orphans.append(
                orphan.refuse([*([] if is_ours else ["nothing generates such a name"]), *self._explain_limit(resource)])
            )
        elif key not in folder.generated:
            self._findings.awaiting[self._cluster.name] += 1

    def _explain_limit(self, resource: Resource) -> Iterator[str]:
        """Yield why what limits the stack's users has to stay: what lets them in may still be there."""
        unseen = sorted(self._unseen.intersection(ALLOWING))
        if resource.kind in LIMITING and unseen:
            yield f"it limits users whose rights are not known: you may not list each {' and '.join(unseen)}"

    def _add_stamps(self, names: Names, folder: Names, namespaces: Sequence[str]) -> None:
        """Add the workloads with stamps that are left over. An error of one kind is noted, and stops no other."""
        for kind in self._client.find_served(WORKLOADS):
            try:
                for raw in self._list_by(partial(self._client.list_objects, kind), kind, namespaces):
                    self._add_stamped(names, folder, Stamped.parse(kind, raw, names.stamp_domains))
            except KeyferryError as error:
                self._findings.notes.append(f"stamps of {kind.plural} are not looked at: {error}")

    def _add_stamped(self, names: Names, folder: Names, stamped: Stamped) -> None:
        left = [stamp for stamp in stamped.stamps if not names.restarts(stamped, stamp)]
        used = [stamp for stamp in stamped.stamps if stamp not in left]
        awaiting = sum(not folder.restarts(stamped, stamp) for stamp in used)
        if awaiting:
            self._findings.awaiting[self._cluster.name] += awaiting
        if left:
            orphan = self._build(stamped.resource, _take_metadata(stamped.metadata), f"{NOBODY} {join(left)} any more")
            command = format_removal(stamped, orphan.context, left)
            orphan = replace(orphan, name=stamped.name, is_stamp=True, other_command=command)
            self._findings.orphans.append(orphan.refuse([RESTARTS]))

    def _judge(self, names: Names, folder: Names, raw: Object) -> Orphan | None:
        """Return a Secret of a stack if it is left over; None otherwise."""
        journal, seen = raw["metadata"]["annotations"][MAPPING], _take_metadata(raw["metadata"])
        prefix, mapping = split_journal_name(journal)
        if prefix not in names.prefixes:
            self._findings.other_stacks[self._cluster.name, prefix, SECRETS.kind] += 1
            return None
        if names.names_secret(seen["namespace"], seen["name"]):
            if not folder.names_secret(seen["namespace"], seen["name"]):
                self._findings.awaiting[self._cluster.name] += 1
            return None
        if owner := self._find_new_owner(mapping, seen["namespace"]):
            self._findings.moved.append((self._cluster.name, seen["namespace"], seen["name"], owner))
            return None
        left = LeftSecret.parse(raw, prefix)
        orphan = self._build(SECRETS, seen, names.explain(journal, seen["namespace"], seen["name"]))
        if left.is_shared:
            command = left.format_withdrawal(orphan.context, orphan.namespace, orphan.name)
            orphan = replace(orphan, other_command=command)
        return orphan.refuse(list(left.list_refusals()))

    def _find_new_owner(self, mapping: str, namespace: str) -> str | None:
        """Return the prefix of another stack that has the rights of a mapping of this name here: it has moved there."""
        for (place, name), prefix in self._roles_of_others.items():
            if place in ("", namespace) and name == role_name(Identity(prefix).deliver, mapping):
                return prefix
        return None

    def _check_usage(self, orphans: Sequence[Orphan]) -> Iterator[Orphan]:
        """Yield Secrets, each refused that is used, or perhaps is. Those that stay in any case are not asked about."""
        usage = find_users(
            self._client, [(orphan.namespace, orphan.name) for orphan in orphans if not orphan.other_command]
        )
        for orphan in orphans:
            is_asked = not orphan.other_command
            yield orphan.refuse(list(usage.list_refusals((orphan.namespace, orphan.name)))) if is_asked else orphan

    def _build(self, resource: Resource, seen: dict[str, str], why: str) -> Orphan:
        name, context = self._cluster.name, self._client.context
        return Orphan(
            cluster=name,
            eks=self._cluster.eks,
            context=context.name,
            resource=resource,
            name=seen["name"],
            namespace=seen.get("namespace", ""),
            why=why,
            metadata=seen,
            refusals=(describe_doubt(name, context.name),) if context.is_guess else (),
        )


def describe_doubt(cluster: str, context: str) -> str:
    """Return why nothing is deleted by a context that was taken for a cluster by its own name alone."""
    choice = quote(f"{cluster}={context}")
    return f"whether context {context} leads to {cluster} only its name says: say --context {choice}"


def _has_journal(raw: Object) -> bool:
    """Return whether a mapping has written a Secret, and nobody is deleting it."""
    return MAPPING in (raw["metadata"].get("annotations") or {}) and "deletionTimestamp" not in raw["metadata"]


def _take_metadata(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return what identifies an object as it was seen; not its annotations, one of which may hold values."""
    taken = ("name", "namespace", "uid", "resourceVersion")
    return {key: str(metadata[key]) for key in taken if metadata.get(key)}


def count_kinds(other_stacks: Counter[tuple[str, str, str]]) -> dict[tuple[str, str], Counter[str]]:
    """Return cluster and prefix of another stack → how many it has of each kind."""
    counts: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for (cluster, prefix, kind), count in sorted(other_stacks.items()):
        counts[cluster, prefix][kind] += count
    return dict(counts)
