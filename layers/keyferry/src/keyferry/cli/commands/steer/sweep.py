"""`keyferry sweep`: lets a stack compare everything with its sources now, and says what it sends, and why."""

import os
import sys
from datetime import UTC, datetime

import click

from keyferry.cli.call import Call
from keyferry.cli.names import complete_clusters, complete_mappings, complete_namespaces
from keyferry.cli.options import PROBLEMS, Settings, check_can_ask, examples, output
from keyferry.cli.output import console
from keyferry.cli.stack import Stack, open_stack
from keyferry.cli.states import Filter, Row
from keyferry.cli.steer import sweeping
from keyferry.cli.steer.suspended import confirm
from keyferry.errors import UnknownName
from keyferry.pipeline.comparison import Scope

ANSWER = sweeping.Swept


@click.command(
    epilog=examples(
        "keyferry sweep",
        "keyferry sweep --mapping payments-db --cluster prod-eu --yes",
        "keyferry sweep --dry-run",
    )
)
@click.option("--mapping", metavar="NAME", shell_complete=complete_mappings, help="Only this mapping.")
@click.option("--cluster", metavar="NAME", shell_complete=complete_clusters, help="Only on this cluster.")
@click.option("--namespace", metavar="NAME", shell_complete=complete_namespaces, help="Only in this namespace.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and send nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--stack", metavar="NAME", help="Ask this stack. Default: the one that samconfig.toml names.")
@output
@click.pass_obj
def sweep(
    settings: Settings,
    mapping: str | None,
    cluster: str | None,
    namespace: str | None,
    *,
    dry_run: bool,
    yes: bool,
    stack: str | None,
) -> None:
    """Compare all targets with their sources now, and deliver what differs.

    That is what the stack does by its schedule. Says what was sent and why, and what could not be compared. What is
    suspended is compared, and not sent. What there is no time for goes on by itself, as everything does when this is
    interrupted. Exits with 0 when everything was compared.
    """
    if not (dry_run or yes):
        check_can_ask(settings, "sweep")
    deployed, call = open_stack(os.environ, stack, settings), settings.describe_call(stack)
    scope = Scope(mapping=mapping, cluster=cluster, namespace=namespace)
    if not (dry_run or yes):
        what = ", ".join(f"{noun} {name}" for noun, name in scope.names.items()) or "everything"
        confirm(f"Compare {what} of {deployed}, and deliver what differs?")
    with console.show_progress("asking" if dry_run else "comparing", 1):
        try:
            swept = _foresee(deployed, scope) if dry_run else sweeping.sweep(deployed, scope)
        except UnknownName:  # only all targets tell which name was meant
            Filter((mapping,) if mapping else (), cluster, namespace).refuse(_ask(deployed, Scope()))
            raise
    _show(settings, swept, call)
    sys.exit(0 if sweeping.is_whole(swept) else PROBLEMS)


def _foresee(stack: Stack, scope: Scope) -> sweeping.Swept:
    return sweeping.foresee(_ask(stack, scope), stack.connect_suspensions().read(), datetime.now(UTC))


def _ask(stack: Stack, scope: Scope) -> list[Row]:
    return [row for page in stack.ask("status", **scope.names) for row in page["rows"]]


def _show(settings: Settings, swept: sweeping.Swept, call: Call) -> None:
    if settings.is_json:
        console.print_json(swept)
    else:
        sweeping.print_swept(swept, call)
