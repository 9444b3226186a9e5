"""What people ask about: a source, an event, a Secret or a workload, by the names that they have for it."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from keyferry import kinds
from keyferry.cli.check.problems import nearest
from keyferry.cli.states import Row
from keyferry.errors import InvalidInput
from keyferry.stores.registry import STORES

_EVENT = re.compile(r"(push-|sweep-|replay-)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
"""The ids of EventBridge's events, and those that Keyferry makes."""


@dataclass(frozen=True)
class Event:
    """An event, by its id."""

    event_id: str

    def __str__(self) -> str:
        return f"event {self.event_id}"


@dataclass(frozen=True)
class SourceName:
    """A secret or parameter."""

    identifier: str
    """Its name or ARN, as somebody wrote it."""

    @property
    def names(self) -> frozenset[str]:
        """The names that the identifier can stand for, as events have them."""
        return list_event_names(self.identifier)

    def __str__(self) -> str:
        return self.identifier


@dataclass(frozen=True)
class Secret:
    """A Secret in a namespace of one cluster, or of all."""

    cluster: str | None
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(filter(None, (self.cluster, self.namespace, self.name)))


@dataclass(frozen=True)
class WorkloadName:
    """A workload in a namespace of one cluster, or of all."""

    kind: str
    """As manifests have it."""
    name: str
    namespace: str
    cluster: str | None

    @property
    def title(self) -> str:
        """Kind and name, as log lines have them."""
        return f"{self.kind}/{self.name}"

    def __str__(self) -> str:
        return f"{self.title} in {'/'.join(filter(None, (self.cluster, self.namespace)))}"


type Subject = Event | SourceName | Secret | WorkloadName


def parse_subject(what: str, namespace: str | None, cluster: str | None) -> Subject:
    """Return what is asked about, by the form of its name: `deployment/web` and a namespace are a workload.

    Args:
        what: the name, as somebody wrote it. Of three parts it may be a Secret or a source: `find_targets` says which.
        namespace: the namespace that was given beside it; None for none.
        cluster: likewise.

    Raises:
        InvalidInput: a name is empty; there is a namespace, and no kind of workload is called so; or there is a
            cluster, and no namespace.
    """
    _check_names(what, namespace, cluster)
    if cluster and namespace is None:
        raise InvalidInput(
            f"--cluster says where a workload or Secret of a namespace is: say -n, or {cluster}/NS/SECRET"
        )
    if _EVENT.fullmatch(what):
        return Event(what.lower())  # as EventBridge and Keyferry write them
    if namespace is None:
        return SourceName(what)
    noun, slash, name = what.partition("/")
    if not slash:
        return Secret(cluster, namespace, what)
    if noun.lower() in ("secret", "secrets"):
        return Secret(cluster, namespace, name)
    kind = kinds.find_kind(noun)
    if not kind:
        hint = nearest(noun, [*map(str.lower, kinds.KINDS), "cronjob", "job", "pod"], "there is")
        raise InvalidInput(f"{what} in a namespace should be a workload or a Secret, as deployment/web{hint}")
    return WorkloadName(kind, name, namespace, cluster)


def _check_names(what: str, namespace: str | None, cluster: str | None) -> None:
    """Check that no name is empty, as that of a variable of a shell which is not set.

    Raises:
        InvalidInput: one is.
    """
    if not what.strip() or (namespace is not None and what.endswith("/")):
        raise InvalidInput(
            f"{what!r} names nothing: write the name or ARN of a secret or parameter, an event id,"
            " CLUSTER/NAMESPACE/SECRET, or with -n a workload, as deployment/web"
        )
    for option, name in (("--namespace", namespace), ("--cluster", cluster)):
        if name is not None and not name.strip():
            raise InvalidInput(f"{option} names nothing: write a name, or leave it out")


def get_place(subject: Subject) -> dict[str, str]:
    """Return `{"cluster", "namespace"}` as far as a subject tells where it is; empty if it can be anywhere."""
    match subject:
        case Secret() | WorkloadName():
            cluster, namespace = subject.cluster, subject.namespace
        case _:
            return {}
    return {"namespace": namespace} | ({"cluster": cluster} if cluster else {})


