"""The output of `keyferry trace`: at most twelve lines, each hop with its time or how long after the first it was."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from keyferry.cli.output import console
from keyferry.cli.output.words import join, name_guides
from keyferry.cli.trace.hop import Hop, Step
from keyferry.cli.trace.looks import Answer
from keyferry.cli.trace.trace import Now, Trace

MAX_LINES: dict[Step, int] = {"event": 1, "route": 2, "delivery": 3, "write": 2, "restart": 2}
"""How many lines each step has. With the first line and the state now these are twelve."""
WITH_ANSWER: dict[Step, int] = MAX_LINES | {"route": 1, "delivery": 2}
"""The same where answers come first, which have two lines at most."""
MAX_ANSWERS = 2

INDENT = 24
"""How many columns the time and the step take."""


def print_trace(trace: Trace) -> None:
    """Write what was asked about, the answer, the hops of the change, and the state now; then where errors lead to."""
    heading, *lines = list_lines(trace)
    console.print_line(heading)
    for line in lines:
        console.print_line(line, indent=INDENT)
    for guide in name_guides(hop["error"] for hop in trace["hops"] if "error" in hop and "settled" not in hop):
        console.print_verbatim(guide)


def list_lines(trace: Trace) -> Iterator[str]:
    """Yield the lines."""
    yield _build_heading(trace)
    yield from _list_answers(trace["answers"])
    first = trace["hops"][0]["time"] if trace["hops"] else ""
    for step, most in (WITH_ANSWER if trace["answers"] else MAX_LINES).items():
        yield from _list_step([hop for hop in trace["hops"] if hop["step"] == step], most, first)
    yield from _list_state(trace["now"])


def _list_step(hops: Sequence[Hop], most: int, first: str) -> Iterator[str]:
    """Yield the lines of one step; what there is no room for is counted in the last of them."""
    groups = _fold(hops)
    if most == 1 and len(groups) > 1:
        yield f"{_build_line(groups[0], first)}; {len(groups) - 1:,} more: --output json has each"
        return
    shown = groups if len(groups) <= most else groups[: most - 1]
    yield from (_build_line(group, first) for group in shown)
    if len(groups) > len(shown):
        yield _build_rest(groups[len(shown) :], first)


def _build_heading(trace: Trace) -> str:
    if not trace["hops"]:
        rest = "" if trace["isWhole"] else "; their end was not reached"
        return f"{trace['what']}: nothing in the logs from {_format(trace['since'])} to {_format(trace['until'])}{rest}"
    event = trace.get("eventId", "")
    name = "" if event in trace["what"] else f" (event {event})"
    parts = [f"{trace['what']}: {_name_origin(event)} of {_format_short(trace['hops'][0]['time'], trace)}{name}"]
    if trace["others"]:
        newest, count = trace["others"][0], len(trace["others"]) + trace["othersMore"]
        which = f"the newest {newest['eventId']}" if count > 1 else newest["eventId"]
        since = f"{count:,} other{'s' * (count > 1)} since {_format_short(trace['since'], trace)}"
        parts.append(f"{since}, {which} at {_format_short(newest['time'], trace)}")
    if trace["ignored"]:
        parts.append(f"{trace['ignored']:,} more event{'s' * (trace['ignored'] > 1)} of no change")
    return "; ".join(parts)


def _name_origin(event_id: str) -> str:
    """Return what began a change, by the id that it has."""
    return next((origin for origin in ("sweep", "push") if event_id.startswith(f"{origin}-")), "change")


def _format_short(time: str, trace: Trace) -> str:
    """Return a time without its day where that is the day on which the question was asked."""
    moment, asked = (datetime.fromisoformat(each).astimezone(UTC) for each in (time, trace["until"]))
    return f"{moment:%H:%M:%S}" if moment.date() == asked.date() else f"{moment:%Y-%m-%d %H:%M:%S}"


def _fold(hops: Sequence[Hop]) -> list[list[Hop]]:
    """Return the hops that say the same of several targets together, those with errors first."""
    groups: defaultdict[tuple[bool, str], list[Hop]] = defaultdict(list)
    for hop in hops:
        groups["error" not in hop, hop["text"]].append(hop)
    return [groups[key] for key in sorted(groups, key=lambda key: key[0])]


def _build_line(group: Sequence[Hop], first: str) -> str:
    hop = group[0]
    seconds = f" in {hop['seconds']} s" if "seconds" in hop and hop["text"] == "delivered" and len(group) == 1 else ""
    return f"{_tell_time(hop['time'], first):<12}  {hop['step']:<8}  {_name_targets(group)}{hop['text']}{seconds}"


def _build_rest(groups: Sequence[Sequence[Hop]], first: str) -> str:
    hop, targets = groups[0][0], sum(hop["targets"] for group in groups for hop in group)
    what = f"{targets:,} more targets" if targets else f"{len(groups):,} more"
    return f"{_tell_time(hop['time'], first):<12}  {hop['step']:<8}  {what}: --output json has each"


def _name_targets(group: Sequence[Hop]) -> str:
    hop, count = group[0], sum(hop["targets"] for hop in group)
    if not count:
        return ""
    if hop["step"] == "delivery":
        names = [" to ".join(filter(None, (each.get("mapping"), _name_place(each)))) for each in group]
    else:
        names = [f"{_name_place(each)}/{each.get('secret', each['mapping'])}" for each in group if "namespace" in each]
    if not names:
        return f"{count:,} target{'s' * (count > 1)}: "
    return f"{join(names, count, limit=1 if count > 2 else 2)}: "


def _name_place(hop: Hop) -> str:
    return "/".join(filter(None, (hop.get("cluster"), hop.get("namespace"))))


def _list_state(now: Sequence[Now]) -> Iterator[str]:
    """Yield one line: the first target's state, and how many of which there are more."""
    if not now:
        return
    first, *others = now
    why = f": {first['why']}" if "why" in first else ""
    by = f" by {first['by']}" if "by" in first else ""
    written = f", written {_format(first['written'])}{by}" if "written" in first else ""
    counts: defaultdict[str, int] = defaultdict(int)
    for each in others:
        counts[each["state"]] += 1
    more = "".join(f"; {count:,} more {state}" for state, count in counts.items())
    yield f"{'now':<12}  {'state':<8}  {first['target']} is {first['state']}{why}{written}{more}"


def _list_answers(answers: Sequence[Answer]) -> Iterator[str]:
    """Yield a line for each answer that there is room for; how many there are more stands in the last of them."""
    more = len(answers) - MAX_ANSWERS
    for number, answer in enumerate(answers[:MAX_ANSWERS], 1):
        rest = f" ({more:,} more: --output json has each)" if more > 0 and number == MAX_ANSWERS else ""
        yield f"{'answer':<12}  {'':<8}  {answer['text']}{rest}"


def _tell_time(time: str, first: str) -> str:
    """Return the time of the first hop, and of the others how long after it they were."""
    if time == first:
        return f"{datetime.fromisoformat(time).astimezone(UTC):%H:%M:%S.%f}"[:12]
    seconds = (datetime.fromisoformat(time) - datetime.fromisoformat(first)).total_seconds()
    return f"{seconds:+.3f} s" if abs(seconds) < 100 else f"{seconds:+,.0f} s"


def _format(time: str) -> str:
    return f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
