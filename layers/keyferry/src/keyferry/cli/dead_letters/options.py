"""The options that the commands of `keyferry dead-letters` share, and what all of them do first."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from keyferry.cli.dead_letters.answer import build_listing
from keyferry.cli.dead_letters.letter import LETTERS
from keyferry.cli.dead_letters.listing import Listing, Selection, look, open_queues
from keyferry.cli.dead_letters.queue import DeadLetterQueue
from keyferry.cli.dead_letters.show import print_dry_run
from keyferry.cli.names import complete_clusters, complete_mappings, complete_teams
from keyferry.cli.options import Command, Settings
from keyferry.cli.output import console
from keyferry.cli.output.words import count
from keyferry.cli.stack import Stack, open_stack
from keyferry.cli.steer.suspended import confirm


@dataclass(frozen=True)
class Seen:
    """A stack, and the dead letters of it that are asked for."""

    stack: Stack
    queues: list[DeadLetterQueue]
    selection: Selection
    listing: Listing


def choices(command: Command) -> Command:
    """Give a command the options that choose among letters."""
    options: list[Callable[[Command], Command]] = [
        click.option("--queue", type=click.Choice(LETTERS), help="Only those of this queue."),
        click.option("--mapping", metavar="NAME", shell_complete=complete_mappings, help="Only of this mapping."),
        click.option("--cluster", metavar="NAME", shell_complete=complete_clusters, help="Only to this cluster."),
        click.option("--owner", metavar="TEAM", shell_complete=complete_teams, help="Only of this team's mappings."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def stack(command: Command) -> Command:
    """Give a command the option `--stack`."""
    help_text = "Ask this stack. Default: the one that samconfig.toml names."
    return click.option("--stack", metavar="NAME", help=help_text)(command)


def see(settings: Settings, name: str | None, ids: tuple[str, ...] = (), **chosen: Any) -> Seen:  # noqa: ANN401  # the fields of Selection
    """Return the dead letters of a stack that the options choose.

    Raises:
        InvalidInput: there is none with one of the ids; or no such stack.
        KeyferryError: AWS refused a call or gave no answer.
    """
    deployed = open_stack(os.environ, name, settings)
    queues, selection = open_queues(deployed), Selection(frozenset(ids), **chosen)
    with console.show_progress("looking", len(queues)) as step:
        return Seen(deployed, queues, selection, look(queues, selection, step))


def tell_dry_run(settings: Settings, seen: Seen, verb: str) -> None:
    """Write what `replay` or `drop` would do with the letters."""
    if settings.is_json:
        console.print_json(build_listing(seen.stack.name, seen.listing))
    else:
        print_dry_run(seen.listing, verb)


def confirm_all(seen: Seen, verb: str) -> None:
    """Ask whether to do something with the letters, and leave where the answer is no."""
    confirm(f"{verb} {count(len(seen.listing.letters), 'dead letter')} of {seen.stack}?")
