"""Why a workload restarted, or did not: in words, from what deliveries said when they looked at the workloads."""

import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from keyferry import kinds
from keyferry.cli.output.words import join
from keyferry.cli.states import Row, is_right
from keyferry.cli.trace.changes import Outcome, read_time
from keyferry.cli.trace.effects import count_seen
from keyferry.cli.trace.looks import Answer, Look, explain_look, format_answer_time
from keyferry.cli.trace.subject import WorkloadName

type TargetKey = tuple[str, str, str]
"""The names of a mapping, a cluster and a namespace."""
type Pair = tuple[str, str]
"""The names of a mapping and a cluster."""


@dataclass(frozen=True)
class _Told:
    """An answer, with what it is from."""

    look: Look
    answer: Answer
    is_named: bool
    """Whether the workload is named in what was said of it."""


def explain_restart(
    workload: WorkloadName,
    rows: Sequence[Row],
    outcomes: Iterable[Outcome],
    unread: Mapping[TargetKey, str],
    since: datetime,
    asked: datetime,
    locate: Callable[[str], str],
) -> list[Answer]:
    """Return why a workload restarted, or did not, for the Secrets of its namespace, the last one first.

    Args:
        workload: the workload.
        rows: the targets of its namespace.
        outcomes: what deliveries did in that namespace, oldest first.
        unread: the targets that were written after that, and when.
        since: how far back the logs were read.
        asked: when it is asked about.
        locate: returns file and line of a mapping by its name; empty where they are not known.
    """
    never = kinds.explain_no_restart(workload.kind)
    if never:
        return [Answer(reason="kind", text=never)]
    known = {(row["mapping"], row["cluster"]): row for row in rows}
    written = {key: row for key, row in known.items() if get_target(row) in unread}
    chosen = [(known[key], outcome) for key, outcome in _choose(outcomes, known, written)]
    told = [
        _Told(look, *explain_look(look)) for look in (Look(workload, row, outcome, asked) for row, outcome in chosen)
    ]
    told.sort(key=lambda each: read_time(each.look.outcome.line["timestamp"]), reverse=True)
    named = {each.look.pair for each in told if each.is_named}
    told = [each for each in told if not named or each.look.pair in named]
    unused = [each.look for each in told if each.answer["reason"] == "unused"]
    answers = [
        *(_explain_unread(workload, row) for key, row in written.items() if not named or key in named),
        *(each.answer for each in told if each.answer["reason"] != "unused"),
        *([_explain_unused(unused, locate)] if unused else []),
    ]
    return answers or [_explain_silence(workload, rows, since)]


def get_target(row: Row) -> TargetKey:
    """Return the mapping, the cluster and the namespace of a target."""
    return row["mapping"], row["cluster"], row["namespace"]


def _choose(
    outcomes: Iterable[Outcome], known: Mapping[Pair, Row], written: Collection[Pair]
) -> Iterator[tuple[Pair, Outcome]]:
    """Yield for each mapping and cluster the last outcome, and the last one before it that looked at workloads.

    A failure is over, and not told, where a later delivery had nothing to do, or something else has written the Secret.
    """
    last: dict[Pair, Outcome] = {}
    looks: dict[Pair, Outcome] = {}
    for outcome in outcomes:
        pair = outcome.line["mapping"], outcome.line["cluster"]
        before = last.get(pair)
        if outcome.fields["did"] != "unchanged" or before is None or "error" in before.fields:
            last[pair] = outcome
        if outcome.fields.get("restart", "not due") != "not due":
            looks[pair] = outcome
    for pair, outcome in last.items():
        is_over = pair in written and is_right(known[pair]) and "error" in outcome.fields
        if not is_over and (outcome.fields["did"] != "unchanged" or pair not in looks):
            yield pair, outcome
    yield from ((pair, outcome) for pair, outcome in looks.items() if outcome is not last[pair])


def _explain_silence(workload: WorkloadName, rows: Sequence[Row], since: datetime) -> Answer:
    written = max((row["written"] for row in rows if "written" in row), default=None)
    names = join(sorted({row["secret"] for row in rows}))
    before = f"; the last write was at {format_answer_time(datetime.fromisoformat(written))}" if written else ""
    text = (
        f"no Secret of namespace {workload.namespace} ({names}) was written since {format_answer_time(since)}{before}"
    )
    return Answer(reason="not written", text=text)


def _explain_unread(workload: WorkloadName, row: Row) -> Answer:
    """Return the answer for a Secret that was written after all that the logs tell."""
    text = (
        f"Secret {row['cluster']}/{row['namespace']}/{row['secret']} was written at"
        f" {format_answer_time(read_time(row['written']))} by a push from a terminal, which says itself what it"
        f" restarted, or by a log that is not read; of {workload.title} no log tells more"
    )
    return Answer(reason="written elsewhere", text=text)


def _explain_unused(looks: Sequence[Look], locate: Callable[[str], str]) -> Answer:
    """Return the answer for a workload that was not among those that use some Secrets, and what to do."""
    first = looks[0]
    workload, names = first.workload, sorted({look.row["mapping"] for look in looks})
    mappings = [f"{name} ({at})" if at else name for name, at in zip(names, map(locate, names), strict=True)]
    secrets = join([look.secret for look in looks])
    command = shlex.join(["kubectl", "get", workload.kind.lower(), workload.name, "-n", workload.namespace])
    text = (
        f"no {workload.kind} {workload.name} was seen using Secret {secrets} at {first.time}, with"
        f" {count_seen(first.outcome.fields)} looked at. Is it there? {command}. So that it restarts, let its pod"
        f" template use the Secret by env, envFrom or volumes, or name it under restart: in the file of mapping"
        f" {join(mappings)}"
    )
    return Answer(reason="unused", text=text)
