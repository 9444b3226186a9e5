"""Tell the teams of namespaces by Kubernetes Events what of a delivery has failed there (docs/decisions/0013).

Events are told beside the delivery: what becomes of it, and of its message, is decided before, and stays as it is.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any

from keyferry.delivery.report import Outcome, Report
from keyferry.errors import (
    CLUSTER,
    ENVIRONMENT,
    ClusterUnavailable,
    KeyferryError,
    NamespaceGone,
    OutOfTime,
    Overtaken,
    Suspended,
    SuspensionsUnknown,
    Throttled,
    Unconfirmed,
    Unexpected,
    Unreachable,
    WrongCluster,
)
from keyferry.guides import link_error
from keyferry.kubernetes_events import MAX_MESSAGE, Reason, build_event
from keyferry.mapping.mapping import SecretMapping
from keyferry.pipeline.alerts.failures import PERSISTENT_SECONDS
from keyferry.pipeline.settle import Settlement
from keyferry.wording import abridge

MAX_EVENTS = 1_000
"""How many Events one delivery writes at most. Which ones is random: where there are more, a later try tells others."""
WRITE_SECONDS = 5.0
"""How long after its end a delivery may begin to write them. With the last call, they take ten seconds at most."""
_PASSING = (Overtaken, OutOfTime, SuspensionsUnknown, Throttled, Unconfirmed, Unreachable)
"""What passes within seconds as a rule: it is told once it lasts, as by the alarm."""
_OF_CLUSTER = (ClusterUnavailable, WrongCluster, *ENVIRONMENT)
"""What keeps us from the cluster, and Events from it."""


def has_somebody_to_tell(settlement: Settlement) -> bool:
    """Return whether a delivery has failed in a namespace. What fails for the whole cluster has nobody to be told."""
    report = settlement.result
    return isinstance(report, Report) and any(True for _ in _list_failures(report))


def list_events(settlement: Settlement, mapping: SecretMapping, prefix: str, now: datetime) -> list[dict[str, Any]]:
    """Return the Events that tell of a delivery's failures, one for a namespace, MAX_EVENTS at most.

    Args:
        settlement: what became of the message.
        mapping: its mapping.
        prefix: the prefix of the stack.
        now: the current time, with a time zone.
    """
    events = [
        build_event(
            outcome.namespace,
            mapping.spec.secret.name,
            choose_reason(outcome, error),
            _describe(settlement, mapping, outcome.namespace, error),
            cause=f"{mapping.name}\n{error.title}",
            instance=prefix,
            now=now,
        )
        for outcome, error in _list_told(settlement)
    ]
    return random.sample(events, min(len(events), MAX_EVENTS))


def write_events(events: Sequence[dict[str, Any]], create: Callable[[dict[str, Any]], object], concurrency: int) -> str:
    """Write Events, and return a note where some were not: that of the first one. No error is raised.

    Args:
        events: the Events.
        create: writes one; one that is there already is fine.
        concurrency: how many are written at once.
    """
    errors: list[KeyferryError] = []

    def write(event: dict[str, Any]) -> bool:
        if any(isinstance(error, ClusterUnavailable | OutOfTime) for error in errors):
            return False
        try:
            create(event)
        except Exception as error:
            errors.append(error if isinstance(error, KeyferryError) else Unexpected(error))
            return False
        return True

    with ThreadPoolExecutor(max_workers=max(1, concurrency)) as pool:
        written = sum(pool.map(write, events))
    unwritten = f"{len(events) - written:,} of {len(events):,} Kubernetes Events"
    return f"{unwritten} were not written: {errors[0].title}" if errors else ""


def add_note(settlement: Settlement, note: str) -> Settlement:
    """Return a settlement whose report says one thing more; as it is for an empty note."""
    report = settlement.result
    if not note or not isinstance(report, Report):
        return settlement
    return replace(settlement, result=replace(report, notes=(*report.notes, note)))


def _list_told(settlement: Settlement) -> Iterator[tuple[Outcome, KeyferryError]]:
    """Yield what failed in a namespace that is there, and either stays so, or has lasted."""
    report = settlement.result
    for outcome, error in _list_failures(report) if isinstance(report, Report) else ():
        if not isinstance(error, NamespaceGone) and lasts_or_stays(settlement, error, outcome.namespace):
            yield outcome, error


def lasts_or_stays(settlement: Settlement, error: KeyferryError, namespace: str | None) -> bool:
    """Return whether a failure is to be told: what passes within seconds as a rule is, once it has lasted.

    What somebody has suspended has not failed.

    Args:
        settlement: what became of the message.
        error: the failure.
        namespace: where; None for the whole delivery.
    """
    if isinstance(error, Suspended):
        return False
    lasts = not settlement.is_retried or settlement.age_seconds > PERSISTENT_SECONDS
    going_on = {follow_up.namespace for follow_up in settlement.follow_ups}
    is_passing = isinstance(error, _PASSING) or (namespace is None and isinstance(error, _OF_CLUSTER))
    return not is_passing or (lasts and namespace not in going_on)


def _list_failures(report: Report) -> Iterator[tuple[Outcome, KeyferryError]]:
    """Yield each namespace in which a delivery has failed, also by what has failed for all that were not done yet."""
    yield from ((outcome, outcome.error) for outcome in report.outcomes if outcome.error)
    error = report.error
    if error and not (isinstance(error, _OF_CLUSTER) or error.part == CLUSTER):
        done = {outcome.namespace for outcome in report.outcomes}
        yield from ((Outcome(name, "failed"), error) for name in report.all_namespaces if name not in done)


def choose_reason(outcome: Outcome, error: KeyferryError) -> Reason:
    """Return what has failed in a namespace: the delivery, or the restarts after it."""
    is_of_restart = error.part.partition(".")[0] == "restart" or outcome.did in ("created", "updated")
    return "RestartFailed" if outcome.restart_due and is_of_restart else "DeliveryFailed"


def _describe(settlement: Settlement, mapping: SecretMapping, namespace: str, error: KeyferryError) -> str:
    """Return the message: the error as in logs, where to mend it, whose it is, its guide, and when the next try is."""
    owner = mapping.spec.owner
    where = [f"mapping {mapping.name}", error.at, f"owner {owner}" if owner else "", link_error(type(error).__name__)]
    rest = f" ({', '.join(filter(None, where))}); next try: {_describe_next_try(settlement, namespace)}"
    return abridge(f"{error.title}{rest}", MAX_MESSAGE)


def _describe_next_try(settlement: Settlement, namespace: str) -> str:
    if any(follow_up.namespace in (None, namespace) for follow_up in settlement.follow_ups):
        return "at once"
    if not settlement.is_retried:
        return "with the next change or sweep"
    return f"in {settlement.delay_seconds} s" if settlement.delay_seconds else "soon"
