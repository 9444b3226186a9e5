"""What is known of a change, as `keyferry trace --output json` has it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NotRequired, TypedDict

from keyferry.cli.output.words import add_help
from keyferry.cli.states import RIGHT, Row, is_right
from keyferry.cli.trace.answer import TargetKey, explain_restart, get_target
from keyferry.cli.trace.changes import Change, choose, collect, list_ends, list_outcomes, read_time
from keyferry.cli.trace.hop import Hop
from keyferry.cli.trace.hops import list_hops, settle
from keyferry.cli.trace.logs import Focus, Line
from keyferry.cli.trace.looks import Answer
from keyferry.cli.trace.subject import Event, WorkloadName
from keyferry.model import format_moment, format_time

MAX_OTHERS = 20
"""How many other changes are named."""
UNREAD = "none of these: a push from a terminal, or a log that is not read"
"""What wrote a Secret after all deliveries that are in the logs: `push` writes no line there."""


class Now(TypedDict):
    """How a target is now, as `keyferry status` has it."""

    target: str
    """Cluster, namespace and Secret, as `prod-eu/payments/db`."""
    mapping: str
    """The mapping that writes it."""
    state: str
    """The state."""
    why: NotRequired[str]
    """What the state is for."""
    written: NotRequired[str]
    """When content was last written."""
    by: NotRequired[str]
    """Where that was later than every delivery that was read: by what it may have been."""


class OtherChange(TypedDict):
    """A change beside the one that is told."""

    eventId: str
    """Its event."""
    time: str
    """When it happened, ISO 8601 in UTC."""


class Trace(TypedDict):
    """The way of one change, and what is said of it."""

    what: str
    """What was asked about."""
    stack: str
    """The name of the stack."""
    since: str
    """How far back the logs were read, ISO 8601 in UTC."""
    until: str
    """Until when."""
    isWhole: bool
    """Whether the logs were read to their end; they may be longer than there is patience."""
    eventId: NotRequired[str]
    """The event that began it; there is none where nothing was found."""
    hops: list[Hop]
    """The steps of the last change."""
    others: list[OtherChange]
    """Other changes since then, earlier and later ones, the newest first: twenty at most."""
    othersMore: int
    """How many others there are beyond these."""
    ignored: int
    """How many events since then were about it, and no change."""
    now: list[Now]
    """The state of the targets that it is about."""
    answers: list[Answer]
    """Of a workload: why it restarted, or did not."""


type Logs = Mapping[str, Sequence[Line]]
"""The end of a function's name → the lines of its log, oldest first."""
type Locate = Callable[[str], str]
"""Returns file and line of a mapping by its name; empty where they are not known."""


def _nowhere(_mapping: str) -> str:
    return ""


def build_trace(
    focus: Focus, logs: Logs, *, stack: str, since: datetime, until: datetime, is_whole: bool, locate: Locate = _nowhere
) -> Trace:
    """Return the last change of what is asked about.

    Args:
        focus: what is asked about.
        logs: the logs that were read.
        stack: the name of the stack.
        since: how far back the logs were read.
        until: until when, which is when it was asked.
        is_whole: whether they were read to their end.
        locate: returns file and line of a mapping by its name; empty where they are not known.
    """
    changes = collect(focus, logs)
    last, subject, ends = choose(changes, focus), focus.subject, list_ends(changes)
    others = [change for change in changes if change is not last]
    effective = [change for change in reversed(others) if not change.is_ignored]
    unread = _list_unread(focus, changes, since)
    trace = Trace(
        what=str(subject),
        stack=stack,
        since=format_time(since),
        until=format_time(until),
        isWhole=is_whole,
        hops=list(map(add_help, _list_hops(focus, list_hops(last, ends, until), unread))) if last else [],
        others=list(map(_describe_other, effective[:MAX_OTHERS])),
        othersMore=len(effective[MAX_OTHERS:]),
        ignored=len(others) - len(effective),
        now=[_describe_now(focus, row, unread) for row in _choose_rows(focus, last)],
        answers=explain_restart(subject, focus.rows, list_outcomes(changes), unread, since, until, locate)
        if isinstance(subject, WorkloadName)
        else [],
    )
    return {**trace, "eventId": last.event_id} if last else trace


def _describe_other(change: Change) -> OtherChange:
    return OtherChange(eventId=change.event_id, time=format_moment(change.time))


def _list_unread(focus: Focus, changes: Sequence[Change], since: datetime) -> dict[TargetKey, str]:
    """Return mapping, cluster and namespace → when it was written, where no delivery that was read has done that."""
    lines = [line for change in changes for line in (*change.begun, *change.ends)]
    unread = {}
    for row in focus.rows:
        if "written" not in row:
            continue
        own = [line for line in lines if _is_of(row, line)]
        last = max(own, key=lambda line: (read_time(line["timestamp"]), line["message"] != "begun"), default=None)
        is_under_way = last is not None and last["message"] == "begun"
        if not is_under_way and read_time(row["written"]) > (read_time(last["timestamp"]) if last else since):
            unread[get_target(row)] = row["written"]
    return unread


def _list_hops(focus: Focus, known: Iterable[Hop], unread: Mapping[TargetKey, str]) -> list[Hop]:
    """Return the hops of a change, those of single targets with the name of the Secret as it is now."""
    secrets, hops = {row["mapping"]: row["secret"] for row in focus.rows}, list(known)
    for hop in hops:
        if "error" in hop and "settled" not in hop:
            targets = [row for row in focus.rows if _is_of(row, hop)]
            if targets and all(is_right(row) and get_target(row) in unread for row in targets):
                settle(hop, max(unread[get_target(row)] for row in targets), "something else wrote the Secret")
        if hop.get("mapping") in secrets and "namespace" in hop:
            hop["secret"] = secrets[hop["mapping"]]
    return hops


def _is_of(row: Row, delivery: Mapping[str, Any]) -> bool:
    """Return whether a delivery, by its line or its hop, is to a target."""
    is_same = (row["mapping"], row["cluster"]) == (delivery.get("mapping"), delivery.get("cluster"))
    return is_same and delivery.get("namespace", row["namespace"]) == row["namespace"]


def fails(trace: Trace) -> bool:
    """Return whether something is wrong: nothing is known, a target is not right, or its last delivery failed."""
    is_found = bool(trace["hops"] or trace["now"])
    return (
        not is_found
        or any(each["state"] not in RIGHT for each in trace["now"])
        or any("error" in hop and "settled" not in hop for hop in trace["hops"])
    )


def _choose_rows(focus: Focus, last: Change | None) -> Sequence[Row]:
    """Return the targets whose state is told, those that are not right first."""
    rows = focus.rows
    if isinstance(focus.subject, Event) and last:
        pairs = {(line["mapping"], line["cluster"]) for line in (*last.ends, *last.begun)}
        rows = [row for row in rows if (row["mapping"], row["cluster"]) in pairs]
    return sorted(rows, key=is_right)


def _describe_now(focus: Focus, row: Row, unread: Mapping[TargetKey, str]) -> Now:
    target = "/".join(filter(None, (row["cluster"], row["namespace"], row["secret"])))
    now = Now(target=target, mapping=row["mapping"], state=row["state"])
    if "why" in row:
        now["why"] = row["why"]
    if "written" in row:
        now["written"] = row["written"]
    if get_target(row) in unread:
        now["by"] = "a later delivery or push" if isinstance(focus.subject, Event) else UNREAD
    return now
