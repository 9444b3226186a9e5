"""`keyferry restart`: restarts what uses the Secrets of a mapping, through a stack, once for each request."""

import os
import secrets
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypedDict

import click

from keyferry.cli.names import complete_clusters, complete_mappings, complete_namespaces
from keyferry.cli.options import Settings, check_can_ask, examples, output_of
from keyferry.cli.output import console
from keyferry.cli.output.pushed import SentDelivery
from keyferry.cli.output.words import count, join
from keyferry.cli.stack import open_stack
from keyferry.cli.states import Filter, Row, Target
from keyferry.cli.steer import outlook, sent
from keyferry.cli.steer.suspended import check_not_suspended, confirm
from keyferry.errors import InvalidInput
from keyferry.model import Delivery


class Restarted(TypedDict, total=False):
    """What `keyferry restart --output json` answers: one of these."""

    targets: list[Target]
    """With `--dry-run`: the Secrets whose workloads would restart."""
    sent: list[SentDelivery]
    """How far each delivery is that was sent through the stack."""


ANSWER = Restarted
EVENT = "restart-"
"""How the event id of a restart begins; its nonce follows."""


@click.command(
    epilog=examples(
        "keyferry restart payments-db --dry-run",
        "keyferry restart payments-db --cluster prod-eu",
        "keyferry restart payments-db --namespace payments --yes",
    )
)
@click.argument("mapping", shell_complete=complete_mappings)
@click.option("--cluster", metavar="NAME", shell_complete=complete_clusters, help="Only on this cluster.")
@click.option("--namespace", metavar="NAME", shell_complete=complete_namespaces, help="Only in this namespace.")
@click.option("--dry-run", is_flag=True, help="Show what would restart, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-wait", is_flag=True, help="Only send to the stack: do not follow what it does.")
@click.option("--stack", metavar="NAME", help="Through this stack. Default: the one that samconfig.toml names.")
@output_of("table", "json", "github")
@click.pass_obj
def restart(
    settings: Settings,
    mapping: str,
    cluster: str | None,
    namespace: str | None,
    *,
    dry_run: bool,
    yes: bool,
    no_wait: bool,
    stack: str | None,
) -> None:
    """Restart what uses the Secrets of a mapping.

    As for new content, though there is none: a delivery through the queue of the stack finds the workloads and rolls
    each out once; it is tried again where a cluster does not answer. What has to be written is written by the same
    delivery, and restarts once for both. Ctrl-C ends it at any time, and it says what is left.
    """
    if not (dry_run or yes):
        check_can_ask(settings, "restart")
    found = open_stack(os.environ, stack, settings)
    targets = outlook.ask_states(found, Filter((mapping,), cluster, namespace))
    deliveries = build_deliveries(targets, namespace)
    _check_restarts(mapping, targets)
    if dry_run or not yes:
        _print_targets(settings, targets)
    check_not_suspended(found, deliveries)
    if dry_run:
        return
    if not yes:
        what = f"{count(len(targets), 'Secret')} of mapping {mapping}"
        confirm(f"Restart what uses {what}, through {found}, on {outlook.name_clusters(deliveries)}?")
    names = {target["mapping"]: target["secret"] for target in targets}
    sent.send(found, deliveries, names, settings, settings.describe_call(stack), is_followed=not no_wait)


def build_deliveries(targets: Sequence[Row], namespace: str | None) -> list[Delivery]:
    """Return a delivery that restarts, for each cluster of some targets; to one namespace alone, if there is one."""
    nonce = secrets.token_hex(8)
    asks = {"event_id": f"{EVENT}{nonce}", "restart": nonce, "takes_back": False}
    return [each.model_copy(update=asks) for each in outlook.build_deliveries(targets, namespace)]


def _check_restarts(mapping: str, targets: Sequence[Row]) -> None:
    """Refuse a mapping that restarts nothing: which workloads it means is not known.

    Raises:
        InvalidInput: it has `restart: none`.
    """
    if all(target["restart"] == "none" for target in targets):
        raise InvalidInput(
            f"mapping {mapping} restarts nothing (restart: none): use `kubectl rollout restart`, or let the mapping"
            " restart its workloads, and deploy it"
        )


def _print_targets(settings: Settings, targets: Sequence[Row]) -> None:
    """Write whose workloads would restart, a line for each cluster."""
    if settings.is_json:
        known: Any = targets
        answer: Restarted = {"targets": known}
        console.print_json(answer)
        return
    by_cluster = defaultdict[str, list[Row]](list)
    for target in targets:
        by_cluster[target["cluster"]].append(target)
    console.print_table(
        ("cluster", "secret", "namespaces", "restarts"),
        [(name, own[0]["secret"], _name_namespaces(own), _describe(own[0])) for name, own in by_cluster.items()],
    )


def _name_namespaces(targets: Sequence[Row]) -> str:
    return join([target["namespace"] for target in targets if target["namespace"]], limit=5) or "-"


def _describe(target: Row) -> str:
    restart = target["restart"]
    return "what uses the Secret" if restart == "auto" else ", ".join(restart)
