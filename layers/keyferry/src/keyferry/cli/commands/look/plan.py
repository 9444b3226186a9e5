"""`keyferry plan`: what this folder changes, against what is deployed. No value is read, but with --values."""

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import boto3
import click

from keyferry.cli.call import Call
from keyferry.cli.deliveries import Selection, plan_delivery, run_all, select
from keyferry.cli.deployment import load_state
from keyferry.cli.failures import LOG_IS_LONGER, Logged, find_failures
from keyferry.cli.generated import compare_files, render_files
from keyferry.cli.options import Settings, examples, output_of
from keyferry.cli.output import console
from keyferry.cli.output.markdown import format_markdown
from keyferry.cli.output.plans import print_plan
from keyferry.cli.plan.build import Basis, build_plan
from keyferry.cli.plan.document import Plan
from keyferry.cli.plan.file import write_plan
from keyferry.cli.plan.values import add_values
from keyferry.cli.stack import open_stack
from keyferry.cli.states import Row
from keyferry.errors import InvalidInput, KeyferryError
from keyferry.mapping.catalog import Catalog
from keyferry.runtime.wiring import Runtime

ANSWER = Plan
CHANGES = 2
"""The exit code of changes with --detailed-exitcode, as terraform has it. Without it, 2 is a wrong command line."""


@click.command(
    epilog=examples(
        "keyferry plan",
        "keyferry plan -o plan.json --values",
        "keyferry plan --detailed-exitcode --output markdown > plan.md",
    )
)
@click.option(
    "-o",
    "--out",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep the plan in this file, for `keyferry push --plan`.",
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 0 without changes, 1 for an error, 2 with changes.")
@click.option("--values", is_flag=True, help="Read the sources with your own rights: then it is certain what changes.")
@click.option("--stack", metavar="NAME", help="Against this stack. Default: the one that samconfig.toml names.")
@output_of("table", "json", "markdown")
@click.pass_obj
def plan(settings: Settings, path: Path | None, stack: str | None, *, detailed_exitcode: bool, values: bool) -> None:
    """Show what the mappings change, against what is deployed.

    Targets, keys, rights and restarts that are gained and lost, what is written anyway, and what stays behind. No value
    is read without --values. As a comment for a pull request with --output markdown.
    """
    folder = settings.load_catalog()
    known = open_stack(os.environ, stack, settings)
    with console.show_progress("asking", 1):
        deployment, rows = load_state(known)
        rows = _add_errors(known, rows)
    call = settings.describe_call(stack)
    basis = Basis(
        folder=folder,
        deployment=deployment,
        rows=rows,
        stack=(known.name, known.region),
        generated=_compare_generated(settings, folder),
        now=datetime.now(UTC),
        call=call,
    )
    result = build_plan(basis)
    result = _add_values(result, folder, known.session) if values else result
    if path:
        write_plan(path, result)
    _print(settings, result, call)
    sys.exit(CHANGES if detailed_exitcode and not result.is_empty else 0)


def _add_errors(stack: Logged, rows: list[Row]) -> list[Row]:
    """Return what the stack says of its targets; one that is not right with its last error, and when that was."""
    try:
        seen, is_whole = find_failures(rows, datetime.now(UTC), stack)
    except KeyferryError as error:  # the plan is right without it
        console.print_note(f"warning: which deliveries failed is not known: {error}")
        return rows
    if not is_whole:
        console.print_note(LOG_IS_LONGER)
    errors = [{name: row[name] for name in ("error", "failed") if name in row} for row in seen]
    return [row | error for row, error in zip(rows, errors, strict=True)]


def _compare_generated(settings: Settings, folder: Catalog) -> Mapping[str, str]:
    """Return the generated files beside the folder that are not what it makes them, and how they differ."""
    generated = settings.generated
    try:
        return compare_files(generated, render_files(folder))
    except OSError as error:
        raise InvalidInput(f"{error.filename or generated}: cannot be read: {error.strerror}") from None


def _add_values(result: Plan, folder: Catalog, session: boto3.Session) -> Plan:
    runtime = Runtime(os.environ, folder, session)
    deliveries = select(folder, Selection()) if folder.mappings else []
    return add_values(
        result, folder, run_all(deliveries, lambda delivery: plan_delivery(runtime, delivery), "planning")
    )


def _print(settings: Settings, result: Plan, call: Call) -> None:
    if settings.is_json:
        console.print_json(result.model_dump(mode="json", by_alias=True))
    elif settings.output == "markdown":
        console.print_verbatim(format_markdown(result))
    else:
        print_plan(result, call)