def find_targets(subject: Subject, rows: Collection[Row]) -> tuple[Subject, list[Row]]:
    """Return the targets that are asked about, and what is asked about if the targets tell it better.

    Args:
        subject: what is asked about; of an event all targets are.
        rows: the targets of the stack.

    Raises:
        InvalidInput: there is none; the message says what may be meant.
    """
    match subject:
        case Event():
            return subject, list(rows)
        case SourceName():
            return _find_source(subject, rows)
        case Secret():
            return subject, _find_secret(subject, rows)
        case WorkloadName():
            return subject, _in_place(rows, subject.cluster, subject.namespace)


def list_event_names(identifier: str) -> frozenset[str]:
    """Return the names that an identifier of a secret or parameter can stand for, as events have them."""
    return frozenset(name for store in STORES.values() for name in store.parse_identifier(identifier))


def _find_source(subject: SourceName, rows: Collection[Row]) -> tuple[Subject, list[Row]]:
    found = [row for row in rows if any(reads(source, subject.names) for source in row["sources"])]
    cluster, *rest = subject.identifier.split("/")
    if not found and len(rest) == 2 and (cluster in _list_clusters(rows) or _is_like_secret(subject, rows)):
        secret = Secret(cluster, *rest)
        return secret, _find_secret(secret, rows)
    return subject, found


def _is_like_secret(subject: SourceName, rows: Collection[Row]) -> bool:
    """Return whether a name of three parts is none of a source, and one of a Secret on a cluster that there is not.

    Sources are called so, too: its namespace or its name has to be right, and no source be called more like it.
    """
    _, namespace, name = subject.identifier.split("/")
    if not any(namespace == row["namespace"] or name == row["secret"] for row in rows):
        return False
    secrets = {"/".join((row["cluster"], row["namespace"], row["secret"])) for row in rows}
    sources = {source["name"] for row in rows for source in row["sources"]}
    hint = nearest(subject.identifier, secrets | sources)
    return hint != "" and hint == nearest(subject.identifier, secrets) != nearest(subject.identifier, sources)


def _list_clusters(rows: Iterable[Row]) -> set[str]:
    return {row["cluster"] for row in rows}


def reads(source: Mapping[str, Any], names: frozenset[str]) -> bool:
    """Return whether a source of a row is one of these names."""
    return not names.isdisjoint(list_event_names(source["name"]))


def _find_secret(secret: Secret, rows: Collection[Row]) -> list[Row]:
    near = _in_place(rows, secret.cluster, secret.namespace)
    found = [row for row in near if row["secret"] == secret.name]
    if not found:
        where = "/".join(filter(None, (secret.cluster, secret.namespace)))
        hint = nearest(secret.name, {row["secret"] for row in near}, "there is")
        raise InvalidInput(f"no mapping of this stack writes a Secret {secret.name} to {where}{hint}")
    return found


def _in_place(rows: Collection[Row], cluster: str | None, namespace: str) -> list[Row]:
    """Return the targets in a namespace, of one cluster or of all; both are looked up, the cluster first.

    Of a cluster that is away nobody knows the namespaces (they are empty): it may have this one.
    """
    clusters = _list_clusters(rows)
    if cluster and cluster not in clusters:
        hint = nearest(cluster, clusters, "they write to")
        raise InvalidInput(f"no mapping of this stack writes to a cluster {cluster}{hint}")
    on_cluster = [row for row in rows if cluster in (None, row["cluster"])]
    found = [row for row in on_cluster if row["namespace"] in (namespace, "")]
    if not found:
        hint = nearest(namespace, {row["namespace"] for row in on_cluster} - {""}, "they write to")
        where = f"namespace {namespace}{f' of cluster {cluster}' if cluster else ''}"
        raise InvalidInput(f"no mapping of this stack writes to {where}: nothing restarts there by it{hint}")
    return found


def explain_unknown(subject: SourceName, rows: Iterable[Row]) -> str:
    """Return what is said where no target and no event is known of a source."""
    noun, slash, _ = subject.identifier.partition("/")
    if slash and kinds.find_kind(noun):
        return f"{subject}: in which namespace? say -n NAMESPACE"
    known = {source["name"] for row in rows for source in row["sources"]}
    return f"no mapping of this stack reads {subject}{nearest(subject.identifier, known, 'there is')}"
