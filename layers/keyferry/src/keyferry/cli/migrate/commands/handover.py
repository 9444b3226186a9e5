"""`keyferry migrate handover`: lets mappings take over Secrets from their originals, or gives them back."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from keyferry.aws.sessions import open_session
from keyferry.cli.clusters.client import OperatorClient
from keyferry.cli.clusters.reach import reach_clusters
from keyferry.cli.deliveries import Selection, select
from keyferry.cli.deployment import load_deployment
from keyferry.cli.migrate.handover import back, forward
from keyferry.cli.migrate.handover.clusters import Group, Side
from keyferry.cli.migrate.handover.delivered import describe_gap
from keyferry.cli.migrate.handover.rights import list_missing_rights
from keyferry.cli.migrate.handover.run import Handover
from keyferry.cli.migrate.handover.show import HandedOverTargets, build_answer, print_plan, print_result
from keyferry.cli.migrate.handover.steps import Step
from keyferry.cli.migrate.handover.targets import Target
from keyferry.cli.names import complete_clusters, complete_mappings
from keyferry.cli.options import INTERRUPTED, PROBLEMS, Settings, check_can_ask, examples, output
from keyferry.cli.options import contexts as with_contexts
from keyferry.cli.output import console
from keyferry.cli.output.words import count
from keyferry.cli.stack import open_stack
from keyferry.deadline import Deadline
from keyferry.errors import InvalidInput, KeyferryError
from keyferry.mapping.catalog import Catalog
from keyferry.model import Delivery
from keyferry.runtime.wiring import Runtime

ANSWER = HandedOverTargets
_MAX_SECONDS = 24 * 3600
"""How long a run may take: people wait in it for changes in Git."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line says."""

    mappings: tuple[str, ...]
    cluster: str | None
    contexts: tuple[str, ...]
    is_back: bool
    is_plan: bool
    wait_seconds: int
    stack: str | None
    no_stack: bool
    yes: bool


