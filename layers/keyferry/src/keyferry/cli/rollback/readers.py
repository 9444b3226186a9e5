"""Who reads a secret: the Secrets that are made from it, and the workloads that use these."""

from collections.abc import Iterable, Iterator, Mapping

from keyferry.cli.history.writes import FIND
from keyferry.cli.rollback.answer import Reader
from keyferry.cli.states import Row
from keyferry.cli.trace.logs import Line
from keyferry.cli.trace.subject import SourceName, reads
from keyferry.model import is_version, split_version
from keyferry.stores.secrets_manager import NAME

type TargetKey = tuple[str, str, str]
"""The names of a mapping, a cluster and a namespace."""


def list_rows(subject: SourceName, rows: Iterable[Row]) -> list[Row]:
    """Return the targets that are made from a secret."""
    return [row for row in rows if next(_list_sources(subject, row), None)]


def _list_sources(subject: SourceName, row: Row) -> Iterator[Mapping[str, str]]:
    yield from (source for source in row["sources"] if source["store"] == NAME and reads(source, subject.names))


def has_version(subject: SourceName, row: Row, version_id: str) -> bool:
    """Return whether a target is made from a version of a secret."""
    return any(is_version(source.get("held", ""), version_id) for source in _list_sources(subject, row))


def list_readers(
    subject: SourceName, rows: Iterable[Row], workloads: Mapping[TargetKey, list[str]], current: str
) -> list[Reader]:
    """Return who reads a secret.

    Args:
        subject: the secret.
        rows: the targets that are made from it.
        workloads: mapping, cluster and namespace → the workloads that deliveries have seen using the Secret.
        current: the version that is current.
    """
    return [_describe(subject, row, workloads, current) for row in rows]


def _describe(subject: SourceName, row: Row, workloads: Mapping[TargetKey, list[str]], current: str) -> Reader:
    held = next((source["held"] for source in _list_sources(subject, row) if source.get("held")), "")
    follows = not held or has_version(subject, row, current)
    reader = Reader(secret=name_secret(row), mapping=row["mapping"], state=row["state"], follows=follows)
    if held:
        reader["version"] = split_version(held)[0]
    named = row.get("restart")
    seen = named if isinstance(named, list) else workloads.get((row["mapping"], row["cluster"], row["namespace"]))
    if seen is not None:
        reader["workloads"] = seen
    return reader


def name_secret(row: Row) -> str:
    """Return cluster, namespace and Secret of a target."""
    return "/".join(filter(None, (row["cluster"], row["namespace"], row["secret"])))


def list_seen_workloads(lines: Iterable[Line]) -> dict[TargetKey, list[str]]:
    """Return mapping, cluster and namespace → the workloads that the last delivery which looked has seen there.

    Args:
        lines: the ends of deliveries, in any order.
    """
    seen: dict[TargetKey, list[str]] = {}
    for line in sorted(lines, key=lambda line: str(line["timestamp"])):
        for outcome in line.get("namespaces", ()):
            if outcome.get("restart", "not due") not in ("not due", ""):
                names = [each["workload"] for each in outcome.get("workloads", ())]
                seen[line["mapping"], line["cluster"], outcome["namespace"]] = names
    return seen


def list_aliases(subject: SourceName, rows: Iterable[Row]) -> dict[str, list[str]]:
    """Return mapping → what it calls the secret: the sources that a fixed version would be written to."""
    aliases: dict[str, dict[str, None]] = {}
    for row in rows:
        for source in _list_sources(subject, row):
            aliases.setdefault(row["mapping"], {})[source["alias"]] = None
    return {mapping: list(names) for mapping, names in sorted(aliases.items())}


def list_choosing(rows: Iterable[Row]) -> list[str]:
    """Return the mappings that choose secrets by `find`: nobody knows by a row whether the secret is among these."""
    return sorted(
        {row["mapping"] for row in rows for source in row["sources"] if source["name"].startswith(f"{FIND} secrets")}
    )
