"""The last failure of each target that is not right, from the log lines of the function that delivers."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from keyferry.cli.states import Row, is_known_right, is_right
from keyferry.cli.trace.pages import LogLines
from keyferry.model import format_time

RECENT = timedelta(hours=2)
"""How far back the log is read in any case. A delivery that fails is tried again by the next sweep at the latest, which
by default is within the hour."""
MAX_AGE = timedelta(days=1)
"""How old a failure may be that is shown of a target that has not been right for so long."""

LOG_IS_LONGER = "warning: the log of deliver is longer than was read: the last errors may be missing"
"""What to say where the log was not read to its end: it is read from the oldest line on."""

type _End = tuple[datetime, Row]
"""When an attempt at a delivery ended, and how it failed; empty if it did not."""
type Ends = dict[tuple[str, str], dict[str, _End]]
"""The names of a mapping and a cluster → namespace → the last end there; an empty name stands for all namespaces."""


class Logged(Protocol):
    """A stack that has logged attempts at deliveries, as `keyferry.cli.stack.Stack` has."""

    def list_attempts(
        self, since: datetime, until: datetime | None = None, mappings: Collection[str] = ()
    ) -> Iterable[LogLines]:
        """Yield the log lines of attempts that have ended in that time, page by page."""
        ...


@dataclass
class Past:
    """What the log has told in earlier looks of one command, so that no look reads again what is long past."""

    ends: Ends = field(default_factory=dict)
    begins: dict[str, datetime] = field(default_factory=dict)
    """Mapping → how far back its lines were read."""
    is_whole: bool = True
    """Whether the log of that time was read to its end."""


def find_failures(
    rows: Iterable[Row], now: datetime, stack: Logged, past: Past | None = None
) -> tuple[list[Row], bool]:
    """Return the rows as `add_failure` does, and whether the log was read to its end.

    The log is read two hours back. Where a target has been wrong for longer, and nothing is known of it then, it is
    read as far back as that, one day at most.

    Args:
        rows: what `report` says.
        now: the current time.
        stack: the stack whose log is read; not at all where every target is known to be right.
        past: what earlier looks have read; this one is added.

    Raises:
        KeyferryError: AWS refused a call or gave no answer.
    """
    recent: Ends = {}
    rows, past = list(rows), past or Past()
    if all(map(is_known_right, rows)):
        return rows, True
    is_whole = _fold(stack.list_attempts(now - RECENT), recent, past.ends)
    seen = [add_failure(row, recent) for row in rows]
    unexplained = list(filter(_is_unexplained, seen))
    _read_back(unexplained, now, stack, past)
    told = [add_failure(row, past.ends) if _is_unexplained(row) else row for row in seen]
    return told, is_whole and (past.is_whole or not unexplained)


def _is_unexplained(row: Row) -> bool:
    return not is_right(row) and "error" not in row


def _read_back(rows: Iterable[Row], now: datetime, stack: Logged, past: Past) -> None:
    """Read the log from when targets are wrong on, for those mappings of which it has not been read that far."""
    recent = now - RECENT
    begins = [(_find_begin(row, now), row["mapping"]) for row in rows]
    missing = [(begin, name) for begin, name in begins if begin < past.begins.get(name, recent)]
    if missing:
        begin, names = min(missing)[0], {name for _, name in missing}
        is_whole = _fold(stack.list_attempts(begin, until=recent, mappings=names), past.ends)
        past.is_whole = past.is_whole and is_whole
        past.begins |= dict.fromkeys(names, begin)


def _fold(pages: Iterable[LogLines], *ends: Ends) -> bool:
    """Add the last ends of all pages, of which no more is kept; return whether the log was read to its end."""
    is_whole = True
    for page in pages:
        is_whole = page.is_whole
        for known in ends:
            add_ends(page.lines, known)
    return is_whole


def _find_begin(row: Row, now: datetime) -> datetime:
    """Return since when a target is not right, one day ago at the earliest, and where that is not known."""
    earliest = now - MAX_AGE
    return max(earliest, datetime.fromisoformat(row["since"])) if "since" in row else earliest


def describe_age(row: Row, now: datetime) -> str:
    """Return when a delivery failed, where that is long ago; empty for one that is tried again and again."""
    is_old = "failed" in row and datetime.fromisoformat(row["failed"]) < now - RECENT
    return f"failed at {format_minute(row['failed'])}" if is_old else ""


def format_minute(time: str) -> str:
    """Return a time of a row to the minute, as `2026-11-24 03:04 UTC`."""
    return f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def leave_out_past_try(row: Row, now: datetime) -> Row:
    """Return a row without a next try whose time has passed."""
    is_past = "nextTry" in row and datetime.fromisoformat(row["nextTry"]) <= now
    return {name: value for name, value in row.items() if name != "nextTry"} if is_past else row


def add_ends(lines: Iterable[Mapping[str, Any]], ends: Ends) -> None:
    """Add the last end of each namespace.

    Args:
        lines: the log lines of attempts at deliveries that have ended, in any order.
        ends: where to add them.
    """
    for line in lines:
        known = ends.setdefault((str(line.get("mapping")), str(line.get("cluster"))), {})
        for namespace, end in _list_ends(line):
            if namespace not in known or known[namespace][0] <= end[0]:
                known[namespace] = end


def add_failure(row: Row, ends: Ends) -> Row:
    """Return a row; if it is not known to be right and its last delivery failed, with the error and the times.

    Args:
        row: what `report` says of a target.
        ends: the last ends that are known.
    """
    failure = _find_failure(row["namespace"], ends.get((row["mapping"], row["cluster"]), {}))
    if not failure or is_known_right(row) or failure["failed"] <= row.get("written", ""):
        return row
    return row | {"state": row["state"] if row["state"] == "conflict" else "failed"} | failure


def _list_ends(line: Mapping[str, Any]) -> Iterator[tuple[str, _End]]:
    """Yield the namespaces that an attempt tells of, each with its end; an empty name stands for all of them."""
    time, outcomes = datetime.fromisoformat(line["timestamp"]), line.get("namespaces", ())
    failures = {str(each["namespace"]): str(each["error"]) for each in outcomes if "error" in each}
    whole = str(line.get("namespace") or "")
    if "error" in line:
        yield whole, (time, _describe_failure(line, str(line["error"])))
    elif line.get("targets", {}).get("failed", 0) <= len(failures):  # a line has no room for all of very many
        yield whole, (time, {})
    for namespace, error in failures.items():
        yield namespace, (time, _describe_failure(line, error))


def _find_failure(namespace: str, ends: Mapping[str, _End]) -> Row:
    """Return how the last attempt at a target failed; empty if it did not, or none is known.

    Where the cluster did not tell the namespaces, what went well in a single one says nothing of the others.
    """
    names = (namespace, "") if namespace else [name for name, (_, failure) in ends.items() if failure or not name]
    known = [ends[name] for name in names if name in ends]
    return max(known, key=lambda end: (end[0], bool(end[1])), default=(datetime.min, {}))[1]


def _describe_failure(line: Mapping[str, Any], error: str) -> Row:
    time = datetime.fromisoformat(line["timestamp"])
    seconds = line.get("next_try_seconds")
    next_try = {"nextTry": format_time(time + timedelta(seconds=seconds))} if seconds else {}
    return {"error": error, "failed": format_time(time), **next_try}
