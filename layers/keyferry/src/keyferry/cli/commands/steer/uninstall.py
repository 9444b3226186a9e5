"""`keyferry uninstall --plan`: what it takes to remove a stack and all that it has left elsewhere."""

import os
import sys

import click

from keyferry.cli.options import PROBLEMS, Settings, examples, output
from keyferry.cli.options import contexts as with_contexts
from keyferry.cli.output import console
from keyferry.cli.uninstall.answer import Answer
from keyferry.cli.uninstall.show import print_removal
from keyferry.cli.uninstall.survey import Request, plan_removal

ANSWER = Answer


@click.command(epilog=examples("keyferry uninstall --plan", "keyferry uninstall --plan --secrets"))
@click.option("--plan", is_flag=True, help="Show the steps and their commands; this program removes nothing itself.")
@click.option("--secrets", is_flag=True, help="Remove Secrets and stamps too, after naming what uses them.")
@with_contexts
@click.option("--stack", metavar="NAME", help="The stack. Default: as samconfig.toml says.")
@output
@click.pass_obj
def uninstall(settings: Settings, contexts: tuple[str, ...], stack: str | None, *, plan: bool, secrets: bool) -> None:
    """Show what it takes to remove a stack, step by step.

    That is the stack, what was generated for the clusters, access entries that the stack has not made, and what the
    owners of other accounts have deployed. Secrets stay unless --secrets is said. It is looked at with your own
    rights: the policy to look, and your kubeconfig. Run it again afterwards, and it says what is left. Exits with 0
    when everything could be looked at.
    """
    if not plan:
        raise click.UsageError("this program removes nothing itself: say --plan for the steps and their commands")
    catalog = settings.load_catalog()
    request = Request(
        folder=catalog,
        settings=settings,
        environment=os.environ,
        stack=stack,
        contexts=contexts,
        secrets=secrets,
    )
    with console.show_progress("looking", len(catalog.clusters)) as step:
        removal = plan_removal(request, step)
    if settings.is_json:
        console.print_json(removal.build_answer())
    else:
        print_removal(removal)
    sys.exit(PROBLEMS if removal.notes else 0)
