"""The log lines of one event put together: a change, from its event to what was delivered."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from keyferry.cli.trace.logs import Focus, Line
from keyferry.cli.trace.subject import SourceName

ENDS = ("delivered", "retry later", "dead letter", "dropped", "superseded", "replaced")
"""The messages that end an attempt."""


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
        if self.is_ignored:
            return False
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
        take(line).routed = line
    asked = set(changes)
    for line in logs.get("deliver", ()):
        if focus.is_delivered(line, asked):
            _take_delivery(take(line), line, focus)
    for line in logs.get("route", ()):  # also events that tell of a source by a name which is not known here
        if str(line.get("event_id")) in changes:
            take(line).routed = line
    for line in logs.get("reconcile", ()):
        if str(line.get("event_id")) in changes:
            take(line).swept = line
    return sorted(changes.values(), key=lambda change: change.time)


def _take_delivery(change: Change, line: Line, focus: Focus) -> None:
    if line.get("message") == "begun":
        change.begun.append(line)
    elif line.get("message") in ENDS:
        change.ends.append(_narrow(line, focus))


def _narrow(line: Line, focus: Focus) -> Line:
    """Return a line with those of its namespaces that are asked about.

    `listed` is how many it had, and `is_narrow` whether the others are not asked about.
    """
    kept = [
        each
        for each in line.get("namespaces", ())
        if focus.has_target(line["mapping"], line["cluster"], each["namespace"])
    ]
    listed = len(line.get("namespaces", ()))
    return {**line, "namespaces": kept, "listed": listed, "is_narrow": focus.is_of_namespace}


def choose(changes: Sequence[Change], focus: Focus) -> Change | None:
    """Return the last change that did something; else the last one that could have; None if there is none.

    Of a source that is the last event that told of it: sweeps may have tried since then what still fails.
    """
    wanted: list[Callable[[Change], bool]] = [
        lambda change: change.has_effect,
        lambda change: not change.is_ignored,
        lambda _change: True,
    ]
    if isinstance(focus.subject, SourceName):
        wanted.insert(0, lambda change: change.routed is not None and not change.is_ignored)
    return next((change for accepts in wanted for change in reversed(changes) if accepts(change)), None)


def list_outcomes(changes: Iterable[Change]) -> Iterator[Outcome]:
    """Yield what deliveries did in each namespace, the oldest change first.

    One that failed as a whole has one outcome that it did not name, for all namespaces.
    """
    for change in changes:
        for line in change.ends:
            if "error" in line:
                yield Outcome(line, {"namespace": "", "did": "failed", "error": line["error"]})
            yield from (Outcome(line, fields) for fields in line["namespaces"])


def read_time(text: str) -> datetime:
    """Return a time of a log line."""
    return datetime.fromisoformat(text)
