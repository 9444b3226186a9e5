"""`keyferry dead-letters`: what lies on the dead-letter queues, sent anew or dropped."""

import click

from keyferry.cli.commands.steer.dead_letters.drop import drop_
from keyferry.cli.commands.steer.dead_letters.look import list_, show_
from keyferry.cli.commands.steer.dead_letters.replay import replay_
from keyferry.cli.dead_letters.answer import DeadLetters
from keyferry.cli.options import examples

ANSWER = DeadLetters


@click.group(
    commands=[list_, show_, replay_, drop_],
    epilog=examples("keyferry dead-letters list", "keyferry dead-letters replay --owner payments"),
)
def dead_letters() -> None:
    """Show what could not be delivered, and send it anew or drop it.

    Messages that no function could work off lie on the dead-letter queues of a stack for 14 days: events that could not
    be routed, deliveries that cannot succeed, sweeps that failed, and what EventBridge could not hand over.
    """
