"""`keyferry resume`: ends a suspension, and lets a sweep deliver what differs."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NotRequired, TypedDict

import click

from keyferry.aws.suspensions import SuspensionStore
from keyferry.cli.call import Call
from keyferry.cli.names import complete_clusters, complete_mappings
from keyferry.cli.options import PROBLEMS, Settings, check_can_ask, examples, output
from keyferry.cli.output import console
from keyferry.cli.stack import Stack, open_stack
from keyferry.cli.steer import sweeping
from keyferry.cli.steer.suspended import confirm
from keyferry.cli.steer.suspensions import SuspensionFields, dump_suspension, format_resume
from keyferry.errors import InvalidInput, KeyferryError, UnknownName
from keyferry.pipeline.comparison import Scope
from keyferry.pipeline.suspensions import Suspension, Suspensions

LAG_SECONDS = 300
"""How far ListSecrets may be behind (Secrets Manager): a sweep that late sees all that changed before."""


class Answer(TypedDict):
    """What `keyferry resume --output json` answers."""

    stack: str
    """The stack."""
    resumed: NotRequired[SuspensionFields]
    """What was suspended; with `--dry-run`, what would be resumed. Left out where nothing is suspended."""
    swept: NotRequired[sweeping.Swept]
    """What the sweep that follows at once has found and sent. Another one follows after five minutes."""
    still: list[SuspensionFields]
    """What else is suspended."""
    done: bool
    """Whether it is resumed now; false with `--dry-run`."""


ANSWER = Answer


@click.command(epilog=examples("keyferry resume", "keyferry resume --mapping payments-db --cluster prod-eu --yes"))
@click.option("--mapping", metavar="NAME", shell_complete=complete_mappings, help="What was suspended by its name.")
@click.option("--cluster", metavar="NAME", shell_complete=complete_clusters, help="What was suspended by its name.")
@click.option("--dry-run", is_flag=True, help="Show what would be resumed, and resume nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--stack", metavar="NAME", help="The stack. Default: the one that samconfig.toml names.")
@output
@click.pass_obj
def resume(
    settings: Settings, mapping: str | None, cluster: str | None, *, dry_run: bool, yes: bool, stack: str | None
) -> None:
    """Let deliveries go on, and deliver what differs.

    With the mapping and cluster that `suspend` was given; without, what stops everything. A sweep follows at once, and
    another one after five minutes, when AWS lists every change: each Secret gets the newest value, once. Safe to
    interrupt, and to repeat.
    """
    if not (dry_run or yes):
        check_can_ask(settings, "resume")
    deployed, call, now = open_stack(os.environ, stack, settings), settings.describe_call(stack), datetime.now(UTC)
    store = deployed.connect_suspensions()
    known = store.read()
    found = _find(known, mapping, cluster, now, call)
    still = [one for one in known.list_active(now) if found is None or one.name != found.name]
    answer = Answer(stack=deployed.name, still=list(map(dump_suspension, still)), done=not dry_run)
    if found:
        answer["resumed"] = dump_suspension(found)
        if not settings.is_json:
            console.print_line(str(found))
        if not dry_run:
            if not yes:
                confirm(f"Resume {found.scope} in {deployed}, and deliver what differs?")
            swept = _end(deployed, store, found)
            if swept:
                answer["swept"] = swept
    _show(settings, answer, still, call)
    sys.exit(PROBLEMS if "swept" in answer and not sweeping.is_whole(answer["swept"]) else 0)


def _find(known: Suspensions, mapping: str | None, cluster: str | None, now: datetime, call: Call) -> Suspension | None:
    """Return the suspension of exactly that mapping and cluster; None where nothing at all is suspended.

    Raises:
        InvalidInput: something else is suspended; the message has the commands for that.
    """
    active = known.list_active(now)
    found = next((one for one in active if (one.mapping, one.cluster) == (mapping, cluster)), None)
    if found is None and active:
        others = ", ".join(f"{one.scope} (`{format_resume(call, one)}`)" for one in active)
        raise InvalidInput(f"nothing is suspended by these names; suspended are: {others}")
    return found


def _end(stack: Stack, store: SuspensionStore, found: Suspension) -> sweeping.Swept | None:
    """End a suspension, and remove those that are over. The sweep of later is sent first: when killed, one follows.

    Returns:
        What the sweep of now has found; None where the stack has no such mapping or cluster any more.

    Raises:
        InvalidInput: somebody has suspended the same anew since it was shown.
        KeyferryError: AWS refused a call or gave no answer; where it is resumed by then, a note says so.
    """
    known, scope = store.read(), Scope(mapping=found.mapping, cluster=found.cluster)  # a question can wait for hours
    anew = next((one for one in known.entries if one.name == found.name and one != found), None)
    if anew:
        raise InvalidInput(f"nothing was done: it was suspended anew meanwhile: {anew}")
    sweeping.send_later(stack, scope, "resume", LAG_SECONDS)
    active = known.list_active(datetime.now(UTC))
    for one in (found, *(one for one in known.entries if one not in active and one != found)):
        store.delete(one)
    try:
        with console.show_progress("comparing", 1):
            return sweeping.sweep(stack, scope)
    except UnknownName:
        return None
    except (KeyferryError, KeyboardInterrupt):
        console.print_note("it is resumed all the same: a sweep in five minutes delivers what differs")
        raise


def _show(settings: Settings, answer: Answer, still: Sequence[Suspension], call: Call) -> None:
    if settings.is_json:
        console.print_json(answer)
        return
    if "resumed" not in answer:
        console.print_line("nothing is suspended")
    if "swept" in answer:
        console.print_line("resumed; what differs now is delivered, and a sweep in five minutes looks again")
        console.print_line("")
        sweeping.print_swept(answer["swept"], call)
    elif answer["done"] and "resumed" in answer:
        console.print_line("resumed; the stack has no such mapping or cluster any more")
    for one in still:
        console.print_line(f"still: {one}")
