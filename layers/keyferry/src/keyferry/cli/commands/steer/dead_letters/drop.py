"""`keyferry dead-letters drop`: deletes dead letters, once it is said what is lost with them."""

import sys
from typing import Any

import click

from keyferry.cli.dead_letters import work_off
from keyferry.cli.dead_letters.answer import build_result
from keyferry.cli.dead_letters.options import choices, confirm_all, see, tell_dry_run
from keyferry.cli.dead_letters.options import stack as with_stack
from keyferry.cli.dead_letters.show import print_aim, print_result
from keyferry.cli.dead_letters.work_off import Progress
from keyferry.cli.options import PROBLEMS, Settings, check_can_ask, examples, output
from keyferry.cli.output import console


@click.command(
    "drop",
    epilog=examples(
        "keyferry dead-letters drop --dry-run",
        "keyferry dead-letters drop --mapping payments-db",
        "keyferry dead-letters drop 3fa85f64-5717-4562-b3fc-2c963f66afa6 --yes",
    ),
)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@choices
@click.option("--dry-run", is_flag=True, help="Show what would be lost, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_stack
@output
@click.pass_obj
def drop_(
    settings: Settings,
    /,
    stack: str | None,
    ids: tuple[str, ...],
    *,
    dry_run: bool,
    yes: bool,
    **chosen: Any,  # noqa: ANN401  # the fields of Selection
) -> None:
    """Delete dead letters.

    Those with these ids, or all that `list` shows; none that it does not. Says first what is lost with them: the next
    sweep sends what still differs, and carries out no deletion. Shows what it is about to do, and asks. Safe to
    interrupt, and to repeat. Exits with 0 when none of them is left.
    """
    if not (dry_run or yes):
        check_can_ask(settings, "drop dead letters")
    seen = see(settings, stack, ids, **chosen)
    letters, name = seen.listing.letters, seen.stack.name
    if dry_run:
        tell_dry_run(settings, seen, "drop")
        return
    if letters and not yes:
        print_aim(seen.listing, "drop")
        confirm_all(seen, "Drop")
    progress, shown = Progress(), {letter.id for letter in letters}
    try:
        with console.show_progress("dropping", len(letters)) as step:
            work_off.drop(seen.queues, lambda letter: letter.id in shown, progress, step)
    finally:
        progress.note_unreached(letters)
        if settings.is_json:
            console.print_json(build_result(name, "dropped", progress))
        else:
            print_result(progress, "dropped", settings.describe_call(stack))
    sys.exit(PROBLEMS if progress.left else 0)
