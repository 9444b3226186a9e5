"""`keyferry push`: deliveries from a terminal, by the same code as the function, or through the stack's queue."""

import os
import sys
import uuid
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import boto3
import click
from botocore.exceptions import NoCredentialsError, NoRegionError

from keyferry.aws.sqs import DeliveryQueue
from keyferry.cli.check.problems import nearest
from keyferry.cli.options import INTERRUPTED, PROBLEMS, Settings, output
from keyferry.cli.output import console, results
from keyferry.cli.output.results import Plan
from keyferry.cli.stack import follow, queue_of
from keyferry.deadline import Deadline
from keyferry.delivery.preview import preview
from keyferry.delivery.report import Report
from keyferry.errors import InvalidInput, KeyferryError, Unexpected
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Delivery
from keyferry.runtime.wiring import Runtime

MINUTES = 10
"""How long a push may take: a function has less, a person can wait."""
AT_ONCE = 4
"""Deliveries under way at once; each works on its namespaces concurrently too."""


@dataclass(frozen=True)
class Choice:
    """What to push."""

    mappings: tuple[str, ...] = ()
    cluster: str | None = None
    namespace: str | None = None


@click.command()
@click.argument("mappings", nargs=-1, metavar="[MAPPING]...")
@click.option("--cluster", help="Only to this cluster.")
@click.option("--namespace", help="Only to this namespace.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--stack", metavar="NAME", help="Send the deliveries through the queue of this stack, behind its own.")
@output
@click.pass_obj
def push(
    settings: Settings,
    mappings: tuple[str, ...],
    cluster: str | None,
    namespace: str | None,
    *,
    dry_run: bool,
    yes: bool,
    stack: str | None,
) -> None:
    """Bring Secrets to the current state of their sources: those of the mappings named, or of all.

    Shows what it is about to do, and asks. Values are never shown.
    """
    catalog = settings.catalog()
    deliveries = choose(catalog, Choice(mappings, cluster, namespace))
    if not (dry_run or yes):
        _check_can_ask(settings)
    session = _session()
    if stack and not dry_run:
        _through_the_queue(settings, queue_of(session, stack), stack, deliveries, ask=not yes)
        return
    runtime = Runtime(os.environ, catalog, session)
    if not yes or dry_run:
        plans = _each(deliveries, lambda each: _plan(runtime, each), "planning")
        results.tell_plans(plans, is_json=settings.is_json)
        if dry_run:
            sys.exit(PROBLEMS if any(plan.fails for plan in plans) else 0)
        if not any(plan.changes for plan in plans):
            _end(settings, [], PROBLEMS if any(plan.fails for plan in plans) else 0)
        _ask("Go ahead?")
    reports = _each(deliveries, lambda each: _deliver(runtime, each), "delivering")
    _end(settings, reports, PROBLEMS if any(report.errors for report in reports) else 0)


def choose(catalog: Catalog, choice: Choice) -> list[Delivery]:
    """Return a delivery for each (mapping, cluster) that is chosen.

    Raises:
        InvalidInput: a name is not known, or nothing is chosen; the text says what there is.
    """
    for name in choice.mappings:
        _check("mapping", name, catalog.mappings)
    if choice.cluster:
        _check("cluster", choice.cluster, catalog.clusters)
    chosen = [catalog.mappings[name] for name in dict.fromkeys(choice.mappings)] or list(catalog.mappings.values())
    found = [
        (mapping, target.name)
        for mapping in chosen
        for target in catalog.clusters_of(mapping)
        if choice.cluster in (None, target.name) and mapping.spec.can_write_to(choice.namespace)
    ]
    if not found:
        raise InvalidInput(_nothing(catalog, chosen, choice))
    event, now = f"push-{uuid.uuid4()}", datetime.now(UTC)
    return [
        Delivery(mapping=mapping.name, cluster=name, namespace=choice.namespace, event_id=event, time=now)
        for mapping, name in found
    ]


def _check(noun: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise InvalidInput(f"no {noun} is called {name}{nearest(name, known, 'there is')}")


def _nothing(catalog: Catalog, chosen: Sequence[SecretMapping], choice: Choice) -> str:
    if not chosen:
        return "there are no mappings to push"
    clusters = {target.name for mapping in chosen for target in catalog.clusters_of(mapping)}
    if choice.cluster not in (None, *clusters):
        return f"none of these mappings goes to cluster {choice.cluster}{nearest('', clusters, 'they go to')}"
    if choice.namespace is None:
        return "none of these mappings has a cluster"
    namespaces = {name for mapping in chosen for name in mapping.spec.namespace_names}
    hint = nearest(choice.namespace, namespaces, "they go to")
    return f"none of these mappings goes to namespace {choice.namespace}{hint}"


def _check_can_ask(settings: Settings) -> None:
    why = "--output json asks nothing" if settings.is_json else "there is no terminal to ask on"
    if settings.is_json or not sys.stdin.isatty():
        raise click.UsageError(f"{why}; say --yes to push, or --dry-run to look")


def _session() -> boto3.Session:
    """Return whose rights count, and say what is missing before anything is asked of AWS: not for each namespace."""
    # boto3 does not know AWS_REGION, which the AWS CLI puts before AWS_DEFAULT_REGION.
    session = boto3.Session(region_name=os.environ.get("AWS_REGION") or None)
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    credentials.get_frozen_credentials()  # a sign-in that has ended is told here
    if session.region_name is None:
        raise NoRegionError
    return session


def _plan(runtime: Runtime, delivery: Delivery) -> Plan:
    owner = runtime.catalog.mappings[delivery.mapping].spec.owner
    try:
        return Plan(delivery, tuple(preview(runtime.prepare(delivery, Deadline.after(MINUTES * 60)))), owner=owner)
    except KeyferryError as error:
        return Plan(delivery, error=error, owner=owner)
    except Exception as error:  # its text can quote a value
        return Plan(delivery, error=Unexpected(error), owner=owner)


def _deliver(runtime: Runtime, delivery: Delivery) -> Report:
    owner = runtime.catalog.mappings[delivery.mapping].spec.owner
    try:
        return runtime.deliver(delivery, Deadline.after(MINUTES * 60))
    except Exception as error:  # its text can quote a value
        return Report(delivery, error=Unexpected(error), owner=owner)


def _each[T](deliveries: Sequence[Delivery], work: Callable[[Delivery], T], what: str) -> list[T]:
    """Do the work for every delivery, a few at once, and show how far it is."""
    with console.progress(what, len(deliveries)) as step, ThreadPoolExecutor(max_workers=AT_ONCE) as pool:

        def counted(delivery: Delivery) -> T:
            try:
                return work(delivery)
            finally:
                step()

        return list(pool.map(counted, deliveries))


def _through_the_queue(
    settings: Settings, queue: DeliveryQueue, stack: str, deliveries: Sequence[Delivery], *, ask: bool
) -> None:
    if ask:
        for each in deliveries:
            console.note(f"{each.mapping} to {each.cluster}")
        _ask(f"Send {len(deliveries)} deliveries to {stack}?")
    queue.send(deliveries)
    if settings.is_json:
        console.tell_json([each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in deliveries])
        return
    console.tell(f"sent {len(deliveries)} deliveries to {stack}; follow them with:")
    console.tell(f"  {follow(stack, deliveries[0].event_id)}")


def _ask(question: str) -> None:
    if not click.confirm(question, err=True):
        console.note("nothing was done")
        sys.exit(INTERRUPTED)


def _end(settings: Settings, reports: Sequence[Report], code: int) -> None:
    results.tell_reports(reports, is_json=settings.is_json)
    sys.exit(code)