@click.command(
    "handover",
    epilog=examples(
        "keyferry migrate handover --plan",
        "keyferry migrate handover payments-db --context prod-eu=admin@prod-eu",
        "keyferry migrate handover payments-db --back",
    ),
)
@click.argument("mappings", nargs=-1, metavar="[MAPPING]...", shell_complete=complete_mappings)
@click.option("--cluster", metavar="NAME", shell_complete=complete_clusters, help="Only in this cluster.")
@with_contexts
@click.option("--back", "is_back", is_flag=True, help="Give the Secrets back to their originals.")
@click.option("--plan", "is_plan", is_flag=True, help="Show the steps that are left, and do nothing.")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.IntRange(0),
    default=600,
    show_default=True,
    metavar="SECONDS",
    help="How long one Secret waits for one thing that others do.",
)
@click.option("--stack", metavar="NAME", help="The stack that delivers. Default: the one that samconfig.toml names.")
@click.option("--no-stack", is_flag=True, help="Hand over what no stack delivers: you push it yourself from then on.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output
@click.pass_obj
def handover_(settings: Settings, /, **given: Any) -> None:  # noqa: ANN401  # the fields of Request
    """Let mappings take over Secrets from External Secrets and the CSI driver.

    Of the mappings named, or of all. No Secret is deleted or written anew, and nothing restarts: each is compared, its
    original is set to leave it behind and removed, and the mapping takes over what is there. Nothing is remembered: run
    it again after an interruption, or with --back to return. Uses your own rights, by your kubeconfig, and asks the
    stack whether it delivers these mappings. Where Git or Helm keeps an original, it shows the change and waits for it.
    Exits with 0 when nothing is left to do.
    """
    request = Request(**given)
    if request.stack and request.no_stack:
        raise click.UsageError("--no-stack asks no stack: leave one of them out")
    if not (request.is_plan or request.yes):
        check_can_ask(settings, "hand over", "--plan")
    catalog = settings.load_catalog()
    deliveries = select(catalog, Selection(request.mappings, request.cluster))
    gaps = {} if request.is_back or request.no_stack else _find_gaps(settings, catalog, request.stack, deliveries)
    runtime = Runtime(os.environ, catalog, open_session(settings.choose_region(os.environ)))
    groups = list(_build_groups(runtime, deliveries, request.contexts, gaps))
    steps = back.list_steps if request.is_back else forward.list_steps
    run = Handover(groups, steps, needs_content=not request.is_back, wait_seconds=request.wait_seconds, tell=_tell)
    with console.show_progress("comparing", len(groups)) as step:
        targets = run.plan(step)
    missing = _list_missing_rights(groups, targets)
    if request.is_plan or missing or not any(target.standing == "to do" for target in targets):
        _show(settings, targets, missing, is_plan=True)
    if not request.yes:
        _confirm(targets, is_back=request.is_back)
    try:
        run.run()
    except KeyboardInterrupt:
        console.print_note("what is done is done; run the same command again to go on, or with --back to return")
        raise
    _show(settings, targets, missing, is_plan=False)


def _find_gaps(
    settings: Settings, catalog: Catalog, name: str | None, deliveries: Sequence[Delivery]
) -> dict[str, str]:
    """Return the group of each delivery with why the stack would not make it; empty where it would.

    Raises:
        InvalidInput: that is not known.
    """
    try:
        stack = open_stack(os.environ, name, settings)
        with console.show_progress("asking", 1):
            deployment = load_deployment(stack)
    except KeyferryError as error:
        why = f"whether the mappings are deployed is not known: {error}"
        raise InvalidInput(f"{why}. Where no stack is to deliver them, say --no-stack") from None
    call = settings.describe_call(name)
    return {each.group: describe_gap(catalog, deployment, each, stack.name, call) for each in deliveries}


def _build_groups(
    runtime: Runtime, deliveries: Sequence[Delivery], contexts: Sequence[str], gaps: Mapping[str, str]
) -> Iterator[Group]:
    """Yield the targets of each mapping on each cluster.

    Raises:
        KeyferryError: a cluster cannot be reached.
    """
    catalog, deadline = runtime.catalog, Deadline.after(_MAX_SECONDS)
    clusters = [catalog.clusters[name] for name in dict.fromkeys(each.cluster for each in deliveries)]
    reached = reach_clusters(clusters, contexts, os.environ, deadline)
    sides = {cluster.name: Side(_check(client)) for cluster, client in reached}
    for delivery in deliveries:
        yield Group(
            delivery,
            catalog.mappings[delivery.mapping],
            sides[delivery.cluster],
            lambda asked, client: runtime.prepare(asked, deadline, client),
            catalog.locate,
            gaps.get(delivery.group, ""),
        )


def _check(client: OperatorClient | KeyferryError) -> OperatorClient:
    if isinstance(client, KeyferryError):
        raise client
    return client


def _list_missing_rights(groups: Sequence[Group], targets: Sequence[Target]) -> list[str]:
    """Return what the person may not do, in the namespaces where something is left to do."""
    sides = {group.delivery.cluster: group.side for group in groups}
    steps: dict[tuple[str, str], list[Step]] = {}
    for target in targets:
        if target.standing == "to do" and target.namespace:
            steps.setdefault((target.cluster, target.namespace), []).extend(target.steps)
    return [
        missing
        for (cluster, namespace), own in sorted(steps.items(), key=lambda pair: pair[0])
        for missing in list_missing_rights(sides[cluster].client, own, namespace)
    ]


def _tell(target: Target, text: str) -> None:
    console.print_note(f"{target.place}: {text}")


def _confirm(targets: Sequence[Target], *, is_back: bool) -> None:
    print_plan(targets)
    number = count(sum(target.standing == "to do" for target in targets), "Secret")
    if not console.ask(f"{'Give back' if is_back else 'Hand over'} {number}?"):
        console.print_note("nothing was done")
        sys.exit(INTERRUPTED)


def _show(settings: Settings, targets: Sequence[Target], missing: Sequence[str], *, is_plan: bool) -> None:
    """Show the plan or the result, and exit."""
    if settings.is_json:
        console.print_json(build_answer(targets, missing))
    else:
        (print_plan if is_plan else print_result)(targets)
    for right in missing:
        console.print_note(f"you may not {right}: let somebody grant that")
    is_done = all(target.standing == "done" for target in targets)
    is_planned = is_plan and all(target.standing in ("done", "to do") for target in targets)
    sys.exit(0 if not missing and (is_done or is_planned) else PROBLEMS)
