"""The output of `keyferry trace`: at most twelve lines, each hop with its time or how long after the first it was."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from keyferry.cli.output import console
from keyferry.cli.trace.hop import Hop, Step, join
from keyferry.cli.trace.trace import Now, Trace

MAX_LINES: dict[Step, int] = {"event": 1, "route": 2, "delivery": 3, "write": 2, "restart": 2}
"""How many lines each step has. With the first line and the state now these are twelve."""
WITH_ANSWER: dict[Step, int] = MAX_LINES | {"route": 1, "delivery": 2}
"""The same where an answer follows, which has two lines at most."""


INDENT = 24
"""How many columns the time and the step take."""


def print_trace(trace: Trace) -> None:
    """Write what was asked about, the hops of the change, the state now, and the answer."""
    heading, *lines = list_lines(trace)
    console.print_line(heading)
    for line in lines:
        console.print_line(line, indent=INDENT)


def list_lines(trace: Trace) -> Iterator[str]:
    """Yield the lines."""
    yield _build_heading(trace)
    first = trace["hops"][0]["time"] if trace["hops"] else ""
    for step, most in (WITH_ANSWER if trace["answers"] else MAX_LINES).items():
        yield from _list_step([hop for hop in trace["hops"] if hop["step"] == step], most, first)
    yield from _list_state(trace["now"])
    yield from _list_answers(trace)


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
        return f"{trace['what']}: nothing in the logs from {trace['since']} to {trace['until']}{rest}"
    event = trace.get("eventId", "")
    parts = [trace["what"]] if event in trace["what"] else [f"{trace['what']}: event {event}"]
    if trace["earlier"]:
        parts.append(f"{len(trace['earlier'])} earlier since {_format(trace['since'])}, the last {trace['earlier'][0]}")
    if trace["ignored"]:
        parts.append(f"{trace['ignored']} that were no change")
    return ", ".join(parts)


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
    written = f", written {_format(first['written'])}" if "written" in first else ""
    counts: defaultdict[str, int] = defaultdict(int)
    for each in others:
        counts[each["state"]] += 1
    more = "".join(f"; {count:,} more {state}" for state, count in counts.items())
    yield f"{'now':<12}  {'state':<8}  {first['target']} is {first['state']}{why}{written}{more}"


def _list_answers(trace: Trace) -> Iterator[str]:
    answers = trace["answers"]
    if answers:
        yield f"{'answer':<12}  {'':<8}  {answers[0]['text']}"
    if len(answers) > 1:
        more = f" ({len(answers) - 2:,} more)" if len(answers) > 2 else ""
        yield f"{'':<12}  {'':<8}  {answers[1]['text']}{more}"


def _tell_time(time: str, first: str) -> str:
    """Return the time of the first hop, and of the others how long after it they were."""
    if time == first:
        return f"{datetime.fromisoformat(time).astimezone(UTC):%H:%M:%S.%f}"[:12]
    seconds = (datetime.fromisoformat(time) - datetime.fromisoformat(first)).total_seconds()
    return f"{seconds:+.3f} s" if abs(seconds) < 100 else f"{seconds:+,.0f} s"


def _format(time: str) -> str:
    return f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
