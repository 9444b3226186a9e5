"""The log lines of one event put together: a change, from its event to what was delivered."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from keyferry.cli.trace.logs import Focus, Line
from keyferry.cli.trace.narrow import list_own, narrow_end, narrow_route, narrow_sweep
from keyferry.cli.trace.subject import SourceName
from keyferry.delivery.report import MAX_LISTED

ENDS = ("delivered", "retry later", "dead letter", "dropped", "superseded", "replaced", "suspended")
"""The messages that end an attempt."""
FAILED = ("retry later", "dead letter", "dropped")
"""Those of attempts that failed."""


@dataclass
class Change:
    """What the logs have of one event, each list oldest first."""

    event_id: str
    routed: Line | None = None
    """The line of route; None for a sweep, for `push`, and where it is older than the logs that were read."""
    swept: Line | None = None
    begun: list[Line] = field(default_factory=list)
    ends: list[Line] = field(default_factory=list)
    """The ends of all attempts of its deliveries, as far as they are asked about."""

    @property
    def time(self) -> datetime:
        """When it happened, as far as it is known: at AWS, or when the first of its lines was written."""
        lines = [line for line in (self.routed, self.swept, *self.ends, *self.begun) if line]
        told = [line["event_time"] for line in lines if "event_time" in line]
        return min(map(read_time, told or [line["timestamp"] for line in lines]))

    @property
    def is_ignored(self) -> bool:
        """Whether the event was no change."""
        return self.routed is not None and "ignored" in self.routed

    @property
    def has_effect(self) -> bool:
        """Whether it wrote something, failed, or is under way; a new version of the same content does, too."""
        return len(self.begun) > len(self.ends) or any(
            line.get("namespaces") or line["message"] not in ("delivered", "superseded") for line in self.ends
        )


@dataclass(frozen=True)
class Outcome:
    """What a delivery did in one namespace, with the line that tells it."""

    line: Line
    fields: Mapping[str, Any]
    """As `keyferry.delivery.report.Outcome` logs it."""

    @property
    def namespace(self) -> str:
        """The namespace."""
        return str(self.fields["namespace"])


def collect(focus: Focus, logs: Mapping[str, Sequence[Line]]) -> list[Change]:
    """Return the changes that are asked about, the oldest first.

    Args:
        focus: what is asked about.
        logs: the end of a function's name → the lines of its log, oldest first.
    """
    changes: dict[str, Change] = {}

    def take(line: Line) -> Change:
        return changes.setdefault(str(line["event_id"]), Change(str(line["event_id"])))

    for line in filter(focus.is_routed, logs.get("route", ())):
        take(line).routed = narrow_route(line, focus)
    asked = set(changes)
    for line in logs.get("deliver", ()):
        if line.get("message") in ("begun", *ENDS) and focus.is_delivered(line, asked):
            _take_delivery(take(line), line, focus)
    for line in logs.get("route", ()):  # also events that tell of a source by a name which is not known here
        if str(line.get("event_id")) in changes:
            take(line).routed = narrow_route(line, focus)
    for line in logs.get("reconcile", ()):
        if str(line.get("event_id")) in changes:
            take(line).swept = narrow_sweep(line, focus)
    return sorted((each for each in changes.values() if _concerns(each, focus)), key=lambda change: change.time)


def _concerns(change: Change, focus: Focus) -> bool:
    """Return whether a change is about what is asked about, and not only about other mappings of the same source."""
    line = change.routed
    if not focus.is_of_namespace or line is None or change.is_ignored or change.begun or change.ends:
        return True
    is_whole = len(line["deliveries"]) == line["count"]
    is_unknown = not line["count"] and not line["is_refused"]
    return not is_whole or is_unknown or bool(list_own(line, focus) or line["rejected"])


def _take_delivery(change: Change, line: Line, focus: Focus) -> None:
    if line.get("message") == "begun":
        change.begun.append(line)
    else:
        change.ends.append(narrow_end(line, focus))


def choose(changes: Sequence[Change], focus: Focus) -> Change | None:
    """Return the last change that did something; else the last one that could have; None if there is none.

    The first delivery that succeeds where the one before has failed did something, though it may have written nothing.
    Of a source that is the last event that told of it: sweeps may have tried since then what still fails.
    """
    mended = _list_mended(changes)
    wanted: list[Callable[[Change], bool]] = [
        lambda change: change.has_effect or change.event_id in mended,
        lambda change: not change.is_ignored,
        lambda _change: True,
    ]
    if isinstance(focus.subject, SourceName):
        wanted.insert(0, lambda change: change.routed is not None and not change.is_ignored)
    return next((change for accepts in wanted for change in reversed(changes) if accepts(change)), None)


def list_ends(changes: Iterable[Change]) -> list[Line]:
    """Return the ends of all attempts, the oldest first."""
    return sorted((line for change in changes for line in change.ends), key=lambda line: read_time(line["timestamp"]))


def _list_mended(changes: Sequence[Change]) -> set[str]:
    """Return the events whose deliveries were the first to succeed after another had failed."""
    failed, mended = set[tuple[str, str]](), set[str]()
    for line in list_ends(changes):
        pair = line["mapping"], line["cluster"]
        if is_success(line):
            mended |= {str(line["event_id"])} if pair in failed else set()
            failed.discard(pair)
        elif line["message"] in FAILED:
            failed.add(pair)
    return mended


def is_success(line: Line) -> bool:
    """Return whether a delivery did what it had to, at least in the namespaces that are asked about."""
    return line["message"] == "delivered" or is_fine(line)


def is_fine(line: Line) -> bool:
    """Return whether a delivery failed, and not in the namespaces that are asked about."""
    if not line.get("is_narrow") or "error" in line or "targets" not in line:
        return False
    is_known = bool(line["namespaces"]) or line["listed"] < MAX_LISTED
    return is_known and not any("error" in each for each in line["namespaces"])


def find_success(line: Line, ends: Iterable[Line]) -> Line | None:
    """Return the first delivery that succeeded after one that failed; None if none did.

    Args:
        line: the end of the delivery that failed.
        ends: the ends of all deliveries, oldest first.
    """
    names = {"", line.get("namespace", "")}
    for end in ends:
        is_same = (end["mapping"], end["cluster"]) == (line["mapping"], line["cluster"])
        is_later = read_time(end["timestamp"]) > read_time(line["timestamp"])
        if is_same and is_later and is_success(end) and (line["is_narrow"] or end.get("namespace", "") in names):
            return end
    return None


def list_outcomes(changes: Iterable[Change]) -> Iterator[Outcome]:
    """Yield what deliveries did in each namespace, the oldest delivery first.

    One that failed as a whole has one outcome that it did not name, for all namespaces.
    """
    for line in list_ends(changes):
        if "error" in line:
            yield Outcome(line, {"namespace": "", "did": "failed", "error": line["error"]})
        yield from (Outcome(line, fields) for fields in line["namespaces"])
        yield from (Outcome(line, {"namespace": name, "did": "unchanged"}) for name in line["unchanged"])


def read_time(text: str) -> datetime:
    """Return a time of a log line."""
    return datetime.fromisoformat(text)
