"""Deliveries from a terminal: which ones, what each would do, and each done; several at a time, with progress."""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from keyferry.cli.check.problems import nearest
from keyferry.cli.output import console
from keyferry.cli.output.results import Plan
from keyferry.cli.steer.interrupt import Interrupt, Interrupted
from keyferry.deadline import Deadline
from keyferry.delivery.preview import list_gaps, preview
from keyferry.delivery.report import Report
from keyferry.errors import InvalidInput, KeyferryError, OutOfTime, Unexpected
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Delivery, Expected
from keyferry.runtime.wiring import Runtime

MAX_SECONDS = 600
"""How long a delivery may take: longer than in a function, since a person can wait."""
CONCURRENCY = 4
"""How many deliveries run at the same time. The namespaces of a delivery run concurrently too."""


type Carry = Callable[[Delivery, Deadline], Report]
"""Makes a delivery until a deadline, and returns what it did."""


@dataclass(frozen=True)
class Selection:
    """Which deliveries the arguments ask for."""

    mappings: tuple[str, ...] = ()
    """Names of mappings; none for all."""
    cluster: str | None = None
    namespace: str | None = None


def select(catalog: Catalog, selection: Selection) -> list[Delivery]:
    """Return a delivery for each mapping and cluster that is asked for.

    Raises:
        InvalidInput: a name is unknown, or no delivery is left; the message lists the names that exist.
    """
    for name in selection.mappings:
        _check_known("mapping", name, catalog.mappings)
    if selection.cluster is not None:
        _check_known("cluster", selection.cluster, catalog.clusters)
    mappings = [catalog.mappings[name] for name in dict.fromkeys(selection.mappings)] or list(catalog.mappings.values())
    targets = [
        (mapping, cluster.name)
        for mapping in mappings
        for cluster in catalog.clusters_of(mapping)
        if selection.cluster in (None, cluster.name) and mapping.spec.can_write_to(selection.namespace)
    ]
    if not targets:
        raise InvalidInput(_explain_no_delivery(catalog, mappings, selection))
    event_id, now = f"push-{uuid.uuid4()}", datetime.now(UTC)
    return [
        Delivery(
            mapping=mapping.name,
            cluster=name,
            namespace=selection.namespace,
            event_id=event_id,
            time=now,
            takes_back=True,
        )
        for mapping, name in targets
    ]


