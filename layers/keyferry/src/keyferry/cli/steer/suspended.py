"""What is suspended in a stack, and what a suspension stops: by people's own rights."""

import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

from keyferry.cli import states
from keyferry.cli.call import Call
from keyferry.cli.deliveries import Selection, select
from keyferry.cli.deployment import load_deployment
from keyferry.cli.options import INTERRUPTED, Settings
from keyferry.cli.output import console
from keyferry.cli.output.words import count
from keyferry.cli.stack import Stack
from keyferry.cli.steer.suspensions import format_resume
from keyferry.errors import InvalidInput, KeyferryError
from keyferry.mapping.catalog import Catalog
from keyferry.model import Delivery


def check_not_suspended(stack: Stack, deliveries: Iterable[Delivery]) -> None:
    """Refuse deliveries of what is suspended: they would leave the queue without doing anything.

    Raises:
        InvalidInput: some are; the message says by what, and how all of that is resumed.
        KeyferryError: AWS refused the call or gave no answer (`keyferry.aws.errors.translate_errors`).
    """
    active, pairs = stack.connect_suspensions().read().list_active(datetime.now(UTC)), set(map(_get_pair, deliveries))
    stopping = [one for one in active if any(one.covers(*pair) for pair in pairs)]
    if stopping:
        commands = [f"`{format_resume(Call(stack=stack.name), one)}`" for one in stopping]
        raise InvalidInput(f"{'; '.join(map(str, stopping))}; end that with {' and '.join(commands)}")


def _get_pair(delivery: Delivery) -> tuple[str, str]:
    return delivery.mapping, delivery.cluster


def describe_stopped(settings: Settings, stack: Stack, mapping: str | None, cluster: str | None) -> str:
    """Return how much a suspension stops: `2 mappings on 1 cluster, 4 targets`. The stack says it, else the folder.

    A choice of namespaces counts as one target: only the cluster tells how many it chooses.
    Empty where neither does: on a bad day, that keeps nobody from stopping something.

    Raises:
        InvalidInput: there is no such mapping or cluster, or that mapping does not go to that cluster.
    """
    catalog = _find_catalog(settings, stack)
    if catalog is None:
        return ""
    stopped = select(catalog, Selection(() if mapping is None else (mapping,), cluster))
    pairs = {(each.mapping, each.cluster) for each in stopped}
    targets = sum((row["mapping"], row["cluster"]) in pairs for row in states.list_planned(catalog))
    mappings, clusters = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
    places = f"{count(len(mappings), 'mapping')} on {count(len(clusters), 'cluster')}"
    return f"{places}, {count(targets, 'target')}"


def _find_catalog(settings: Settings, stack: Stack) -> Catalog | None:
    with suppress(KeyferryError):
        return load_deployment(stack).catalog
    with suppress(KeyferryError):
        return settings.load_catalog()
    return None


def confirm(question: str) -> None:
    """Ask, and leave where the answer is no."""
    if not console.ask(question):
        console.print_note("nothing was done")
        sys.exit(INTERRUPTED)
