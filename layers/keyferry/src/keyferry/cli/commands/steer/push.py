"""`keyferry push`: sends deliveries through a stack and follows them, or makes them here by the code of `deliver`."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import click

from keyferry.aws.sessions import open_session
from keyferry.cli.deliveries import Carry, Selection, deliver, deliver_all, plan_delivery, run_all, select, warn_of_gaps
from keyferry.cli.names import complete_clusters, complete_mappings, complete_namespaces
from keyferry.cli.options import INTERRUPTED, PROBLEMS, Settings, check_can_ask, examples, output_of
from keyferry.cli.output import results
from keyferry.cli.output.pushed import Pushed
from keyferry.cli.output.results import Plan
from keyferry.cli.output.words import count, join
from keyferry.cli.plan import carry_out
from keyferry.cli.plan.file import read_plan
from keyferry.cli.stack import Stack, StackMissing, find_stack
from keyferry.cli.states import Filter
from keyferry.cli.steer import outlook, sent
from keyferry.cli.steer.interrupt import Interrupt
from keyferry.cli.steer.rows import Secrets
from keyferry.cli.steer.suspended import check_not_suspended, confirm
from keyferry.deadline import Deadline
from keyferry.delivery.report import Report
from keyferry.errors import InvalidInput
from keyferry.mapping.catalog import Catalog
from keyferry.model import Delivery
from keyferry.runtime.wiring import Runtime

ANSWER = Pushed


@dataclass(frozen=True)
class Manner:
    """How to go about it."""

    ask: bool
    """Whether to ask before something is done."""
    dry_run: bool
    """Whether to only show what would be done."""
    is_followed: bool
    """Whether to wait for what the stack does."""


@click.command(
    epilog=examples(
        "keyferry push --dry-run",
        "keyferry push payments-db --cluster prod-eu",
        "keyferry push payments-db --stack keyferry --yes",
        "keyferry push payments-db --local",
        "keyferry push --plan plan.json",
    )
)
@click.argument("mappings", nargs=-1, metavar="[MAPPING]...", shell_complete=complete_mappings)
@click.option("--cluster", metavar="NAME", shell_complete=complete_clusters, help="Only to this cluster.")
@click.option("--namespace", metavar="NAME", shell_complete=complete_namespaces, help="Only to this namespace.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-wait", is_flag=True, help="Only send to the stack: do not follow what it does.")
@click.option("--stack", metavar="NAME", help="Through this stack. Default: the one that samconfig.toml names.")
@click.option("--local", is_flag=True, help="Through no stack: read and write from here, with your own rights.")
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Carry out the plan in this file, from `keyferry plan -o`, and nothing else; refuse what has moved since.",
)
@output_of("table", "json", "github")
@click.pass_obj
def push(
    settings: Settings,
    /,
    *,
    dry_run: bool,
    yes: bool,
    no_wait: bool,
    stack: str | None,
    local: bool,
    plan_file: Path | None,
    **chosen: str | None,
) -> None:
    """Bring Secrets to the current state of their sources.

    Those of the mappings named, or of all. Sends deliveries to the queue of the stack, and shows what becomes of each;
    where no stack is named, or with --local, it makes them from here. Takes keys back also from those from whom they
    were taken back a short time ago. Shows first what is not right, and asks. Values are never shown; of what is right
    already, only the number. Ctrl-C ends it at any time, and it says what is left. What fails is told with file and
    line; as annotations with --output github.
    """
    manner = Manner(not (dry_run or yes), dry_run, not no_wait)
    if plan_file:
        if any(chosen.values()) or stack:
            raise click.UsageError("--plan says what to deliver, from here: leave the rest out, or plan again")
        _push_plan(settings, plan_file, manner)
    if stack and local:
        raise click.UsageError("--local goes through no stack: leave one of --stack and --local out")
    if manner.ask:
        check_can_ask(settings, "push")
    if not local and (stack or settings.config.stack_name):
        _push_through(settings, stack, Filter(**chosen), manner)  # type: ignore[arg-type]
    if not (local or settings.mappings.exists()):
        raise InvalidInput(
            f"which stack? say --stack NAME; or be in a folder with samconfig.toml or {settings.mappings}"
        )
    catalog = settings.load_catalog()
    deliveries = select(catalog, Selection(**chosen))  # type: ignore[arg-type]
    # An error here is told once, not for each namespace.
    session = open_session(settings.choose_region(os.environ))
    _push_here(settings, Runtime(os.environ, catalog, session), deliveries, manner)


def _push_through(settings: Settings, name: str | None, wanted: Filter, manner: Manner) -> NoReturn:
    """Send deliveries through a stack, once what is not right is shown and they are agreed to, and follow them."""
    stack = _find(settings, name)
    targets = outlook.ask_states(stack, wanted)
    deliveries = outlook.build_deliveries(targets, wanted.namespace)
    if manner.dry_run or manner.ask:
        outlook.print_outlook(targets, settings.output)
    if not deliveries:
        raise InvalidInput(f"no mapping of stack {stack.name} writes to a namespace that there is")
    check_not_suspended(stack, deliveries)
    if manner.dry_run:
        sys.exit(0)
    if manner.ask:
        confirm(f"Send {count(len(deliveries), 'delivery')} through {stack}, to {outlook.name_clusters(deliveries)}?")
    secrets = {target["mapping"]: target["secret"] for target in targets}
    sent.send(stack, deliveries, secrets, settings, settings.describe_call(name), is_followed=manner.is_followed)


def _find(settings: Settings, name: str | None) -> Stack:
    """Return the stack that is named, or that of samconfig.toml: which rights are used never depends on what is there.

    Raises:
        StackMissing: there is none; the message says how to do without.
    """
    try:
        return find_stack(open_session(settings.choose_region(os.environ, name)), name, settings)
    except StackMissing as error:
        raise StackMissing(f"{error}; --local delivers from here, with your own rights") from None


def _name_accounts(catalog: Catalog, deliveries: Sequence[Delivery]) -> str:
    """Return the clusters of deliveries, and the accounts that they are in."""
    clusters = [catalog.clusters[name] for name in dict.fromkeys(delivery.cluster for delivery in deliveries)]
    accounts = list(dict.fromkeys(cluster.eks.account for cluster in clusters))
    return f"{outlook.name_clusters(deliveries)} of {'account' if len(accounts) == 1 else 'accounts'} {join(accounts)}"


def _push_here(settings: Settings, runtime: Runtime, deliveries: Sequence[Delivery], manner: Manner) -> NoReturn:
    """Make deliveries from here, with the code of `deliver`, once they are shown and agreed to."""
    catalog = runtime.catalog
    warn_of_gaps(runtime, deliveries)
    if manner.ask or manner.dry_run:
        plans = run_all(deliveries, lambda delivery: plan_delivery(runtime, delivery), "planning")
        if manner.dry_run:
            _show_plans(settings, plans, catalog)
        results.print_plans(plans, list_secrets(catalog), settings.output)
        changes = sum(preview.will not in ("nothing", "fail") for plan in plans for preview in plan.previews)
        if not changes:
            results.print_reports([], list_secrets(catalog), settings.output)
            sys.exit(PROBLEMS if any(plan.fails for plan in plans) else 0)
        confirm(f"Change {count(changes, 'Secret')}, with your own rights, on {_name_accounts(catalog, deliveries)}?")

    def carry(delivery: Delivery, deadline: Deadline) -> Report:
        return deliver(runtime, delivery, deadline)

    _make(settings, deliveries, carry, catalog)


def _push_plan(settings: Settings, path: Path, manner: Manner) -> NoReturn:
    """Carry out a plan, with the code of `deliver`: each target is checked again right before it is written."""
    plan, catalog = read_plan(path), settings.load_catalog()
    if manner.ask:
        check_can_ask(settings, "push")
    carry_out.check_folder(plan, catalog, str(settings.mappings))
    session = open_session(plan.stack.region)
    carry_out.check_stack(plan, lambda: find_stack(session, plan.stack.name, settings), settings.describe_call())
    carry_out.tell_left_out(plan)
    deliveries = carry_out.list_deliveries(plan)
    runtime, planned = Runtime(os.environ, catalog, session), {each.group: expected for each, expected in deliveries}
    if manner.dry_run:
        _show_plans(
            settings,
            run_all(
                [delivery for delivery, _ in deliveries],
                lambda delivery: plan_delivery(runtime, delivery, planned[delivery.group]),
                "planning",
            ),
            catalog,
        )
    if deliveries and manner.ask:
        number = count(sum(len(expected) for _, expected in deliveries), "Secret")
        confirm(f"Write {number} of {path}, planned {plan.created:%Y-%m-%d %H:%M:%S} UTC?")

    def carry(delivery: Delivery, deadline: Deadline) -> Report:
        report = deliver(runtime, delivery, deadline, planned[delivery.group])
        return carry_out.add_unreached(report, planned[delivery.group]).locate(catalog.locate)

    _make(settings, [delivery for delivery, _ in deliveries], carry, catalog)


def _make(settings: Settings, deliveries: Sequence[Delivery], carry: Carry, catalog: Catalog) -> NoReturn:
    """Make deliveries, and show what became of each, and what is left where somebody interrupts."""
    interrupt = Interrupt()
    made = deliver_all(deliveries, carry, interrupt)
    results.print_reports(made.reports, list_secrets(catalog), settings.output, made.left)
    code = PROBLEMS if made.fails else 0
    sys.exit(INTERRUPTED if code and interrupt.is_pressed else code)


def _show_plans(settings: Settings, plans: Sequence[Plan], catalog: Catalog) -> NoReturn:
    """Show what would be done, and do nothing."""
    results.print_plans(plans, list_secrets(catalog), settings.output)
    sys.exit(PROBLEMS if any(plan.fails for plan in plans) else 0)


def list_secrets(catalog: Catalog) -> Secrets:
    """Return the name of each mapping's Secret."""
    return {name: mapping.spec.secret.name for name, mapping in catalog.mappings.items()}
