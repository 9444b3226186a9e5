"""The hops of a change: its event, route, deliveries, writes and restarts, each with its time and in words."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from keyferry.cli.output import words
from keyferry.cli.trace.changes import FAILED, Change, Outcome, find_success, is_fine, read_time
from keyferry.cli.trace.effects import count_others, describe_restart, describe_write
from keyferry.cli.trace.hop import Hop, shorten_version
from keyferry.cli.trace.logs import Line
from keyferry.model import format_moment, format_time


def list_hops(change: Change, later: Sequence[Line], asked: datetime) -> Iterator[Hop]:
    """Yield the hops of a change; those of one kind are in the order of their time.

    Args:
        change: the change.
        later: the ends of the deliveries of all changes, oldest first: one may have made good what this one has not.
        asked: when it is asked about.
    """
    yield from _list_event(change)
    ends = sorted(change.ends, key=lambda line: str(line["timestamp"]))
    yield from _list_deliveries(change, later, asked)
    for line in ends:
        outcomes = [Outcome(line, fields) for fields in line["namespaces"]]
        yield from filter(None, map(describe_write, outcomes))
        yield from count_others(line, outcomes)
    for line in ends:
        outcomes = [Outcome(line, fields) for fields in line["namespaces"]]
        yield from filter(None, map(describe_restart, outcomes))


def _list_event(change: Change) -> Iterator[Hop]:
    routed, swept = change.routed, change.swept
    if routed:
        text = f"{routed['ignored']}: {routed['detail']}" if change.is_ignored else _describe_event(routed)
        yield Hop(step="event", time=format_moment(change.time), text=text, targets=0)
        time = _tell_route_time(routed, change.begun)
        yield Hop(step="route", time=time, text=_describe_route(routed), targets=0)
        for match in routed.get("rejected", ()):
            text = f"none for mapping {match['mapping']}, source {match['source']}: {match['not']}"
            yield Hop(step="route", time=time, text=text, targets=0)
    else:
        text = _describe_sweep(swept, change) if change.event_id.startswith("sweep-") else _describe_other(change)
        yield Hop(step="event", time=format_moment(change.time), text=text, targets=0)


def _tell_route_time(routed: Line, begun: Sequence[Line]) -> str:
    """Return when the deliveries were on their way: route says so at its end, when some can have begun."""
    return format_moment(min(read_time(line["timestamp"]) for line in (routed, *begun)))


def _describe_event(line: Line) -> str:
    """Return what an event says of which source."""
    parts = [f"{line['change']}: {' or '.join(line['names'])}"]
    parts += [f"{line['label']} moved"] if "label" in line else []
    parts += [f"to version {shorten_version(line['version'])}"] if "version" in line else []
    return " ".join(parts)


def _describe_route(line: Line) -> str:
    if "ignored" in line:
        return "no delivery: it is no change"
    count, names = line["count"], line["deliveries"]
    if not count:
        return "no delivery" if line.get("rejected") else f"no delivery: no mapping reads {' or '.join(line['names'])}"
    return f"{count:,} deliver{'y' if count == 1 else 'ies'}: {words.join(names, count)}"


def _describe_sweep(line: Line | None, change: Change) -> str:
    if line is None:
        return "a sweep"
    pairs = {(end["mapping"], end["cluster"]) for end in (*change.ends, *change.begun)}
    why = [each["why"] for each in line["sent"] if (each["mapping"], each["cluster"]) in pairs]
    return f"a sweep ({line.get('origin', 'schedule')})" + (
        f" saw: {words.join(list(dict.fromkeys(why)))}" if why else ""
    )


def _describe_other(change: Change) -> str:
    if change.event_id.startswith("push-"):
        return "keyferry push"
    return f"event {change.event_id}, whose line of route is older than the logs that were read"


def _list_deliveries(change: Change, later: Sequence[Line], asked: datetime) -> Iterator[Hop]:
    """Yield the last attempt of each delivery, with its beginning; one that has not ended is told as that."""
    begun, last = dict[tuple[str, str, str], Line](), dict[tuple[str, str, str], Line]()
    for line in sorted((*change.begun, *change.ends), key=lambda line: str(line["timestamp"])):
        target = line["mapping"], line["cluster"], line.get("namespace", "")
        last[target] = line
        if line["message"] == "begun":
            begun[target] = line
    for target, line in last.items():
        hop = _describe_delivery(line, begun.get(target, line), asked)
        success = find_success(line, later) if "error" in hop else None
        if success:
            settle(hop, success["timestamp"], f"event {success['event_id']} was delivered")
        yield hop


def settle(hop: Hop, time: str, how: str) -> None:
    """Let a delivery that failed say that this is over.

    Args:
        hop: the delivery.
        time: since when.
        how: by what, as a sentence without an end.
    """
    hop["settled"] = format_moment(read_time(time))
    hop["text"] += f"; since then, at {read_time(time).astimezone(UTC):%H:%M:%S}, {how}"


def _describe_delivery(line: Line, begun: Line, asked: datetime) -> Hop:
    time, text = format_moment(read_time(begun["timestamp"])), _tell_delivery(line, asked)
    hop = Hop(step="delivery", time=time, text=text, targets=1)
    hop["mapping"], hop["cluster"] = line["mapping"], line["cluster"]
    if "namespace" in line:
        hop["namespace"] = line["namespace"]
    if "attempt" in line:
        hop["attempt"] = line["attempt"]
    if "seconds" in line:
        hop["seconds"] = line["seconds"]
    if line["message"] in FAILED and not is_fine(line):
        hop["error"] = get_error(line)
    next_try = get_next_try(line)
    if next_try and next_try > asked:
        hop["nextTry"] = format_time(next_try)
    return hop


def _tell_delivery(line: Line, asked: datetime) -> str:
    attempt = f", attempt {line['attempt']}" if line.get("attempt", 1) > 1 else ""
    if is_fine(line) and line["message"] not in ("delivered", "suspended"):
        return f"delivered{attempt}; other namespaces failed"
    match line["message"]:
        case "begun":
            return f"begun{attempt}, and not ended yet"
        case "delivered":
            return f"delivered{attempt}"
        case "retry later":
            return f"failed{attempt}: {get_error(line)}{tell_next_try(line, asked)}"
        case "dead letter":
            return f"is a dead letter{attempt}: {get_error(line)}"
        case "suspended":
            return f"not delivered{attempt}: {line.get('reason', '')}"
        case "replaced":
            count = line.get("follow_ups", 1)
            where = words.join(line.get("sent_on", ()), count)
            return f"goes on{attempt} as {count:,} deliver{'y' if count == 1 else 'ies'} to {where}: {get_error(line)}"
    return f"dropped{attempt}: {get_error(line)}"


def get_error(line: Line) -> str:
    """Return why a delivery failed: the error of the whole, or of the first namespace that is asked about."""
    errors = [each["error"] for each in line.get("namespaces", ()) if "error" in each]
    return str(line.get("error") or next(iter(errors), "") or line.get("reason", ""))


def get_next_try(line: Line) -> datetime | None:
    """Return when a delivery is tried again; None if it is not."""
    seconds = line.get("next_try_seconds")
    return read_time(line["timestamp"]) + timedelta(seconds=seconds) if seconds else None


def tell_next_try(line: Line, asked: datetime) -> str:
    """Return when a delivery is tried again, as the end of a sentence; empty if it is not.

    Args:
        line: the end of the attempt that failed.
        asked: when it is asked about.
    """
    next_try = get_next_try(line)
    return f"; {words.tell_next_try(next_try, asked)}" if next_try else ""
