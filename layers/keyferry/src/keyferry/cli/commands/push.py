"""`keyferry push`: makes deliveries here, by the code of the deliver function, or sends them to a stack's queue."""

import os
import sys
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import click

from keyferry.aws.sessions import open_session
from keyferry.aws.sqs import DeliveryQueue
from keyferry.cli.check.problems import nearest
from keyferry.cli.names import complete_clusters, complete_mappings, complete_namespaces
from keyferry.cli.options import INTERRUPTED, PROBLEMS, Settings, examples, output_of
from keyferry.cli.output import console, results
from keyferry.cli.output.explanation import dump_delivery
from keyferry.cli.output.plans import count
from keyferry.cli.output.pushed import Pushed
from keyferry.cli.output.results import Plan, Secrets
from keyferry.cli.plan import carry_out
from keyferry.cli.plan.file import read_plan
from keyferry.cli.stack import find_stack, format_logs_command
from keyferry.deadline import Deadline
from keyferry.delivery.preview import list_gaps, preview
from keyferry.delivery.report import Report
from keyferry.errors import InvalidInput, KeyferryError, Unexpected
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Delivery, Expected
from keyferry.runtime.wiring import Runtime

ANSWER = Pushed
MAX_SECONDS = 600
"""How long a delivery may take: longer than in a function, since a person can wait."""
CONCURRENCY = 4
"""How many deliveries run at the same time. The namespaces of a delivery run concurrently too."""


@dataclass(frozen=True)
class Selection:
    """Which deliveries the arguments ask for."""

    mappings: tuple[str, ...] = ()
    """Names of mappings; none for all."""
    cluster: str | None = None
    namespace: str | None = None


@click.command(
    epilog=examples(
        "keyferry push --dry-run",
        "keyferry push payments-db --cluster prod-eu",
        "keyferry push payments-db --stack keyferry --yes",
        "keyferry push --plan plan.json",
    )
)
@click.argument("mappings", nargs=-1, metavar="[MAPPING]...", shell_complete=complete_mappings)
@click.option("--cluster", metavar="NAME", shell_complete=complete_clusters, help="Only to this cluster.")
@click.option("--namespace", metavar="NAME", shell_complete=complete_namespaces, help="Only to this namespace.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Carry out the plan in this file, from `keyferry plan -o`, and nothing else; refuse what has moved since.",
)
@click.option("--stack", metavar="NAME", help="Send the deliveries through the queue of this stack, behind its own.")
@output_of("table", "json", "github")
@click.pass_obj
def push(
    settings: Settings,
    mappings: tuple[str, ...],
    cluster: str | None,
    namespace: str | None,
    *,
    dry_run: bool,
    yes: bool,
    plan_file: Path | None,
    stack: str | None,
) -> None:
    """Bring Secrets to the current state of their sources.

    Those of the mappings named, or of all. Takes keys back also from those from whom they were taken back a short
    time ago. Shows what it is about to do, and asks. Values are never shown; of what is right already, only the number.
    What fails is told with file and line; as annotations with --output github.
    """
    if plan_file:
        if mappings or cluster or namespace or dry_run or stack:
            raise click.UsageError("--plan says what to deliver, from here: leave the rest out, or plan again")
        _push_plan(settings, plan_file, ask=not yes)
    catalog = settings.load_catalog()
    deliveries = select(catalog, Selection(mappings, cluster, namespace))
    if not (dry_run or yes):
        _check_can_ask(settings)
    # boto3 does not know AWS_REGION, which the AWS CLI puts before AWS_DEFAULT_REGION.
    session = open_session(os.environ.get("AWS_REGION") or None)  # an error here is told once, not for each namespace
    if stack and not dry_run:
        queue = find_stack(session, stack, settings.mappings).connect_queue()
        _send(settings, queue, stack, deliveries, ask=not yes)
        return
    runtime, secrets = Runtime(os.environ, catalog, session), list_secrets(catalog)
    _warn_of_gaps(runtime, deliveries)
    if not yes or dry_run:
        plans = run_all(deliveries, lambda delivery: plan_delivery(runtime, delivery), "planning")
        results.print_plans(plans, secrets, settings.output)
        if dry_run:
            sys.exit(PROBLEMS if any(plan.fails for plan in plans) else 0)
        if not any(plan.has_changes for plan in plans):
            results.print_reports([], secrets, settings.output)
            sys.exit(PROBLEMS if any(plan.fails for plan in plans) else 0)
        _confirm("Go ahead?")
    reports = run_all(deliveries, lambda delivery: _deliver(runtime, delivery), "delivering")
    results.print_reports(reports, secrets, settings.output)
    sys.exit(PROBLEMS if any(report.errors for report in reports) else 0)


