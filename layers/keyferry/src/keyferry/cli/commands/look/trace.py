"""`keyferry trace`: the way of the last change, from its event to the restarts, and why a pod did not restart."""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import click

from keyferry.cli.check import files
from keyferry.cli.duration import Duration
from keyferry.cli.failures import LOG_IS_LONGER, find_failures
from keyferry.cli.names import complete_clusters, complete_namespaces
from keyferry.cli.options import PROBLEMS, Settings, examples, output
from keyferry.cli.output import console
from keyferry.cli.output.trace import print_trace
from keyferry.cli.stack import Stack, open_stack
from keyferry.cli.states import Row
from keyferry.cli.trace.changes import collect
from keyferry.cli.trace.logs import Focus
from keyferry.cli.trace.subject import (
    Event,
    SourceName,
    Subject,
    explain_unknown,
    find_targets,
    get_place,
    parse_subject,
)
from keyferry.cli.trace.trace import Trace, build_trace, fails
from keyferry.errors import InvalidInput, UnknownName
from keyferry.mapping.catalog import Catalog

ANSWER = Trace
"""The form of `--output json`."""
LOGS_ARE_LONGER = "warning: the logs are longer than was read, and a later change may be missing: say --since"
"""What to say where the logs of the changes were not read to their end: they are read from the oldest line on."""


@click.command(
    epilog=examples(
        "keyferry trace prod/payments/db",
        "keyferry trace prod-eu/payments/payments-db",
        "keyferry trace deployment/web -n payments --since 12h",
    )
)
@click.argument("what")
@click.option(
    "-n",
    "--namespace",
    metavar="NAME",
    shell_complete=complete_namespaces,
    help="The namespace of a workload or Secret.",
)
@click.option(
    "--cluster",
    metavar="NAME",
    shell_complete=complete_clusters,
    help="The cluster of a workload or Secret. Default: all.",
)
@click.option("--since", type=Duration(), default="2h", show_default=True, help="How far back to read the logs.")
@click.option("--stack", metavar="NAME", help="Ask this stack. Default: the one that samconfig.toml names.")
@output
@click.pass_obj
def trace(
    settings: Settings, what: str, namespace: str | None, cluster: str | None, since: timedelta, stack: str | None
) -> None:
    """Follow the last change: event, route, delivery, write, restart.

    WHAT is the name or ARN of a secret or parameter, an event id, CLUSTER/NAMESPACE/SECRET, or with -n a workload, as
    deployment/web: of that it is said why it did not restart. No value is read. Exits with 1 where a target is not
    right, its last delivery failed, or nothing is known.
    """
    subject = parse_subject(what, namespace, cluster)
    deployed = open_stack(os.environ, stack, settings)
    until = datetime.now(UTC)
    with console.show_progress("reading the logs", 1):
        known, warnings = _follow(deployed, subject, until - since, until, _create_locate(settings.mappings))
    if settings.is_json:
        console.print_json(known)
    else:
        print_trace(known)
    for warning in warnings:
        console.print_note(warning)
    sys.exit(PROBLEMS if fails(known) else 0)


def _create_locate(folder: Path) -> Callable[[str], str]:
    """Return what tells where a mapping is in a folder. It reads the folder once it is asked, since few answers ask.

    Who looks from elsewhere has no folder, and one that is being edited has errors: then no place is told.
    """

    @cache
    def load() -> Catalog | None:  # an error is kept as well: reading the folder takes time
        try:
            return files.load(folder)
        except InvalidInput:
            return None

    def locate(mapping: str) -> str:
        catalog = load()
        return catalog.locate_mapping(mapping) if catalog else ""

    return locate


def _follow(
    stack: Stack, subject: Subject, since: datetime, until: datetime, locate: Callable[[str], str]
) -> tuple[Trace, list[str]]:
    """Ask for the targets and read the logs; return what they tell, and warnings of what may be missing.

    Raises:
        InvalidInput: nothing is known of what is asked about.
    """
    rows = [] if isinstance(subject, Event) else _ask(stack, subject)
    subject, targets = find_targets(subject, rows)
    focus = Focus(subject, targets)
    with ThreadPoolExecutor() as pool:
        asked = {
            function: pool.submit(stack.read_logs, function, pattern, since)
            for function, pattern in focus.build_patterns().items()
        }
        logs = {function: future.result() for function, future in asked.items()}
    is_whole = all(each.is_whole for each in logs.values())
    lines = {function: each.lines for function, each in logs.items()}
    if isinstance(subject, Event) and collect(focus, lines):
        focus = Focus(subject, _ask(stack, subject))
    seen, has_all_errors = find_failures(focus.rows, until, stack)
    warnings = [*([] if is_whole else [LOGS_ARE_LONGER]), *([] if has_all_errors else [LOG_IS_LONGER])]
    focus, is_whole = replace(focus, rows=seen), not warnings
    trace = build_trace(focus, lines, stack=stack.name, since=since, until=until, is_whole=is_whole, locate=locate)
    if isinstance(subject, SourceName) and not trace["hops"] and not targets:
        raise InvalidInput(explain_unknown(subject, rows))
    return trace, warnings


def _ask(stack: Stack, subject: Subject) -> list[Row]:
    """Return the targets of the stack; those of one namespace where the subject is there."""
    where = get_place(subject)
    if where:
        try:
            rows = [row for page in stack.ask("status", **where) for row in page["rows"]]
        except UnknownName:  # no mapping writes there
            rows = []
        if rows:
            return rows
    # Among all it is known what may be meant: a choice of namespaces by labels refuses no name of one.
    return [row for page in stack.ask("status") for row in page["rows"]]