def _check_known(noun: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise InvalidInput(f"no {noun} is called {name}{nearest(name, known, 'there is')}")


def _explain_no_delivery(catalog: Catalog, mappings: Sequence[SecretMapping], selection: Selection) -> str:
    if not mappings:
        return "there are no mappings to push"
    clusters = {cluster.name for mapping in mappings for cluster in catalog.clusters_of(mapping)}
    if selection.cluster not in (None, *clusters):
        return f"none of these mappings goes to cluster {selection.cluster}{nearest('', clusters, 'they go to')}"
    if selection.namespace is None:
        return "none of these mappings has a cluster"
    namespaces = {name for mapping in mappings for name in mapping.spec.namespace_names}
    hint = nearest(selection.namespace, namespaces, "they go to")
    return f"none of these mappings goes to namespace {selection.namespace}{hint}"


def warn_of_gaps(runtime: Runtime, deliveries: Sequence[Delivery]) -> None:
    """Tell which failover regions could not serve their sources: a delivery asks them only where the first is down."""
    mappings = runtime.catalog.mappings
    affected = [
        delivery
        for delivery in deliveries
        if any(source.failover for source in mappings[delivery.mapping].spec.sources.values())
    ]
    if affected:
        gaps = run_all(affected, lambda delivery: _list_gaps(runtime, delivery), "trying failover regions")
        for gap in dict.fromkeys(gap for group in gaps for gap in group):
            console.print_note(gap)


def _list_gaps(runtime: Runtime, delivery: Delivery) -> list[str]:
    """Return a warning for each gap, as those of `validate`."""
    try:
        gaps = list_gaps(runtime.prepare(delivery, Deadline.after(MAX_SECONDS)))
        return [f"{runtime.catalog.locate(delivery.mapping, delivery.cluster, gap)}: warning: {gap}" for gap in gaps]
    except KeyferryError:
        return []  # the plan, or the delivery, tells of the cluster
    except Exception as error:  # its text can quote a value
        return [f"warning: mapping {delivery.mapping}: {Unexpected(error)}"]


def plan_delivery(runtime: Runtime, delivery: Delivery, expected: Mapping[str, Expected] | None = None) -> Plan:
    """Return what a delivery would do, of a plan in the namespaces that it has; errors are in it."""
    owner = runtime.catalog.mappings[delivery.mapping].spec.owner
    try:
        outlook = preview(replace(runtime.prepare(delivery, Deadline.after(MAX_SECONDS)), expected=expected))
        plan = Plan(delivery, outlook.previews, owner=owner, notes=outlook.notes)
    except KeyferryError as error:
        plan = Plan(delivery, error=error, owner=owner)
    except Exception as error:  # its text can quote a value
        plan = Plan(delivery, error=Unexpected(error), owner=owner)
    return plan.locate(runtime.catalog.locate)


def deliver(
    runtime: Runtime, delivery: Delivery, deadline: Deadline, expected: Mapping[str, Expected] | None = None
) -> Report:
    """Make a delivery, of a plan in the namespaces that it has, and return what it did; errors are in it."""
    owner = runtime.catalog.mappings[delivery.mapping].spec.owner
    try:
        return runtime.deliver(delivery, deadline, expected)
    except Exception as error:  # its text can quote a value
        return Report(delivery, error=Unexpected(error), owner=owner).locate(runtime.catalog.locate)


@dataclass(frozen=True)
class Made:
    """What became of deliveries that were to be made."""

    reports: Sequence[Report]
    """The result of each that has begun."""
    left: Sequence[Delivery]
    """Those that have not, since somebody has pressed Ctrl-C."""

    @property
    def fails(self) -> bool:
        """Whether something was not done."""
        return bool(self.left) or any(report.errors for report in self.reports)


def deliver_all(deliveries: Sequence[Delivery], carry: Carry, interrupt: Interrupt) -> Made:
    """Make deliveries, a few at the same time, and show the progress.

    At Ctrl-C no other one is begun, and those that have begun end at their next step: their reports say how far they
    came. The second time they are not waited for, and their reports say that.

    Args:
        deliveries: the deliveries.
        carry: makes one.
        interrupt: tells whether Ctrl-C was pressed.
    """
    results = dict[str, Report]()
    """The group of each delivery that has begun → its result; until it has one, that it has none."""

    def run(delivery: Delivery, step: Callable[[], None]) -> None:
        if not interrupt.is_pressed:
            results[delivery.group] = Report(delivery, error=OutOfTime())
            results[delivery.group] = carry(delivery, interrupt.set_deadline(MAX_SECONDS))
            step()

    pool = ThreadPoolExecutor(max_workers=CONCURRENCY)
    with interrupt.watch(), console.show_progress("delivering", len(deliveries)) as step:
        try:
            for future in [pool.submit(run, delivery, step) for delivery in deliveries]:
                future.result()
        except KeyboardInterrupt:
            interrupt.is_pressed = True
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    reports = [results[delivery.group] for delivery in deliveries if delivery.group in results]
    told = map(name_interrupt, reports) if interrupt.is_pressed else reports
    return Made(list(told), [delivery for delivery in deliveries if delivery.group not in results])


def name_interrupt(report: Report) -> Report:
    """Return a report whose errors say that somebody interrupted it, where they say that time was up."""
    outcomes = [
        replace(outcome, error=Interrupted()) if isinstance(outcome.error, OutOfTime) else outcome
        for outcome in report.outcomes
    ]
    error = Interrupted() if isinstance(report.error, OutOfTime) else report.error
    return replace(report, outcomes=tuple(outcomes), error=error)


def run_all[T](deliveries: Sequence[Delivery], run: Callable[[Delivery], T], work: str) -> list[T]:
    """Return the result of `run` for every delivery; a few run at the same time, and the progress is shown."""
    with (
        console.show_progress(work, len(deliveries)) as step,
        ThreadPoolExecutor(max_workers=CONCURRENCY) as pool,
    ):

        def run_and_count(delivery: Delivery) -> T:
            try:
                return run(delivery)
            finally:
                step()

        return list(pool.map(run_and_count, deliveries))
