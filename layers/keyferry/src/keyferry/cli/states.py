"""The states of targets as people ask for them: what `report` says, and which of it is asked for."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypedDict

from keyferry.cli.check.problems import nearest
from keyferry.cli.steer.suspensions import SuspensionFields
from keyferry.delivery.report import build_owner_field
from keyferry.errors import InvalidInput
from keyferry.mapping.catalog import Catalog
from keyferry.model import Place
from keyferry.pipeline.status import describe_restart

type Row = dict[str, Any]
"""What is known of one target (`keyferry.pipeline.status`): `Target`, while it is put together."""
type State = Literal["right", "held", "stale", "restart due", "conflict", "failed", "gone", "unknown"]


class Owner(TypedDict):
    """The team that owns a mapping."""

    team: str
    """Its name."""
    contact: NotRequired[str]
    """Where to reach it."""


class Rotation(TypedDict):
    """The rotation of a secret, as Secrets Manager tells it."""

    on: bool
    """Whether it is switched on."""
    last: NotRequired[str]
    """When it was rotated last."""
    next: NotRequired[str]
    """When it is due."""


class SourceOfTarget(TypedDict):
    """A secret or parameter that a target is made from."""

    alias: str
    """What the mapping calls it."""
    store: str
    """Where it is: `secretsmanager` or `ssm`."""
    name: str
    """Its name or ARN, or what finds it."""
    region: NotRequired[str]
    """Its region, where the mapping names one."""
    held: NotRequired[str]
    """The version that the Secret is made from."""
    wanted: NotRequired[str]
    """The version that there is."""
    changed: NotRequired[str]
    """When that version was written."""
    rotation: NotRequired[Rotation]
    """Its rotation; left out for what cannot be rotated."""
    missing: NotRequired[bool]
    """Given where AWS does not list it: it does not exist, or is scheduled for deletion."""


class Target(TypedDict):
    """A Secret in one namespace of one cluster. Times are in UTC, as `2026-11-24T15:00:00+00:00`."""

    mapping: str
    """The mapping that it comes from."""
    cluster: str
    """The cluster's name in mappings."""
    namespace: str
    """The namespace; empty where the cluster did not tell them; a choice in brackets with `--offline`."""
    secret: str
    """The name of the Secret."""
    state: NotRequired[State]
    """Whether it is as it should be; docs/operate/troubleshooting.md explains each. Left out with `--offline`."""
    why: NotRequired[str]
    """Why it is in that state."""
    at: NotRequired[str]
    """File and line that an error is about."""
    owner: NotRequired[Owner]
    """The team that owns the mapping."""
    uid: NotRequired[str]
    """The uid of the Secret."""
    resourceVersion: NotRequired[str]
    """Its resourceVersion, when it was looked at."""
    revision: NotRequired[str]
    """Of what the mapping said when it was written: a digest, never of values."""
    restart: NotRequired[Literal["auto", "none"] | list[str]]
    """What restarts with it, as the mapping has it: a list names workloads, as `Deployment/api`."""
    since: NotRequired[str]
    """Since when it is in that state, as far as is known."""
    written: NotRequired[str]
    """When its content was written last."""
    certificateExpires: NotRequired[str]
    """When the first certificate in it expires."""
    release: NotRequired[str]
    """The release of Keyferry that wrote it last; left out for what a release that did not say so has written."""
    error: NotRequired[str]
    """The error of the last delivery, where it is not right."""
    help: NotRequired[str]
    """The address of what is to be done about the error."""
    failed: NotRequired[str]
    """When that delivery failed."""
    nextTry: NotRequired[str]
    """When the next delivery is due; left out where that time has passed without it."""
    sources: list[SourceOfTarget]
    """What it is made from."""


class Status(TypedDict):
    """What `keyferry status --output json` answers."""

    targets: list[Target]
    """By mapping, cluster and namespace."""
    suspended: NotRequired[list[SuspensionFields]]
    """What is suspended in the stack; left out where nothing is, or nobody was asked."""


