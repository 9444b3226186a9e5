"""`keyferry history`: the versions of a secret or parameter, and when each reached which Secret."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import click

from keyferry.aws.sessions import open_client
from keyferry.cli.duration import Duration
from keyferry.cli.history.answer import History
from keyferry.cli.history.build import list_known_versions
from keyferry.cli.history.show import print_history
from keyferry.cli.history.versions import SecretVersion, list_addresses, list_versions
from keyferry.cli.history.writes import build_patterns, index_events, list_writes
from keyferry.cli.options import Settings, examples, output
from keyferry.cli.output import console
from keyferry.cli.stack import Stack, open_stack
from keyferry.cli.states import Row
from keyferry.cli.trace.subject import SourceName, explain_unknown, reads
from keyferry.errors import InvalidInput, KeyferryError
from keyferry.model import format_time

ANSWER = History
LOG_IS_LONGER = "warning: the log is longer than was read, and later writes may be missing: say --since"
"""What to say where the log was not read to its end: it is read from the oldest line on."""


@click.command(
    epilog=examples("keyferry history prod/payments/db", "keyferry history /prod/payments/tls --since 12h"),
)
@click.argument("secret")
@click.option("--since", type=Duration(), default="7d", show_default=True, help="How far back to read the log.")
@click.option("--stack", metavar="NAME", help="Ask this stack. Default: the one that samconfig.toml names.")
@output
@click.pass_obj
def history(settings: Settings, secret: str, since: timedelta, stack: str | None) -> None:
    """Show the versions of a secret, and when each reached which Secret.

    SECRET is the name or ARN of a secret or parameter. For each write it says by which event, sweep or push, and who
    made the call where the event names somebody. What `keyferry push --local` wrote is in no log. No value is read.
    """
    deployed, until = open_stack(os.environ, stack, settings), datetime.now(UTC)
    with console.show_progress("reading the logs", 1):
        known = _look(deployed, SourceName(secret), until - since, until)
    if settings.is_json:
        console.print_json(known)
    else:
        print_history(known)
    if not known["isWhole"]:
        console.print_note(LOG_IS_LONGER)


def _look(stack: Stack, subject: SourceName, since: datetime, until: datetime) -> History:
    """Ask for the targets, read the logs and list the versions.

    Raises:
        InvalidInput: nothing is known of the source.
    """
    rows = [row for page in stack.ask("status") for row in page["rows"]]
    with ThreadPoolExecutor() as pool:
        patterns = build_patterns(subject, rows)
        asked = {name: pool.submit(stack.read_logs, name, pattern, since) for name, pattern in patterns.items()}
        logs = {name: future.result() for name, future in asked.items()}
    own = [row for row in rows if any(reads(source, subject.names) for source in row["sources"])]
    events = index_events(subject, logs["route"].lines)
    writes = list_writes(subject, logs["deliver"].lines, events)
    if not (own or writes or events):
        raise InvalidInput(explain_unknown(subject, rows))
    known = History(
        what=str(subject),
        stack=stack.name,
        since=format_time(since),
        until=format_time(until),
        isWhole=all(log.is_whole for log in logs.values()),
        versions=list_known_versions(subject, own, _list_versions(stack, subject, own), writes),
        writes=writes[::-1],
    )
    days = stack.parameters.get("LogRetentionDays", "")
    return {**known, "keptDays": int(days)} if days.isdecimal() else known


def _list_versions(stack: Stack, subject: SourceName, rows: Sequence[Row]) -> list[SecretVersion]:
    """Return what AWS tells of the versions of a secret; nothing of a parameter, or with a note if AWS refuses."""
    try:
        for address in list_addresses(subject, rows)[:1]:
            return list_versions(open_client(stack.session, "secretsmanager", address.region), address.id)
    except KeyferryError as error:
        console.print_note(f"labels, and versions that no Secret had, are left out: {error}")
    return []
