"""The output of `keyferry status`: a table of targets, what is wrong with which, and totals."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from keyferry.cli.call import CALL, Call
from keyferry.cli.failures import describe_age
from keyferry.cli.output import console
from keyferry.cli.output.words import count, count_targets, format_age, join, name_guides, tell_next_try
from keyferry.cli.states import Row, is_known_right
from keyferry.model import split_version
from keyferry.pipeline.suspensions import Suspension

_VERSION_LENGTH = 8
"""How much of a version id a table shows."""


def print_planned(rows: Sequence[Row]) -> None:
    """Write a line for each target that the files have: nothing is known of its state."""
    if not rows:
        console.print_line("no targets")
        return
    lines = [(row["cluster"], row["namespace"], row["secret"], _name_mapping(row)) for row in rows]
    console.print_table(("cluster", "namespace", "secret", "mapping"), lines)
    console.print_line("")
    console.print_line(count(len(rows), "target"))


def print_states(
    rows: Sequence[Row], now: datetime, total: int = 0, call: Call = CALL, suspended: Sequence[Suspension] = ()
) -> None:
    """Write a line for each target, then what is wrong, each cause once, then totals.

    Args:
        rows: the targets.
        now: the current time.
        total: how many targets were asked for, those among them that are right and not shown.
        call: how this program was called, for the commands.
        suspended: what is suspended: nothing delivers that before its end.
    """
    if not rows:
        all_right = "the target is right" if total == 1 else f"all {total:,} targets are right"
        console.print_line(f"{all_right}, or held by the mapping" if total else "no targets")
        return
    header = ("state", "cluster", "namespace", "secret", "mapping", "version", "since")
    console.print_table(header, [_build_line(row, now) for row in rows])
    causes: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if cause := _describe_cause(row, now, call, suspended):
            causes[cause].append(row)
    for cause, alike in causes.items():
        console.print_line("")
        console.print_line(f"{_name_targets(alike)}: {cause}")
    console.print_line("")
    for guide in name_guides(row["error"] for row in rows if "error" in row):
        console.print_verbatim(guide)
    console.print_line(count_targets(row["state"] for row in rows))


def _build_line(row: Row, now: datetime) -> tuple[str, ...]:
    versions = dict.fromkeys(filter(None, map(_describe_version, row["sources"])))
    since = format_age(datetime.fromisoformat(row["since"]), now) if "since" in row else ""
    return (
        row["state"],
        row["cluster"],
        row["namespace"] or "-",
        row["secret"],
        _name_mapping(row),
        ", ".join(versions),
        since,
    )


def _name_mapping(row: Row) -> str:
    return "" if row["mapping"] == row["secret"] else row["mapping"]


def _describe_version(source: Row) -> str:
    held, wanted = _shorten(source.get("held", "")), _shorten(source.get("wanted", ""))
    return held if held == wanted or not wanted else f"{held or '-'} → {wanted}"


def _shorten(version: str) -> str:
    return split_version(version)[0][:_VERSION_LENGTH]


def _describe_cause(row: Row, now: datetime, call: Call, suspended: Sequence[Suspension]) -> str:
    if is_known_right(row):
        return ""
    parts, push = [row.get("error") or row.get("why", "")], call.format_asking("push")
    if age := describe_age(row, now):
        parts.append(age)
    if any(one.covers(row["mapping"], row["cluster"]) for one in suspended):
        parts.append("it is suspended, and delivered once that has ended")
    elif "nextTry" in row:
        parts.append(tell_next_try(datetime.fromisoformat(row["nextTry"]), now))
    elif "failed" in row:
        parts.append(f"the next sweep tries again; `{push}` does not wait for it")
    elif row["state"] in ("stale", "gone", "restart due") and not any(map(_is_missing, row["sources"])):
        parts.append(f"the next sweep sees it; `{push}` does not wait for it")
    return "; ".join(filter(None, parts))


def _is_missing(source: Row) -> bool:
    return bool(source.get("missing"))


def _name_targets(rows: Sequence[Row]) -> str:
    first = "/".join(filter(None, (rows[0]["cluster"], rows[0]["namespace"], rows[0]["secret"])))
    return join([first], len(rows), limit=1)
