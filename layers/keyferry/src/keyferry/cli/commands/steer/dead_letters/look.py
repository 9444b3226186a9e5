"""`keyferry dead-letters list` and `show`: what lies there, and why. It changes nothing."""

import sys
from datetime import UTC, datetime
from typing import Any

import click

from keyferry.cli.dead_letters.answer import build_listing
from keyferry.cli.dead_letters.options import choices, see
from keyferry.cli.dead_letters.options import stack as with_stack
from keyferry.cli.dead_letters.show import print_letter, print_listing
from keyferry.cli.options import PROBLEMS, Settings, examples, output
from keyferry.cli.output import console


@click.command(
    "list", epilog=examples("keyferry dead-letters list", "keyferry dead-letters list --owner payments --output json")
)
@choices
@with_stack
@output
@click.pass_obj
def list_(settings: Settings, /, stack: str | None, **chosen: Any) -> None:  # noqa: ANN401  # the fields of Selection
    """Show the dead letters, by cause and owner.

    Each cause with what mends it. Of a message group of the deliveries, which is a mapping on a cluster, SQS shows ten
    at a time. Letters are hidden from others while they are looked at, and visible again at once. Exits with 0 when
    there are none.
    """
    seen = see(settings, stack, **chosen)
    if settings.is_json:
        console.print_json(build_listing(seen.stack.name, seen.listing))
    else:
        print_listing(seen.listing, datetime.now(UTC), settings.describe_call(stack))
    sys.exit(PROBLEMS if seen.listing.letters or seen.listing.unlisted else 0)


@click.command(
    "show",
    epilog=examples(
        "keyferry dead-letters show 3fa85f64-5717-4562-b3fc-2c963f66afa6",
        "keyferry dead-letters show 3fa85f64-5717-4562-b3fc-2c963f66afa6 --output json",
    ),
)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@with_stack
@output
@click.pass_obj
def show_(settings: Settings, stack: str | None, ids: tuple[str, ...]) -> None:
    """Show all that is known of dead letters.

    By their ids, as `list` has them. A message has names and versions, and never a value.
    """
    seen = see(settings, stack, ids)
    if settings.is_json:
        console.print_json(build_listing(seen.stack.name, seen.listing, is_whole=True))
        return
    for letter in seen.listing.letters:
        print_letter(letter, datetime.now(UTC))
