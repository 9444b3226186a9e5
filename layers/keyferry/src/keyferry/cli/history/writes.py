"""What the log tells of writes of one secret or parameter: which lines to ask for, and what each of them says."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from keyferry.cli.history.answer import Written
from keyferry.cli.states import Row
from keyferry.cli.trace.logs import Line, build_name_pattern
from keyferry.cli.trace.subject import SourceName, reads
from keyferry.delivery.report import RESTARTS_DONE
from keyferry.model import format_moment, split_version

FIND = "find in"
"""How the name of a choice of many sources begins (`keyferry.stores.source.Source.__str__`)."""


def build_patterns(subject: SourceName, rows: Iterable[Row]) -> dict[str, str]:
    """Return function → the filter pattern of its log.

    A name stands anywhere in a line of deliver, so that mappings which are gone since are found as well; of a choice of
    many sources no line has it.
    """
    has_finds = any(source["name"].startswith(FIND) for row in rows for source in row["sources"])
    name = min(subject.names, key=len)
    return {
        "deliver": '{ $.message = "audit" }' if has_finds else f'"audit" "{name}"',
        "route": build_name_pattern(subject.names),
    }


def index_events(subject: SourceName, routed: Iterable[Line]) -> dict[str, Line]:
    """Return event id → the line of route, for the events about a source."""
    return {
        str(line["event_id"]): line
        for line in routed
        if "event_id" in line and not subject.names.isdisjoint(line.get("names", ()))
    }


def list_writes(subject: SourceName, lines: Iterable[Line], events: Mapping[str, Line]) -> list[Written]:
    """Return the writes of Secrets that are made from a source, oldest first.

    Left out are the ends of restarts, and writes of annotations that leave the version as it was.

    Args:
        subject: the source.
        lines: the lines of deliver, oldest first.
        events: event id → the line of route.
    """
    return list(_list_writes(subject, [line for line in lines if line.get("message") == "audit"], events))


def _list_writes(subject: SourceName, lines: Sequence[Line], events: Mapping[str, Line]) -> Iterator[Written]:
    last: dict[str, str] = {}
    for line in lines:
        source = _find_source(subject, line, events)
        if source is None or line["why"] == RESTARTS_DONE:
            continue
        secret, version = "/".join((line["cluster"], line["namespace"], line["secret"])), source.get("version", "")
        if line["did"] != "annotated" or last.get(secret) != version:
            yield _describe_write(line, secret, version, events)
        last[secret] = version


def _find_source(subject: SourceName, line: Line, events: Mapping[str, Line]) -> Mapping[str, Any] | None:
    """Return the source of a line that is asked about, with its version; None if the line is about others.

    A choice of many has a version of its own. That of the one which has changed is the event's.
    """
    for source in line["sources"].values():
        if reads(source, subject.names):
            return dict(source) | ({"version": _shorten(source)} if "version" in source else {})
        if source["name"].startswith(FIND) and line["event_id"] in events:
            return {key: text for key, text in events[line["event_id"]].items() if key == "version"}
    return None


def _shorten(source: Mapping[str, Any]) -> str:
    return split_version(source["version"])[0]


def _describe_write(line: Line, secret: str, version: str, events: Mapping[str, Line]) -> Written:
    written = Written(
        time=format_moment(datetime.fromisoformat(line["timestamp"])),
        secret=secret,
        mapping=line["mapping"],
        did=line["did"],
        why=line["why"],
        origin=line["origin"],
        eventId=line["event_id"],
    )
    if version:
        written["version"] = version
    caller = events.get(line["event_id"], {}).get("by")
    return written | {"by": caller} if caller else written
