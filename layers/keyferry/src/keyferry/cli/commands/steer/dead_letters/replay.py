"""`keyferry dead-letters replay`: a new message takes the place of each dead letter."""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from keyferry.aws.sessions import open_client
from keyferry.cli.dead_letters import work_off
from keyferry.cli.dead_letters.answer import build_result
from keyferry.cli.dead_letters.letter import DeadLetter, Queue, Replay
from keyferry.cli.dead_letters.options import Seen, choices, confirm_all, see, tell_dry_run
from keyferry.cli.dead_letters.options import stack as with_stack
from keyferry.cli.dead_letters.queue import send_replays
from keyferry.cli.dead_letters.show import print_aim, print_result
from keyferry.cli.dead_letters.work_off import Progress
from keyferry.cli.options import PROBLEMS, Settings, check_can_ask, examples, output
from keyferry.cli.output import console
from keyferry.cli.stack import Stack
from keyferry.cli.steer.suspended import check_not_suspended
from keyferry.errors import InvalidInput, KeyferryError

_SOURCES: Mapping[Queue, str] = {"changes": "Changes", "deliveries": "Deliveries", "sweeps": "Sweeps"}
"""Queue → what the names of its outputs begin with."""


@click.command(
    "replay",
    epilog=examples(
        "keyferry dead-letters replay --dry-run",
        "keyferry dead-letters replay --owner payments",
        "keyferry dead-letters replay 3fa85f64-5717-4562-b3fc-2c963f66afa6 --yes",
    ),
)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@choices
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_stack
@output
@click.pass_obj
def replay_(
    settings: Settings,
    /,
    stack: str | None,
    ids: tuple[str, ...],
    *,
    dry_run: bool,
    yes: bool,
    **chosen: Any,  # noqa: ANN401  # the fields of Selection
) -> None:
    """Send a new message for each dead letter, then delete it.

    Of those with these ids, or of all; those go too that `list` cannot show yet, since they lie behind ten others of
    their group. A delivery brings the value that AWS has now, whatever its letter was sent for. Shows what it is about
    to do, and asks. Safe to interrupt, and to repeat: a letter that is sent twice makes one delivery, or a second one
    that finds nothing to do. Exits with 0 when none is left.
    """
    if not (dry_run or yes):
        check_can_ask(settings, "replay dead letters")
    begun = datetime.now(UTC)
    seen = see(settings, stack, ids, **chosen)
    if dry_run:
        tell_dry_run(settings, seen, "replay")
        return
    _note_suspended(seen)
    if seen.listing.letters and not yes:
        print_aim(seen.listing, "replay")
        confirm_all(seen, "Replay")
    _replay(settings, seen, begun, stack)


def _note_suspended(seen: Seen) -> None:
    """Tell of letters whose replay would leave its queue undone: that is no reason not to send the others."""
    deliveries = [letter.delivery for letter in seen.listing.letters if letter.delivery]
    try:
        if deliveries:
            check_not_suspended(seen.stack, deliveries)
    except InvalidInput as error:
        console.print_note(f"warning: these are not carried out now, whatever is sent: {error}")
    except KeyferryError as error:
        console.print_note(f"warning: whether something is suspended is not known: {error}")


def _replay(settings: Settings, seen: Seen, begun: datetime, stack: str | None) -> None:
    progress = Progress()

    def is_asked(letter: DeadLetter) -> bool:  # what has failed anew since is not sent again and again
        return seen.selection.matches(letter) and letter.sent < begun

    try:
        with console.show_progress("replaying", len(seen.listing.letters)) as step:
            work_off.replay(seen.queues, is_asked, list_targets(seen.stack), _build_send(seen.stack), progress, step)
    finally:
        progress.note_unreached(seen.listing.letters)
        if settings.is_json:
            console.print_json(build_result(seen.stack.name, "replayed", progress))
        else:
            print_result(progress, "replayed", settings.describe_call(stack))
    sys.exit(PROBLEMS if progress.left else 0)


def list_targets(stack: Stack) -> Mapping[str, Queue]:
    """Return ARN → queue: those that the rules and the schedule of a stack send to."""
    return {stack.get_output(f"{_SOURCES[queue]}QueueArn"): queue for queue in ("changes", "sweeps")}


def _build_send(stack: Stack) -> Any:  # noqa: ANN401  # a function
    client = open_client(stack.session, "sqs")

    def send(queue: Queue, replays: Sequence[Replay]) -> Mapping[int, str]:
        return send_replays(client, stack.get_output(f"{_SOURCES[queue]}QueueUrl"), replays)

    return send