RIGHT = ("right", "held", "unknown")
"""The states that are not wrong."""


@dataclass(frozen=True)
class Filter:
    """Which targets are asked for; all, unless something is given."""

    mappings: tuple[str, ...] = ()
    cluster: str | None = None
    namespace: str | None = None
    owner: str | None = None
    """A team."""
    source: str | None = None
    """The name or ARN of a secret or parameter."""
    only_wrong: bool = False
    """Only those that are not known to be right."""

    def accepts(self, row: Row) -> bool:
        """Return whether a target is asked for."""
        return self.selects(row) and not (self.only_wrong and is_known_right(row))

    def selects(self, row: Row) -> bool:
        """Return whether a target has all names that are asked for, whatever its state."""
        names = {source["name"].strip("/") for source in row["sources"]}
        return (
            (not self.mappings or row["mapping"] in self.mappings)
            and self.cluster in (None, row["cluster"])
            and (self.namespace in (None, row["namespace"]) or not row["namespace"])
            and self.owner in (None, row.get("owner", {}).get("team"))
            and (self.source is None or self.source.strip("/") in names)
        )

    def is_met(self, rows: Iterable[Row]) -> bool:
        """Return whether some row has all names that are asked for, and each mapping has one."""
        mappings = {row["mapping"] for row in rows if self.selects(row)}
        return bool(mappings) and mappings.issuperset(self.mappings)

    def refuse(self, rows: Sequence[Row]) -> None:
        """Raise an error that says which name no target has, or that none has all of them.

        Args:
            rows: all targets that there are.

        Raises:
            InvalidInput: that error; none is raised where there are no targets at all.
        """
        if not rows or self.is_met(rows):
            return
        asked = [*(("mapping", name) for name in self.mappings), *self._list_narrowing()]
        for noun, name in asked:
            known = _list_names(rows, noun)
            if name not in known and not (noun == "source" and name.strip("/") in {each.strip("/") for each in known}):
                raise InvalidInput(f"no target has {noun} {name}{nearest(name, known, 'there is')}")
        raise InvalidInput(f"no target has {' and '.join(f'{noun} {name}' for noun, name in asked)}, all at once")

    def _list_narrowing(self) -> list[tuple[str, str]]:
        names = {"cluster": self.cluster, "namespace": self.namespace, "owner": self.owner, "source": self.source}
        return [(noun, name) for noun, name in names.items() if name is not None]


def _list_names(rows: Iterable[Row], noun: str) -> set[str]:
    """Return the names of mappings, clusters, namespaces, owners or sources that targets have."""
    if noun == "source":
        return {source["name"] for row in rows for source in row["sources"]}
    if noun == "owner":
        return {row["owner"]["team"] for row in rows if "owner" in row}
    return {row[noun] for row in rows if row[noun]}


def is_right(row: Row) -> bool:
    """Return whether nothing is wrong with a target, as far as is known."""
    return row["state"] in RIGHT


def is_known_right(row: Row) -> bool:
    """Return whether a target is known to be right."""
    return is_right(row) and row["state"] != "unknown"


def list_planned(catalog: Catalog) -> Iterator[Row]:
    """Yield a row without a state for each target that the mappings have, by the files alone: nothing is asked."""
    for name, mapping in sorted(catalog.mappings.items()):
        for cluster in catalog.clusters_of(mapping):
            selectors = [f"({selector})" for selector in map(str, mapping.spec.namespace_selectors)]
            for namespace in [*mapping.spec.namespace_names, *selectors]:
                place, is_name = Place(cluster.name, namespace), namespace not in selectors
                sources = [
                    {
                        "alias": alias,
                        "store": source.store_name,
                        "name": str(source.resolve(place) if is_name else source),
                    }
                    for alias, source in mapping.spec.sources.items()
                ]
                yield {
                    "mapping": name,
                    "cluster": cluster.name,
                    "namespace": namespace,
                    "secret": mapping.spec.secret.name,
                    **build_owner_field(mapping.spec.owner),
                    "restart": describe_restart(mapping),
                    "sources": sources,
                }
