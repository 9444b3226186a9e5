"""`keyferry trace`: the way of the last change, from its event to the restarts, and why a pod did not restart."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import click

from keyferry.cli.check import files
from keyferry.cli.duration import Duration
from keyferry.cli.names import complete_clusters, complete_namespaces
from keyferry.cli.options import PROBLEMS, Settings, examples, output
from keyferry.cli.output import console
from keyferry.cli.output.trace import print_trace
from keyferry.cli.stack import open_stack
from keyferry.cli.trace.follow import follow
from keyferry.cli.trace.subject import parse_subject
from keyferry.cli.trace.trace import Trace, fails
from keyferry.errors import InvalidInput
from keyferry.mapping.catalog import Catalog

ANSWER = Trace
"""The form of `--output json`."""


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
        known, warnings = follow(deployed, subject, until - since, until, _create_locate(settings.mappings))
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
