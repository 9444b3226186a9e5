"""Why a workload restarted, or did not: in words, from what deliveries said when they looked at the workloads."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypedDict

from keyferry import kinds
from keyferry.cli.states import Row
from keyferry.cli.trace.changes import Outcome, read_time
from keyferry.cli.trace.effects import count_seen
from keyferry.cli.trace.hop import join
from keyferry.cli.trace.hops import get_next_try
from keyferry.cli.trace.subject import WorkloadName

WAYS = "env, envFrom, volumes"
"""The fields of a pod by which it uses a Secret so that it restarts (`delivery.restart.workloads.list_uses`)."""


class Answer(TypedDict):
    """Why a workload restarted, or did not."""

    reason: str
    """For machines: a `Reason` of delivery/restart/workloads; or `kind`, `none`, `not due`, `due`, `unused`,
    `not named`, `kind not looked at`, `not listed`, `failed`, `not written`."""
    text: str
    """In words."""


def explain_restart(
    workload: WorkloadName, rows: Sequence[Row], outcomes: Iterable[Outcome], since: datetime
) -> list[Answer]:
    """Return why a workload restarted, or did not, for the Secrets of its namespace, the last one first.

    Args:
        workload: the workload.
        rows: the targets of its namespace.
        outcomes: what deliveries did in that namespace, oldest first.
        since: how far back the logs were read.
    """
    never = kinds.explain_no_restart(workload.kind)
    if never:
        return [Answer(reason="kind", text=never)]
    secrets = {(row["mapping"], row["cluster"]): row["secret"] for row in rows}
    told = [(outcome, *_explain_look(workload, secrets[key], outcome)) for key, outcome in _choose(outcomes, secrets)]
    if not told:
        return [_explain_silence(workload, rows, since)]
    named = {get_pair(outcome) for outcome, _, is_named in told if is_named}
    told.sort(key=lambda one: str(one[0].line["timestamp"]), reverse=True)
    return _join_alike([answer for outcome, answer, _ in told if not named or get_pair(outcome) in named])


def get_pair(outcome: Outcome) -> tuple[str, str]:
    """Return the mapping and the cluster of an outcome."""
    return outcome.line["mapping"], outcome.line["cluster"]


def _choose(
    outcomes: Iterable[Outcome], pairs: Collection[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str], Outcome]]:
    """Yield for each mapping and cluster the last outcome, and the last one before it that looked at workloads."""
    last: dict[tuple[str, str], Outcome] = {}
    looks: dict[tuple[str, str], Outcome] = {}
    for outcome in outcomes:
        if get_pair(outcome) in pairs:
            last[get_pair(outcome)] = outcome
            if outcome.fields.get("restart", "not due") != "not due":
                looks[get_pair(outcome)] = outcome
    yield from last.items()
    yield from ((pair, outcome) for pair, outcome in looks.items() if outcome is not last[pair])


def _join_alike(answers: Sequence[Answer]) -> list[Answer]:
    """Return the answers, each once."""
    return list({answer["text"]: answer for answer in answers}.values())


def _explain_silence(workload: WorkloadName, rows: Sequence[Row], since: datetime) -> Answer:
    written = max((row["written"] for row in rows if "written" in row), default=None)
    names = join(sorted({row["secret"] for row in rows}))
    before = f"; the last write was at {_format(datetime.fromisoformat(written))}" if written else ""
    text = f"no Secret of namespace {workload.namespace} ({names}) was written since {_format(since)}{before}"
    return Answer(reason="not written", text=text)


def _explain_look(workload: WorkloadName, secret: str, outcome: Outcome) -> tuple[Answer, bool]:
    """Return the answer for one Secret, and whether the workload is named in what was said of it."""
    if workload.cluster is None:
        secret = f"{outcome.line['cluster']}/{workload.namespace}/{secret}"
    fields, line = outcome.fields, outcome.line
    for each in fields.get("workloads", ()):
        if each["workload"] == workload.title:
            return Answer(reason=each["reason"], text=_tell_named(workload, each, secret, outcome)), True
    mapping = line["mapping"]
    if "restart" not in fields:
        text = f"Secret {secret} was not written: {fields.get('error', line['message'])}{_tell_next_try(outcome)}"
        return Answer(reason="failed", text=text), False
    match fields["restart"]:
        case "none":
            return Answer(reason="none", text=f"mapping {mapping} of Secret {secret} says restart: none"), False
        case "not due":
            why = fields.get("why", "nothing to do")
            text = f"the content of Secret {secret} stayed as it was ({why}), so nothing restarts for it"
            return Answer(reason="not due", text=text), False
    return _explain_absence(workload, secret, outcome), False


def _explain_absence(workload: WorkloadName, secret: str, outcome: Outcome) -> Answer:
    """Return why a workload is not among those of which a delivery speaks."""
    fields, line = outcome.fields, outcome.line
    if line.get("restart") == "list":
        named = join([each["workload"] for each in fields.get("workloads", ())])
        text = f"mapping {line['mapping']} restarts for Secret {secret} only what it names: {named or 'nothing'}"
        return Answer(reason="not named", text=text)
    seen = fields.get("seen", {})
    if not seen:  # the workloads could not even be listed
        text = f"restarts for Secret {secret} are due, and not yet: {fields.get('error', '')}{_tell_next_try(outcome)}"
        return Answer(reason="due", text=text)
    if workload.kind not in seen:
        text = (
            f"restart: auto looks at {', '.join(seen)} in {line['cluster']}, and not at {workload.kind}: add it to"
            f" restartKinds in clusters.yaml, or name {workload.title} in restart of mapping {line['mapping']}"
        )
        return Answer(reason="kind not looked at", text=text)
    if fields.get("workloads_more"):
        listed = len(fields["workloads"])
        text = (
            f"{listed + fields['workloads_more']:,} workloads use Secret {secret}; the log names {listed}, not this one"
        )
        return Answer(reason="not listed", text=text)
    when = _format(read_time(fields.get("stamped", line["timestamp"])))
    text = f"no {WAYS} of {workload.title} named Secret {secret} at {when}, with {count_seen(fields)} looked at"
    return Answer(reason="unused", text=text)


def _tell_named(workload: WorkloadName, entry: dict[str, Any], secret: str, outcome: Outcome) -> str:
    name, why = workload.title, entry.get("why", "")
    by = f" by {', '.join(entry['by'])}" if "by" in entry else ""
    uses = f"{name} uses Secret {secret}{by}"
    when = _format(read_time(outcome.fields.get("stamped", outcome.line["timestamp"])))
    match entry["reason"]:
        case "restarted":
            return f"{uses}, and was restarted at {when}{f' ({why})' if why else ''}"
        case "opted out":
            return f"{uses}, and is {why}"
        case "stamped before":
            return f"{uses}, and an earlier try had restarted it for the same content"
        case "pull secret":
            return f"{name} uses Secret {secret} only by imagePullSecrets: running pods do not need it"
        case "missing":
            return f"mapping {outcome.line['mapping']} names {name}, which is {why}"
        case "due":
            error = outcome.fields.get("error", "")
            return f"{uses}; its restart is due, and not yet: {error}{_tell_next_try(outcome)}"
        case "gone":
            return f"{uses}; it was deleted before its restart"
        case "failed":
            return f"{name} could not be restarted: {why}{_tell_next_try(outcome)}"
    return f"{uses}, and has its stamp since {when}, but its pods stay: {why}"


def _tell_next_try(outcome: Outcome) -> str:
    next_try = get_next_try(outcome.line)
    return f"; next try {next_try:%H:%M:%S} UTC" if next_try else ""


def _format(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
