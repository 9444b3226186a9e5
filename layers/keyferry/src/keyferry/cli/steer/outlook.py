"""What a push through a stack is about: the targets in its scope, what is not right of them, and the deliveries."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from keyferry.cli.output import console
from keyferry.cli.output.pushed import Pushed
from keyferry.cli.output.words import join
from keyferry.cli.stack import Stack
from keyferry.cli.states import Filter, Row
from keyferry.cli.steer import rows
from keyferry.errors import UnknownName
from keyferry.model import Delivery

EVENT = "push-"
"""How the event id of a push begins."""


def ask_states(stack: Stack, wanted: Filter) -> list[Row]:
    """Return the targets of a stack that have all names that are asked for, with their states, by its own look.

    Raises:
        InvalidInput: no target has a name that is asked for, or all of them at once.
        KeyferryError: as `keyferry.cli.stack.Stack.ask` says.
    """
    only = wanted.mappings[0] if len(wanted.mappings) == 1 else None
    with console.show_progress("asking", 1):
        try:
            known = _ask(stack, mapping=only, cluster=wanted.cluster, namespace=wanted.namespace)
        except UnknownName:  # only all targets tell which name was meant
            known = []
        if not wanted.is_met(known):
            wanted.refuse(_ask(stack))
    return list(filter(wanted.selects, known))


def _ask(stack: Stack, **scope: str | None) -> list[Row]:
    return [row for page in stack.ask("status", **scope) for row in page["rows"]]


def build_deliveries(targets: Iterable[Row], namespace: str | None) -> list[Delivery]:
    """Return a delivery for each mapping and cluster of some targets; to one namespace alone, if there is one."""
    event_id, now = f"{EVENT}{uuid.uuid4()}", datetime.now(UTC)
    return [
        Delivery(mapping=mapping, cluster=cluster, namespace=namespace, event_id=event_id, time=now, takes_back=True)
        for mapping, cluster in dict.fromkeys((row["mapping"], row["cluster"]) for row in targets)
    ]


def name_clusters(deliveries: Iterable[Delivery]) -> str:
    """Return the clusters that deliveries go to, for a question."""
    return join(list(dict.fromkeys(delivery.cluster for delivery in deliveries)))


def print_outlook(targets: Sequence[Row], output: str) -> None:
    """Write which targets are not right, why, and how many are.

    Args:
        targets: the targets.
        output: the form of the result: table, json or github.
    """
    if output == "json":
        known: Any = targets
        answer: Pushed = {"targets": known}
        console.print_json(answer)
        return
    table = [_describe(target) for target in targets]
    rows.print_rows(("state",), table, output)
    causes = defaultdict[str, list[str]](list)
    for row, target in zip(table, targets, strict=True):
        if target.get("why") and not row.error:
            causes[target["why"]].append(row.place)
    for why, places in causes.items():
        console.print_line(f"{join(places, limit=1)}: {why}")
    if causes:
        console.print_line("")
    rows.print_totals(table, output)


def _describe(target: Row) -> rows.Row:
    """Return the line of a target. Why it is in its state is told below the table, each reason once."""
    [delivery] = build_deliveries([target], None)
    why, state, namespace = target.get("why", ""), target["state"], target["namespace"] or None
    is_error = state == "unknown" and why.partition(": ")[0].isalpha()
    error = rows.Failure(why, target.get("at", "")) if is_error else None
    return rows.Row(delivery, target["secret"], namespace, state, (), "", describe_owner(target), error)


def describe_owner(fields: Mapping[str, Any]) -> str:
    """Return the team of a target or of a log line as text: its name, and where to reach it."""
    owner = fields.get("owner", {})
    contact = f" ({owner['contact']})" if "contact" in owner else ""
    return f"{owner.get('team', '')}{contact}"
