"""The last failure of each target that is not right, from the log lines of the function that delivers."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from keyferry.cli.stack import LogLines
from keyferry.cli.states import Row, is_known_right, is_right
from keyferry.model import format_time

RECENT = timedelta(hours=2)
"""How far back the log is read in any case. A delivery that fails is tried again by the next sweep at the latest, which
by default is within the hour."""
MAX_AGE = timedelta(days=1)
"""How old a failure may be that is shown of a target that has not been right for so long."""

LOG_IS_LONGER = "warning: the log of deliver is longer than was read: the last errors may be missing"
"""What to say where the log was not read to its end: it is read from the oldest line on."""

type _End = tuple[str, Row]
"""When an attempt at a delivery ended, and how it failed; empty if it did not."""


class Logged(Protocol):
    """A stack that has logged attempts at deliveries, as `keyferry.cli.stack.Stack` has."""

    def list_attempts(self, since: datetime, until: datetime | None = None, mappings: Collection[str] = ()) -> LogLines:
        """Return the log lines of attempts that have ended in that time, oldest first."""
        ...


def find_failures(rows: Iterable[Row], now: datetime, stack: Logged) -> tuple[list[Row], bool]:
    """Return the rows as `add_failures` does, and whether the log was read to its end.

    The log is read two hours back. Where a target has been wrong for longer, and nothing is known of it then, it is
    read as far back as that, one day at most.

    Args:
        rows: what `report` says.
        now: the current time.
        stack: the stack whose log is read; not at all where every target is known to be right.

    Raises:
        KeyferryError: AWS refused a call or gave no answer.
    """
    rows = list(rows)
    if all(map(is_known_right, rows)):
        return rows, True
    recent = stack.list_attempts(now - RECENT)
    seen = list(add_failures(rows, recent.lines))
    unexplained = [row for row in seen if not is_right(row) and "error" not in row]
    begin = min((_find_begin(row, now) for row in unexplained), default=now)
    if begin >= now - RECENT:
        return seen, recent.is_whole
    older = stack.list_attempts(begin, until=now - RECENT, mappings={row["mapping"] for row in unexplained})
    return list(add_failures(rows, [*older.lines, *recent.lines])), recent.is_whole and older.is_whole


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


def add_failures(rows: Iterable[Row], lines: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """Yield the rows; one that is not known to be right and whose last delivery failed has its error and the times.

    Args:
        rows: what `report` says.
        lines: the log lines of attempts at deliveries that have ended, oldest first.
    """
    ends: defaultdict[tuple[str, str], dict[str, _End]] = defaultdict(dict)
    for line in lines:
        ends[str(line.get("mapping")), str(line.get("cluster"))].update(_list_ends(line))
    for row in rows:
        failure = _find_failure(row["namespace"], ends.get((row["mapping"], row["cluster"]), {}))
        if failure and not is_known_right(row) and failure["failed"] > row.get("written", ""):
            state = row["state"] if row["state"] == "conflict" else "failed"
            yield row | {"state": state} | failure
        else:
            yield row


def _list_ends(line: Mapping[str, Any]) -> Iterator[tuple[str, _End]]:
    """Yield the namespaces that an attempt tells of, each with its end; an empty name stands for all of them."""
    time, outcomes = format_time(datetime.fromisoformat(line["timestamp"])), line.get("namespaces", ())
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
    return max(known, key=lambda end: (end[0], bool(end[1])), default=("", {}))[1]


def _describe_failure(line: Mapping[str, Any], error: str) -> Row:
    time = datetime.fromisoformat(line["timestamp"])
    seconds = line.get("next_try_seconds")
    next_try = {"nextTry": format_time(time + timedelta(seconds=seconds))} if seconds else {}
    return {"error": error, "failed": format_time(time), **next_try}
