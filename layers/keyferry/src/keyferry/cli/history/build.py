"""Put the history of a secret or parameter together: what AWS, the Secrets and the log tell of it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from keyferry.cli.history.answer import KnownVersion, Written
from keyferry.cli.history.versions import SecretVersion
from keyferry.cli.states import Row
from keyferry.cli.trace.subject import SourceName, reads
from keyferry.model import format_time, split_version


def list_holders(subject: SourceName, rows: Iterable[Row]) -> dict[str, list[str]]:
    """Return version id → the Secrets that are made from it now."""
    holders = defaultdict[str, list[str]](list)
    for row in rows:
        for source in row["sources"]:
            if reads(source, subject.names) and source.get("held"):
                secret = "/".join((row["cluster"], row["namespace"], row["secret"]))
                holders[split_version(source["held"])[0]].append(secret)
    return dict(holders)


def list_known_versions(
    subject: SourceName, rows: Iterable[Row], listed: Sequence[SecretVersion], writes: Sequence[Written]
) -> list[KnownVersion]:
    """Return the versions, the newest first: those with a date by it, then those that only the log or a Secret names.

    Args:
        subject: the source.
        rows: the targets that are made from it.
        listed: what AWS tells of its versions; empty of a parameter.
        writes: the writes of these targets, oldest first.
    """
    holders, facts = list_holders(subject, rows), {version.id: version for version in listed}
    named = [written["version"] for written in reversed(writes) if "version" in written]
    dated = sorted(
        (version for version in listed if version.created), key=lambda version: str(version.created), reverse=True
    )
    ids = dict.fromkeys([*(version.id for version in dated), *facts, *named, *holders])
    return [describe_version(version_id, facts.get(version_id), holders.get(version_id, [])) for version_id in ids]


def describe_version(version_id: str, version: SecretVersion | None, holders: list[str]) -> KnownVersion:
    """Return a version, with what AWS tells of it, if it does, and the Secrets that are made from it."""
    known = KnownVersion(version=version_id, labels=sorted(version.labels) if version else [], holders=sorted(holders))
    if version and version.created:
        known["created"] = format_time(version.created)
    return known