def _push_plan(settings: Settings, path: Path, *, ask: bool) -> NoReturn:
    """Carry out a plan, with the code of `deliver`: each target is checked again right before it is written."""
    plan, catalog = read_plan(path), settings.load_catalog()
    if ask:
        _check_can_ask(settings)
    carry_out.check_folder(plan, catalog, str(settings.mappings))
    session = open_session(plan.stack.region)
    carry_out.check_stack(plan, lambda: find_stack(session, plan.stack.name, settings.mappings))
    deliveries = carry_out.list_deliveries(plan)
    if deliveries and ask:
        number = count(sum(len(expected) for _, expected in deliveries), "Secret")
        _confirm(f"Write {number} of {path}, planned {plan.created:%Y-%m-%d %H:%M:%S} UTC?")
    runtime, planned = Runtime(os.environ, catalog, session), {each.group: expected for each, expected in deliveries}

    def deliver(delivery: Delivery) -> Report:
        report = _deliver(runtime, delivery, planned[delivery.group])
        return carry_out.add_unreached(report, planned[delivery.group]).locate(catalog.locate)

    reports = run_all([delivery for delivery, _ in deliveries], deliver, "delivering")
    results.print_reports(reports, list_secrets(catalog), settings.output)
    sys.exit(PROBLEMS if any(report.errors for report in reports) else 0)


def list_secrets(catalog: Catalog) -> Secrets:
    """Return the name of each mapping's Secret."""
    return {name: mapping.spec.secret.name for name, mapping in catalog.mappings.items()}


def select(catalog: Catalog, selection: Selection) -> list[Delivery]:
    """Return a delivery for each mapping and cluster that is asked for.

    Raises:
        InvalidInput: a name is unknown, or no delivery is left; the message lists the names that exist.
    """
    for name in selection.mappings:
        _check_known("mapping", name, catalog.mappings)
    if selection.cluster:
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


def _check_can_ask(settings: Settings) -> None:
    why = "--output json asks nothing" if settings.is_json else "there is no terminal to ask on"
    if settings.is_json or not sys.stdin.isatty():
        raise click.UsageError(f"{why}; say --yes to push, or --dry-run to look")


def _warn_of_gaps(runtime: Runtime, deliveries: Sequence[Delivery]) -> None:
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


def plan_delivery(runtime: Runtime, delivery: Delivery) -> Plan:
    """Return what a delivery would do; errors are in it."""
    owner = runtime.catalog.mappings[delivery.mapping].spec.owner
    try:
        outlook = preview(runtime.prepare(delivery, Deadline.after(MAX_SECONDS)))
        plan = Plan(delivery, outlook.previews, owner=owner, notes=outlook.notes)
    except KeyferryError as error:
        plan = Plan(delivery, error=error, owner=owner)
    except Exception as error:  # its text can quote a value
        plan = Plan(delivery, error=Unexpected(error), owner=owner)
    return plan.locate(runtime.catalog.locate)


def _deliver(runtime: Runtime, delivery: Delivery, expected: Mapping[str, Expected] | None = None) -> Report:
    owner = runtime.catalog.mappings[delivery.mapping].spec.owner
    try:
        return runtime.deliver(delivery, Deadline.after(MAX_SECONDS), expected)
    except Exception as error:  # its text can quote a value
        return Report(delivery, error=Unexpected(error), owner=owner).locate(runtime.catalog.locate)


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


def _send(settings: Settings, queue: DeliveryQueue, stack: str, deliveries: Sequence[Delivery], *, ask: bool) -> None:
    if ask:
        for delivery in deliveries:
            console.print_note(f"{delivery.mapping} to {delivery.cluster}")
        _confirm(f"Send {len(deliveries)} deliveries to {stack}?")
    queue.send(deliveries)
    if settings.is_json:
        answer: Pushed = {"sent": list(map(dump_delivery, deliveries))}
        console.print_json(answer)
        return
    console.print_line(f"sent {len(deliveries)} deliveries to {stack}; follow them with:")
    console.print_verbatim(f"  {format_logs_command(stack, deliveries[0].event_id)}")


def _confirm(question: str) -> None:
    if not click.confirm(question, err=True):
        console.print_note("nothing was done")
        sys.exit(INTERRUPTED)
