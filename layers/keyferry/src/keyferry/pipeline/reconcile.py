"""Send a delivery for every (mapping, cluster) that is not up to date. Reads no secret value."""

import random
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from keyferry.errors import InvalidInput, UnknownField, UnknownName
from keyferry.mapping.catalog import Catalog
from keyferry.model import Delivery, Message
from keyferry.pipeline.cluster_sweep import ClusterReport, ClusterSweep, Services
from keyferry.pipeline.settle import UNKNOWN_NAME_SECONDS, Settlement, settle_error
from keyferry.pipeline.sweep import Sweep, SweepReport, parse_sweep

CLUSTERS_AT_ONCE = 8
"""How many clusters are compared side by side."""
MAX_HOPS = 16
"""How often a sweep that has run out of time goes on."""
MAX_WAITS, WAIT_SECONDS = 5, 45
"""How often a sweep looks again at clusters that were not available, and how long after: right after a deployment, it
takes a while until a cluster lets the new roles in. A failure is remembered for 30 seconds. Nobody is kept waiting who
has started the sweep by hand."""
MAX_PERIODS = 3
"""After how many periods of the schedule a sweep is not continued: newer ones look at the same."""


def settle_sweep(message: Message, sweep: Callable[[Sweep], SweepReport]) -> Settlement:
    """Do the work of a message that asks for a sweep, and decide what becomes of the message.

    A request that is wrong is dropped; one that a newer or older release may have sent waits for ten minutes before.

    Args:
        message: the message as it was received.
        sweep: carries out a sweep; may raise any error.
    """
    try:
        request = parse_sweep(message.document)
    except InvalidInput as error:
        return Settlement("dropped", reason=str(error))
    except UnknownField as error:
        return _wait_for_deployment(message, error)
    try:
        return settle_report(sweep(request))
    except UnknownName as error:
        return _wait_for_deployment(message, error)


def _wait_for_deployment(message: Message, error: UnknownField | UnknownName) -> Settlement:
    if message.age_seconds > UNKNOWN_NAME_SECONDS:
        return Settlement("dropped", reason=str(error))
    return settle_error(error)


def settle_report(report: SweepReport) -> Settlement:
    """Return the settlement of a sweep that was carried out: the rest, if any, has a message of its own."""
    metrics = tuple(report.dimensioned_metrics())
    if report.end:
        return Settlement("dropped", report, report.end, sweep_metrics=metrics)
    return Settlement("done", report, sweep_metrics=metrics)


def reconcile(sweep: Sweep, catalog: Catalog, services: Services) -> SweepReport:
    """Send a delivery for every (mapping, cluster) with a target that differs, and continue later what is left.

    Clusters are compared side by side, so that one that is slow takes no time of the others.

    Args:
        sweep: what to compare.
        catalog: the mappings and clusters of this deployment.
        services: what to ask, and whom to tell.

    Raises:
        UnknownName: this deployment has no mapping, cluster or namespace that the sweep names.
        DeliverAgain: not every delivery, or not the rest of the sweep, could be sent.
    """
    begun = sweep.begun or services.now()
    pairs = sweep.select_pairs(catalog)
    clusters = catalog.clusters
    work = {name: ClusterSweep(sweep, clusters[name], own, services, catalog.locate) for name, own in pairs.items()}
    # In random order: if many clusters are slow, they do not keep the same others waiting in each invocation.
    with ThreadPoolExecutor(CLUSTERS_AT_ONCE) as pool:
        futures = {name: pool.submit(work[name].run) for name in random.sample(list(work), len(work))}
        reports = {name: futures[name].result() for name in work}
    waits = not sweep.is_by_hand and sweep.waits < MAX_WAITS
    left = {name: report for name, report in reports.items() if report.position and (waits or not report.is_away)}
    end = _continue(sweep, begun, left, services) if left else ""
    final = [report for name, report in reports.items() if not (report.is_away and name in left and not end)]
    return _join(sweep, services, reports.values(), final, is_continued=bool(left) and not end, end=end)


def _join(
    sweep: Sweep,
    services: Services,
    reports: Iterable[ClusterReport],
    final: Iterable[ClusterReport],
    *,
    is_continued: bool,
    end: str,
) -> SweepReport:
    """Return what came of a sweep on all clusters; what was not compared, of those that it does not look at again."""
    every = list(reports)
    return SweepReport(
        checked=sum(report.checked for report in every),
        sent=_join_sent(every),
        not_compared=tuple(entry for report in final for entry in report.not_compared),
        contested=tuple(entry for report in every for entry in report.contested),
        suspended=tuple(entry for report in every for entry in report.suspended),
        suspensions=len(services.suspensions.list_active(services.now())),
        notes=(*filter(None, [services.note]), *(note for report in every for note in report.notes)),
        away=tuple(report.cluster for report in every if report.is_away),
        is_whole=not sweep.names,
        is_continued=is_continued,
        end=end,
        event_id=services.event_id,
        origin=sweep.reason,
    )


def _continue(sweep: Sweep, begun: datetime, left: Mapping[str, ClusterReport], services: Services) -> str:
    """Send the rest of a sweep to its queue; return why it ends instead, empty if it does not."""
    text = f"{len(left)} clusters are not finished, the first one is {min(left)}"
    if sweep.hops >= MAX_HOPS:
        return f"the sweep has run out of time {MAX_HOPS + 1} times: {text}; raise DeliverMemory or SweepSchedule"
    if services.now() - begun > MAX_PERIODS * services.period:
        return f"the sweep began {MAX_PERIODS} periods of the schedule ago: {text}; newer sweeps look at the same"
    is_waiting = all(report.is_away for report in left.values())
    counts = {"waits": sweep.waits + 1} if is_waiting else {"hops": sweep.hops + 1}
    cursor = {name: report.position for name, report in left.items()}
    rest = sweep.model_copy(update={"begun": begun, "cursor": cursor, **counts})
    services.continue_later(rest, WAIT_SECONDS if is_waiting else 0)
    return ""


def _join_sent(reports: Iterable[ClusterReport]) -> tuple[tuple[Delivery, str], ...]:
    sent = [entry for report in reports for entry in report.sent]
    return tuple(sorted(sent, key=lambda entry: (entry[0].mapping, entry[0].cluster)))
