"""`keyferry expiring`: which certificates end, which rotations are overdue or off, and how old values are."""

import os
import sys
from datetime import UTC, datetime, timedelta

import click

from keyferry.cli.duration import Duration
from keyferry.cli.expiry import Expiries, Expiry, list_expiries, summarize
from keyferry.cli.options import PROBLEMS, Settings, examples, output
from keyferry.cli.output import console
from keyferry.cli.output.words import count, join
from keyferry.cli.stack import open_stack

ANSWER = Expiries


@click.command(epilog=examples("keyferry expiring", "keyferry expiring --within 12w --output json"))
@click.option("--within", type=Duration(), default="30d", show_default=True, help="How soon certificates expire.")
@click.option("--stack", metavar="NAME", help="Ask this stack. Default: the one that samconfig.toml names.")
@output
@click.pass_obj
def expiring(settings: Settings, within: timedelta, stack: str | None) -> None:
    """Show what expires, what is not rotated, and how old values are.

    Certificates that expire soon by date, rotations that are overdue or off, and values by their age. No value is
    read. Exits with 1 where a certificate has expired or expires in that time, or a rotation is overdue.
    """
    deployed, now = open_stack(os.environ, stack, settings), datetime.now(UTC)
    with console.show_progress("asking", 1):
        rows = [row for page in deployed.ask("status") for row in page["rows"]]
    expiries = list_expiries(rows, now, within)
    unknown = sum(row["state"] == "unknown" for row in rows)
    if unknown:
        call = settings.describe_call(stack)
        console.print_note(
            f"warning: not known of {count(unknown, 'target')}; `{call.format_asking('status')}` says why"
        )
    if settings.is_json:
        answer: Expiries = {"expiries": [expiry.as_dict() for expiry in expiries]}
        console.print_json(answer)
    elif not expiries:
        console.print_line("nothing")
    else:
        console.print_table(("what", "name", "state", "when", "Secrets"), [_build_line(each) for each in expiries])
        console.print_line("")
        console.print_line(summarize(expiries))
    sys.exit(PROBLEMS if any(each.what == "certificate" or each.state == "overdue" for each in expiries) else 0)


def _build_line(expiry: Expiry) -> tuple[str, ...]:
    when, state = f"{expiry.time:%Y-%m-%d}" if expiry.time else "-", expiry.state
    if state == "off":
        state = "off, last rotated" if expiry.time else "off, never rotated"
    return expiry.what, expiry.name, state, when, join(expiry.targets, limit=1)
