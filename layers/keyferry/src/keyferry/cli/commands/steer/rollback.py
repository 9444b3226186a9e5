"""`keyferry rollback`: the label AWSCURRENT of a secret goes back to an earlier version."""

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import click

from keyferry.cli.options import INTERRUPTED, PROBLEMS, Settings, check_can_ask, examples, output
from keyferry.cli.output import console
from keyferry.cli.output.trace import print_trace
from keyferry.cli.output.words import count
from keyferry.cli.rollback.answer import Rollback
from keyferry.cli.rollback.intent import Intent, find_out
from keyferry.cli.rollback.label import move_label
from keyferry.cli.rollback.readers import has_version, list_rows, name_secret
from keyferry.cli.rollback.show import print_intent, print_rest
from keyferry.cli.stack import Stack, open_stack
from keyferry.cli.steer.interrupt import Interrupt
from keyferry.cli.steer.suspended import confirm
from keyferry.cli.trace.follow import follow
from keyferry.cli.trace.subject import SourceName

ANSWER = Rollback
PATIENCE_SECONDS = 180
"""How long the version is followed to the Secrets."""
PAUSE_SECONDS = 2
"""How long to wait until the states are asked for again."""
SKEW = timedelta(minutes=5)
"""How far the clock here may be behind AWS's."""


@click.command(
    epilog=examples(
        "keyferry rollback prod/payments/db --to AWSPREVIOUS",
        "keyferry rollback prod/payments/db --to a1b2c3d4 --dry-run",
    )
)
@click.argument("secret")
@click.option("--to", "wanted", metavar="VERSION", required=True, help="Version id, its beginning, or a staging label.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--stack", metavar="NAME", help="Ask this stack. Default: the one that samconfig.toml names.")
@output
@click.pass_obj
def rollback(settings: Settings, secret: str, wanted: str, *, dry_run: bool, yes: bool, stack: str | None) -> None:
    """Move a secret back to an earlier version, and follow it.

    SECRET is the name or ARN of a secret. Names every Secret and workload that reads it, asks, moves AWSCURRENT with
    your own rights in one call, and follows the change until each Secret has it. Refuses where the label has moved
    meanwhile. No value is read. Exits with 1 where a Secret does not have the version after three minutes.
    """
    if not (dry_run or yes):
        check_can_ask(settings, "rollback")
    deployed, now = open_stack(os.environ, stack, settings), datetime.now(UTC)
    with console.show_progress("asking", 1):
        intent = find_out(deployed, SourceName(secret), wanted, now)
    if not settings.is_json:
        print_intent(intent.known)
    if not (dry_run or intent.move.is_done):
        _carry_out(settings, deployed, intent, ask=not yes)
    elif settings.is_json:
        console.print_json(intent.known)
    elif intent.move.is_done:
        console.print_line("nothing to do: it is current")


def _carry_out(settings: Settings, stack: Stack, intent: Intent, *, ask: bool) -> None:
    known, since = intent.known, datetime.now(UTC)
    followers = [reader["secret"] for reader in known["readers"] if reader["follows"]]
    number = f"{len(followers)} of {count(len(known['readers']), 'Secret')}"
    if ask:
        confirm(f"Move AWSCURRENT, which {number} of {stack} will follow?")
    move_label(intent.client, intent.address.id, intent.move)
    interrupt, known = Interrupt(), Rollback(**{**known, "moved": True, "waiting": followers})
    try:
        for known["waiting"] in _wait(stack, intent, followers, interrupt):
            pass
        if not settings.is_json:
            trace, _ = follow(stack, intent.subject, since - SKEW, datetime.now(UTC), lambda _mapping: "")
            print_trace(trace)
            if known["waiting"]:  # some may have arrived since: the trace says so
                known["waiting"] = _list_waiting(stack, intent, known["waiting"])
    finally:  # whatever ends it: the label has moved, and nobody is to have to guess that
        if settings.is_json:
            console.print_json(known)
        else:
            print_rest(known)
    sys.exit(INTERRUPTED if interrupt.is_pressed else PROBLEMS if known["waiting"] else 0)


def _wait(stack: Stack, intent: Intent, followers: list[str], interrupt: Interrupt) -> Iterator[list[str]]:
    """Wait until Secrets have the version, until patience is over, or until Ctrl-C; yield those that do not, each time.

    Raises:
        KeyferryError: as `keyferry.cli.stack.Stack.ask` says.
    """
    waiting = followers
    with interrupt.watch(), console.show_progress("following", len(followers)) as step:
        deadline = interrupt.set_deadline(PATIENCE_SECONDS)
        while waiting:
            left = _list_waiting(stack, intent, waiting)
            for _ in waiting[len(left) :]:
                step()
            waiting = left
            yield waiting
            if not waiting or deadline.has_passed:
                break
            interrupt.wait(PAUSE_SECONDS)


def _list_waiting(stack: Stack, intent: Intent, waiting: list[str]) -> list[str]:
    """Return which of some Secrets do not have the version now."""
    rows = list_rows(intent.subject, (row for page in stack.ask("status") for row in page["rows"]))
    arrived = {name_secret(row) for row in rows if has_version(intent.subject, row, intent.move.after.id)}
    return [name for name in waiting if name not in arrived]
