"""What deliveries did in each namespace, as hops: what they wrote, what restarted."""

from collections.abc import Iterator, Mapping
from typing import Any

from keyferry.cli.output.words import join
from keyferry.cli.trace.changes import Outcome, read_time
from keyferry.cli.trace.hop import Hop, Step, shorten_version
from keyferry.cli.trace.logs import Line
from keyferry.delivery.report import MAX_LISTED
from keyferry.model import format_moment

OTHER_RELEASE = "the function that logged this is of another release"
"""Why a line lacks what this release logs, or says something that it does not know."""


def _build(step: Step, outcome: Outcome, time: str, text: str) -> Hop:
    line = outcome.line
    place = {"mapping": line["mapping"], "cluster": line["cluster"], "namespace": outcome.namespace}
    hop = Hop(step=step, time=format_moment(read_time(time)), text=text, targets=1)
    hop.update(place)  # type: ignore[typeddict-item]
    return hop


def describe_write(outcome: Outcome) -> Hop | None:
    """Return what was written; None where nothing was, and the delivery says why."""
    line, fields = outcome.line, outcome.fields
    if fields["did"] == "failed":
        return None
    versions = ", ".join(f"{alias} {shorten_version(text)}" for alias, text in line.get("versions", {}).items())
    why = fields.get("why", "")
    keys = f" with {join(fields['keys'])}" if why == "missing" and "keys" in fields else ""
    text = f"{fields['did']}{keys}{f': {why}' if why else ''}{f'; {versions}' if versions else ''}"
    hop = _build("write", outcome, fields.get("written", line["timestamp"]), text)
    if "keys" in fields:
        hop["keys"] = fields["keys"]
    hop["versions"] = dict(line.get("versions", {}))
    return hop


def count_others(line: Line, outcomes: list[Outcome]) -> Iterator[Hop]:
    """Yield what was done to the targets that the line only counts: what was unchanged, and what it has no room for."""
    counts = dict(line.get("targets", {}))
    if line["is_narrow"]:
        is_unchanged = "unchanged" in counts and not outcomes and line["listed"] < MAX_LISTED
        counts = {"unchanged": 1} if is_unchanged else {}
    for effect, count in counts.items():
        more = count - sum(outcome.fields["did"] == effect for outcome in outcomes)
        if more > 0 and effect != "failed":
            text = "unchanged: it held that already" if effect == "unchanged" else f"{effect}, and not listed"
            hop = Hop(step="write", time=format_moment(read_time(line["timestamp"])), text=text, targets=more)
            hop["mapping"], hop["cluster"] = line["mapping"], line["cluster"]
            yield hop


def describe_restart(outcome: Outcome) -> Hop | None:
    """Return what restarted, or why nothing did; None where the delivery says that it failed."""
    fields = outcome.fields
    if ("restart" not in fields and "error" in fields) or _is_deletion(fields):
        return None
    hop = _build("restart", outcome, fields.get("stamped", outcome.line["timestamp"]), _tell_restart(fields))
    if "workloads" in fields:
        hop["workloads"] = fields["workloads"]
    return hop


def _is_deletion(fields: Mapping[str, Any]) -> bool:
    """Return whether a Secret was deleted, after which nothing restarts."""
    return (fields["did"], fields.get("restart", "not due")) == ("deleted", "not due")


def _tell_restart(fields: Mapping[str, Any]) -> str:
    workloads = fields.get("workloads", [])
    restarted = [each["workload"] for each in workloads if each["reason"] == "restarted"]
    others = [f"{each['workload']}: {each.get('why') or each['reason']}" for each in workloads]
    others = [text for text, each in zip(others, workloads, strict=True) if each["reason"] != "restarted"]
    told = "; ".join(filter(None, [join(restarted), join(others)]))
    match fields.get("restart"):
        case "none":
            return "nothing: the mapping says restart: none"
        case "not due":
            return "nothing: no content was written"
        case "unused":
            return "; ".join(filter(None, [f"nothing uses it: {count_seen(fields)} looked at", told]))
        case "due":
            return "; ".join(filter(None, ["due, and not yet", told]))
        case "done":
            return told or "nothing"
    return "; ".join([f"not known: {OTHER_RELEASE}", *filter(None, [told])])


def count_seen(fields: Mapping[str, Any]) -> str:
    """Return how many workloads were looked at, as `3 Deployments, no StatefulSet`."""
    seen = fields.get("seen", {})
    counted = [f"{count or 'no'} {kind}{'s' * (count > 1)}" for kind, count in seen.items()]
    return ", ".join(counted)
