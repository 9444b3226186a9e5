"""What is known of a change, as `keyferry trace --output json` has it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NotRequired, TypedDict

from keyferry.cli.states import Row, is_right
from keyferry.cli.trace.answer import Answer, explain_restart
from keyferry.cli.trace.changes import Change, choose, collect, list_outcomes
from keyferry.cli.trace.hop import Hop
from keyferry.cli.trace.hops import list_hops
from keyferry.cli.trace.logs import Focus, Line
from keyferry.cli.trace.subject import Event, WorkloadName
from keyferry.model import format_time

MAX_EARLIER = 20
"""How many earlier changes are named."""


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
    earlier: list[str]
    """The events of earlier changes since then, the last one first."""
    ignored: int
    """How many events since then were about it, and no change."""
    now: list[Now]
    """The state of the targets that it is about."""
    answers: list[Answer]
    """Of a workload: why it restarted, or did not."""


def build_trace(
    focus: Focus, logs: Mapping[str, Sequence[Line]], *, stack: str, since: datetime, until: datetime, is_whole: bool
) -> Trace:
    """Return the last change of what is asked about.

    Args:
        focus: what is asked about.
        logs: the end of a function's name → the lines of its log, oldest first.
        stack: the name of the stack.
        since: how far back the logs were read.
        until: until when.
        is_whole: whether they were read to their end.
    """
    changes = collect(focus, logs)
    last, subject = choose(changes, focus), focus.subject
    others = [change for change in changes if change is not last]
    trace = Trace(
        what=str(subject),
        stack=stack,
        since=format_time(since),
        until=format_time(until),
        isWhole=is_whole,
        hops=_list_hops(focus, last) if last else [],
        earlier=[change.event_id for change in reversed(others) if not change.is_ignored][:MAX_EARLIER],
        ignored=sum(change.is_ignored for change in others),
        now=[_describe_now(row) for row in _choose_rows(focus, last)],
        answers=(
            explain_restart(subject, focus.rows, list_outcomes(changes), since)
            if isinstance(subject, WorkloadName)
            else []
        ),
    )
    if last:
        trace["eventId"] = last.event_id
    return trace


def _list_hops(focus: Focus, change: Change) -> list[Hop]:
    """Return the hops of a change, those of single targets with the name of the Secret as it is now."""
    secrets, hops = {row["mapping"]: row["secret"] for row in focus.rows}, list(list_hops(change))
    for hop in hops:
        if hop.get("mapping") in secrets and "namespace" in hop:
            hop["secret"] = secrets[hop["mapping"]]
    return hops


def fails(trace: Trace) -> bool:
    """Return whether something is wrong: nothing was found, or the last attempt of a delivery failed."""
    is_found = bool(trace["hops"] or trace["now"])
    return not is_found or any("error" in hop for hop in trace["hops"] if hop["step"] == "delivery")


def _choose_rows(focus: Focus, last: Change | None) -> Sequence[Row]:
    """Return the targets whose state is told, those that are not right first."""
    rows = focus.rows
    if isinstance(focus.subject, Event) and last:
        pairs = {(line["mapping"], line["cluster"]) for line in (*last.ends, *last.begun)}
        rows = [row for row in rows if (row["mapping"], row["cluster"]) in pairs]
    return sorted(rows, key=is_right)


def _describe_now(row: Row) -> Now:
    target = "/".join(filter(None, (row["cluster"], row["namespace"], row["secret"])))
    now = Now(target=target, mapping=row["mapping"], state=row["state"])
    if "why" in row:
        now["why"] = row["why"]
    if "written" in row:
        now["written"] = row["written"]
    return now
