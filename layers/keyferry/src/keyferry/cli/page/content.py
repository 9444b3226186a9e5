"""What the page shows, from the rows of `keyferry status`: each name and each cause once, as many rows repeat them."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypedDict

from keyferry.cli.expiry import Expiry, list_expiries
from keyferry.cli.failures import leave_out_past_try
from keyferry.cli.states import Row, is_known_right
from keyferry.formats.printable import escape
from keyferry.model import format_time, split_version

STATES = ("conflict", "failed", "gone", "stale", "restart due", "unknown", "held", "right")
"""All states, the worst first."""
ALL_CERTIFICATES = timedelta(days=36_500)


class Cause(TypedDict):
    """Why targets are not right, or could not be compared. Texts that are not known are empty."""

    text: str
    at: str
    """File and line."""
    failed: str
    """When the last delivery failed, ISO 8601."""
    nextTry: str
    """When the next one is due, ISO 8601; empty where that time has passed without it."""


class Content(TypedDict):
    """The data of the page. Numbers stand for places in the lists here; times are ISO 8601 in UTC, empty if unknown."""

    stack: str
    time: str
    """When it was looked at."""
    states: Sequence[str]
    clusters: Sequence[str]
    mappings: Sequence[Any]
    """Name, Secret, owner and restart of each: `auto`, `none`, a list of `Kind/name`, or null where it is not known."""
    sources: Sequence[Any]
    """Store, name and region of each."""
    causes: Sequence[Cause]
    rows: Sequence[Any]
    """For each target: mapping, cluster, namespace, state, since, cause (-1: none), and its sources: each with the
    versions held and wanted."""
    expiries: Sequence[Any]
    """For each: what, name, state, time, the number of Secrets, and three of them."""


@dataclass
class _Numbered[T: Hashable]:
    """Things that are told apart by their numbers: each once."""

    numbers: dict[T, int] = field(default_factory=dict)

    def number(self, thing: T) -> int:
        """Return the number of a thing."""
        return self.numbers.setdefault(thing, len(self.numbers))


def build_content(rows: Sequence[Row], stack: str, now: datetime) -> Content:
    """Return the data of the page.

    Args:
        rows: the rows of `keyferry status`.
        stack: whom they come from; empty if nobody was asked.
        now: the current time.
    """
    clusters, sources = _Numbered[str](), _Numbered[tuple[str, ...]]()
    mappings, causes = _Numbered[tuple[Any, ...]](), _Numbered[tuple[str, ...]]()
    lines = [
        [
            mappings.number(_describe_mapping(row)),
            clusters.number(escape(row["cluster"])),
            escape(row["namespace"]),
            STATES.index(row["state"] if row["state"] in STATES else "unknown"),  # of a newer release
            row.get("since", ""),
            causes.number(cause) if (cause := _describe_cause(row, now)) else -1,
            [_describe_source(source, sources) for source in row["sources"]],
        ]
        for row in rows
    ]
    return {
        "stack": escape(stack),
        "time": format_time(now),
        "states": STATES,
        "clusters": list(clusters.numbers),
        "mappings": list(mappings.numbers),
        "sources": list(sources.numbers),
        "causes": [
            {"text": text, "at": at, "failed": failed, "nextTry": next_try}
            for text, at, failed, next_try in causes.numbers
        ],
        "rows": lines,
        "expiries": [
            _describe_expiry(each)
            for each in list_expiries(rows, now, ALL_CERTIFICATES)
            if each.time or each.what == "rotation"
        ],
    }


def _describe_mapping(row: Row) -> tuple[Any, ...]:
    restart = row.get("restart")
    known = tuple(map(escape, restart)) if isinstance(restart, list | tuple) else restart
    return escape(row["mapping"]), escape(row["secret"]), _describe_owner(row), known


def _describe_owner(row: Row) -> str:
    owner = row.get("owner", {})
    contact = f" ({owner['contact']})" if "contact" in owner else ""
    return escape(f"{owner.get('team', '')}{contact}")


def _describe_cause(row: Row, now: datetime) -> tuple[str, ...]:
    if is_known_right(row):
        return ()
    text, next_try = row.get("error") or row.get("why", ""), leave_out_past_try(row, now).get("nextTry", "")
    return escape(text), escape(row.get("at", "")), row.get("failed", ""), next_try


def _describe_source(source: Row, sources: _Numbered[tuple[str, ...]]) -> list[Any]:
    number = sources.number((source["store"], escape(source["name"]), source.get("region", "")))
    held, wanted = (escape(split_version(source.get(which, ""))[0]) for which in ("held", "wanted"))
    return [number, held[:8]] if held == wanted or not wanted else [number, held[:8], wanted[:8]]


def _describe_expiry(expiry: Expiry) -> list[Any]:
    time = format_time(expiry.time) if expiry.time else ""
    return [
        expiry.what,
        escape(expiry.name),
        expiry.state,
        time,
        len(expiry.targets),
        list(map(escape, expiry.targets[:3])),
    ]
