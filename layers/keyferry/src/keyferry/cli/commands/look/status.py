"""`keyferry status`: in which state each target is, by the versions and the metadata alone."""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from keyferry.aws.sessions import open_session
from keyferry.cli import states
from keyferry.cli.call import Call
from keyferry.cli.failures import LOG_IS_LONGER, Past, find_failures, leave_out_past_try
from keyferry.cli.names import complete_clusters, complete_mappings, complete_namespaces, complete_teams
from keyferry.cli.options import PROBLEMS, Settings, examples, output_of
from keyferry.cli.output import console
from keyferry.cli.output.states import print_planned, print_states
from keyferry.cli.output.words import add_help
from keyferry.cli.stack import Stack, open_stack
from keyferry.cli.states import Filter, Row, Status
from keyferry.cli.steer.suspensions import dump_suspension, print_suspended
from keyferry.deadline import Deadline
from keyferry.errors import UnknownName
from keyferry.pipeline.comparison import Scope
from keyferry.pipeline.suspensions import Suspension
from keyferry.runtime.wiring import Runtime

ANSWER = Status
MIN_WATCH_SECONDS = 10
LOCAL_SECONDS = 600
"""How long a look with one's own rights may take."""


@click.command(
    epilog=examples(
        "keyferry status --stale",
        "keyferry status payments-db --cluster prod-eu",
        "keyferry status --source prod/payments/db --offline",
        "keyferry status --output html > status.html",
    )
)
@click.argument("mappings", nargs=-1, metavar="[MAPPING]...", shell_complete=complete_mappings)
@click.option("--cluster", metavar="NAME", shell_complete=complete_clusters, help="Only on this cluster.")
@click.option("--namespace", metavar="NAME", shell_complete=complete_namespaces, help="Only in this namespace.")
@click.option("--owner", metavar="TEAM", shell_complete=complete_teams, help="Only those of this team.")
@click.option("--source", metavar="NAME", help="Only those that are made from this secret or parameter.")
@click.option("--stale", is_flag=True, help="Only those that are not right, or not known.")
@click.option("--watch", is_flag=True, help=f"Look again every {MIN_WATCH_SECONDS} seconds, until Ctrl-C.")
@click.option("--stack", metavar="NAME", help="Ask this stack. Default: the one that samconfig.toml names.")
@click.option("--local", is_flag=True, help="Ask no stack: compare with your own rights.")
@click.option("--offline", is_flag=True, help="Ask nobody: show the targets that the files have.")
@output_of("table", "json", "html")
@click.pass_obj
def status(
    settings: Settings,
    /,
    *,
    stack: str | None,
    local: bool,
    offline: bool,
    watch: bool,
    stale: bool,
    **chosen: str | None,
) -> None:
    """Show in which state each target is.

    A target is right, held, stale, failed, gone or unknown, or has a restart due or a conflict. No value is read.
    Exits with 0 when nothing is wrong; what is unknown is not wrong. `--output html` makes a page for browsers: one
    file, which asks nobody for anything.
    """
    if watch and settings.output == "html":
        raise click.UsageError("--watch shows tables or JSON: a page shows how things were when it was made")
    if offline and (stale or settings.output == "html"):
        asked = "--stale" if stale else "--output html"
        raise click.UsageError(f"{asked} shows states, and --offline knows none: leave one of them out")
    wanted, call = Filter(only_wrong=stale, **chosen), settings.describe_call(stack)  # type: ignore[arg-type]
    if offline:
        planned = sorted(states.list_planned(settings.load_catalog()), key=_get_key)
        wanted.refuse(planned)
        _print(settings, call, "", list(filter(wanted.accepts, planned)), None)
        return
    known, past = None if local else open_stack(os.environ, stack, settings), Past()
    while True:
        told = dict[str, Any]()
        rows = _look(settings, known, wanted, past, told)
        if watch and not settings.is_json:
            console.print_line(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
        suspended = _parse_suspended(told)
        name, shown = known.name if known else "", list(filter(wanted.accepts, rows))
        _print(settings, call, name, shown, len(rows), suspended)
        if not watch:
            sys.exit(0 if all(map(states.is_right, rows)) else PROBLEMS)
        time.sleep(MIN_WATCH_SECONDS)


def _look(settings: Settings, stack: Stack | None, wanted: Filter, past: Past, told: dict[str, Any]) -> list[Row]:
    """Return the targets that have all names that are asked for, whatever their state.

    What else the stack says goes into `told`.
    """

    def ask(scope: Scope) -> list[Row]:
        return list(_ask(stack, scope, told) if stack else _compare(settings, scope))

    with console.show_progress("asking" if stack else "comparing", 1):
        try:
            rows = ask(Scope(cluster=wanted.cluster, namespace=wanted.namespace))
        except UnknownName:  # only all targets tell which name was meant
            rows = []
        if not wanted.is_met(rows):
            wanted.refuse(ask(Scope()) if wanted.cluster or wanted.namespace else rows)
        rows, is_whole = list(filter(wanted.selects, rows)), True
        if stack:
            rows, is_whole = find_failures(rows, datetime.now(UTC), stack, past)
        if not is_whole:
            console.print_note(LOG_IS_LONGER)
        return rows


def _ask(stack: Stack, scope: Scope, told: dict[str, Any]) -> Iterator[Row]:
    for page in stack.ask("status", cluster=scope.cluster, namespace=scope.namespace):
        told |= page
        yield from page["rows"]


def _compare(settings: Settings, scope: Scope) -> Iterator[Row]:
    session, cursor = open_session(settings.choose_region(os.environ)), None
    runtime = Runtime(os.environ, settings.load_catalog(), session)
    while cursor != {}:
        page = runtime.list_status(scope.model_copy(update={"cursor": cursor}), Deadline.after(LOCAL_SECONDS))
        yield from page["rows"]
        cursor = page.get("cursor", {})


def _parse_suspended(told: Mapping[str, Any]) -> Sequence[Suspension]:
    """Return what the stack says is suspended, and note where it does not know."""
    if "suspensionsUnknown" in told:
        console.print_note(f"warning: {told['suspensionsUnknown']}")
    return [Suspension.model_validate(fields) for fields in told.get("suspended", ())]


def _print(
    settings: Settings,
    call: Call,
    stack: str,
    rows: list[Row],
    total: int | None,
    suspended: Sequence[Suspension] = (),
) -> None:
    if settings.is_json:
        targets = [add_help(leave_out_past_try(row, datetime.now(UTC))) for row in rows]
        told = {"suspended": list(map(dump_suspension, suspended))} if suspended else {}
        console.print_json({"targets": targets, **told})
    elif settings.output == "html":
        from keyferry.cli.page.render import render_page  # noqa: PLC0415  # with Jinja2, which takes time to import

        console.print_document(render_page(rows, stack, datetime.now(UTC), list(map(str, suspended))))
    elif total is None:
        print_planned(rows)
    else:
        print_suspended(suspended, call)
        print_states(rows, datetime.now(UTC), total, call, suspended)


def _get_key(row: Row) -> tuple[str, ...]:
    return row["mapping"], row["cluster"], row["namespace"]
