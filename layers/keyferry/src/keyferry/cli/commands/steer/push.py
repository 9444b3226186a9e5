"""`keyferry push`: makes deliveries here, by the code of the deliver function, or sends them to a stack's queue."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from keyferry.aws.sessions import open_session
from keyferry.aws.sqs import DeliveryQueue
from keyferry.cli.deliveries import Selection, deliver, plan_delivery, run_all, select, warn_of_gaps
from keyferry.cli.names import complete_clusters, complete_mappings, complete_namespaces
from keyferry.cli.options import INTERRUPTED, PROBLEMS, Settings, check_can_ask, examples, output_of
from keyferry.cli.output import console, results
from keyferry.cli.output.explanation import dump_delivery
from keyferry.cli.output.pushed import Pushed
from keyferry.cli.output.results import Plan, Secrets
from keyferry.cli.output.words import count
from keyferry.cli.plan import carry_out
from keyferry.cli.plan.file import read_plan
from keyferry.cli.stack import find_stack, format_logs_command
from keyferry.delivery.report import Report
from keyferry.mapping.catalog import Catalog
from keyferry.model import Delivery
from keyferry.runtime.wiring import Runtime

ANSWER = Pushed


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
        if mappings or cluster or namespace or stack:
            raise click.UsageError("--plan says what to deliver, from here: leave the rest out, or plan again")
        _push_plan(settings, plan_file, ask=not yes, dry_run=dry_run)
    catalog = settings.load_catalog()
    deliveries = select(catalog, Selection(mappings, cluster, namespace))
    if not (dry_run or yes):
        check_can_ask(settings, "push")
    # An error here is told once, not for each namespace.
    session = open_session(settings.choose_region(os.environ, stack))
    if stack and not dry_run:
        queue = find_stack(session, stack, settings).connect_queue()
        _send(settings, queue, stack, deliveries, ask=not yes)
        return
    _push_here(settings, Runtime(os.environ, catalog, session), deliveries, ask=not yes, dry_run=dry_run)


def _push_here(
    settings: Settings, runtime: Runtime, deliveries: Sequence[Delivery], *, ask: bool, dry_run: bool
) -> NoReturn:
    """Make deliveries from here, with the code of `deliver`, once they are shown and agreed to."""
    secrets = list_secrets(runtime.catalog)
    warn_of_gaps(runtime, deliveries)
    if ask or dry_run:
        plans = run_all(deliveries, lambda delivery: plan_delivery(runtime, delivery), "planning")
        if dry_run:
            _show_plans(settings, plans, runtime.catalog)
        results.print_plans(plans, secrets, settings.output)
        if not any(plan.has_changes for plan in plans):
            results.print_reports([], secrets, settings.output)
            sys.exit(PROBLEMS if any(plan.fails for plan in plans) else 0)
        _confirm("Go ahead?")
    reports = run_all(deliveries, lambda delivery: deliver(runtime, delivery), "delivering")
    results.print_reports(reports, secrets, settings.output)
    sys.exit(PROBLEMS if any(report.errors for report in reports) else 0)


def _push_plan(settings: Settings, path: Path, *, ask: bool, dry_run: bool) -> NoReturn:
    """Carry out a plan, with the code of `deliver`: each target is checked again right before it is written."""
    plan, catalog = read_plan(path), settings.load_catalog()
    if ask and not dry_run:
        check_can_ask(settings, "push")
    carry_out.check_folder(plan, catalog, str(settings.mappings))
    session = open_session(plan.stack.region)
    carry_out.check_stack(plan, lambda: find_stack(session, plan.stack.name, settings), settings.describe_call())
    carry_out.tell_left_out(plan)
    deliveries = carry_out.list_deliveries(plan)
    runtime, planned = Runtime(os.environ, catalog, session), {each.group: expected for each, expected in deliveries}
    if dry_run:
        _show_plans(
            settings,
            run_all(
                [delivery for delivery, _ in deliveries],
                lambda delivery: plan_delivery(runtime, delivery, planned[delivery.group]),
                "planning",
            ),
            catalog,
        )
    if deliveries and ask:
        number = count(sum(len(expected) for _, expected in deliveries), "Secret")
        _confirm(f"Write {number} of {path}, planned {plan.created:%Y-%m-%d %H:%M:%S} UTC?")

    def carry(delivery: Delivery) -> Report:
        report = deliver(runtime, delivery, planned[delivery.group])
        return carry_out.add_unreached(report, planned[delivery.group]).locate(catalog.locate)

    reports = run_all([delivery for delivery, _ in deliveries], carry, "delivering")
    results.print_reports(reports, list_secrets(catalog), settings.output)
    sys.exit(PROBLEMS if any(report.errors for report in reports) else 0)


def _show_plans(settings: Settings, plans: Sequence[Plan], catalog: Catalog) -> NoReturn:
    """Show what would be done, and do nothing."""
    results.print_plans(plans, list_secrets(catalog), settings.output)
    sys.exit(PROBLEMS if any(plan.fails for plan in plans) else 0)


def list_secrets(catalog: Catalog) -> Secrets:
    """Return the name of each mapping's Secret."""
    return {name: mapping.spec.secret.name for name, mapping in catalog.mappings.items()}


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
    event_id = deliveries[0].event_id
    console.print_line(f"sent {len(deliveries)} deliveries to {stack}; what becomes of them, and their log:")
    console.print_verbatim(f"  {settings.describe_call(stack).format_asking('trace', event_id)}")
    console.print_verbatim(f"  {format_logs_command(stack, event_id)}")


def _confirm(question: str) -> None:
    if not click.confirm(question, err=True):
        console.print_note("nothing was done")
        sys.exit(INTERRUPTED)
