"""`keyferry doctor`: what is wrong with a stack and its clusters, looked at from both ends, with the remedies."""

import os
import sys
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import TypedDict

import click

from keyferry import __version__
from keyferry.cli.doctor.canary import CHECK as CANARY
from keyferry.cli.doctor.examination import Examination
from keyferry.cli.doctor.finding import Finding, FindingRow
from keyferry.cli.names import complete_clusters
from keyferry.cli.options import PROBLEMS, Settings, examples, output
from keyferry.cli.options import contexts as with_contexts
from keyferry.cli.output import console
from keyferry.cli.output.findings import print_findings, print_totals
from keyferry.cli.stack import find_stack


class DoctorAnswer(TypedDict):
    """What `--output json` writes."""

    release: str
    """The release of this program."""
    errors: int
    """How many findings are errors: something does not work."""
    warnings: int
    """How many are warnings: it works, or could not be looked at."""
    findings: list[FindingRow]
    """All that was looked at, in the order of the way of a change."""


ANSWER = DoctorAnswer


@click.command(
    epilog=examples(
        "keyferry doctor",
        "keyferry doctor --canary",
        "keyferry doctor --cluster prod-eu --context prod-eu=admin",
        "keyferry doctor --output json",
    )
)
@click.option(
    "--cluster", metavar="NAME", shell_complete=complete_clusters, help="Of the clusters, look at this one alone."
)
@with_contexts
@click.option("--stack", metavar="NAME", help="Look at this stack. Default: the one that samconfig.toml names.")
@click.option("--canary", "has_canary", is_flag=True, help="Also change the secret of the mapping keyferry-canary.")
@click.option("--all", "has_all", is_flag=True, help="Show each thing that is ok, and all that a line counts.")
@output
@click.pass_obj
def doctor(
    settings: Settings,
    cluster: str | None,
    contexts: tuple[str, ...],
    stack: str | None,
    *,
    has_canary: bool,
    has_all: bool,
) -> None:
    """Show what is wrong with a stack and its clusters, and what mends it.

    It looks at the caller, the stack, rules, queues, functions, roles, access entries, keys, at what the functions
    reach, and with your kubeconfig at rights in the clusters. Nothing is changed, and no value is read. With --canary
    the secret of the mapping keyferry-canary gets a random value, which is followed into each cluster, with the seconds
    of each hop. Exits with 1 where something does not work; what could not be looked at is a warning.
    """
    examination = Examination(
        os.environ,
        settings.load_catalog,
        partial(find_stack, name=stack, settings=settings),
        partial(settings.choose_region, os.environ, stack),
        cluster,
        contexts,
        settings.describe_call(stack),
        has_canary,
    )
    findings: list[Finding] = []
    for group in _group(examination):
        findings += group
        if not settings.is_json:
            print_findings(group, has_all=has_all or group[0].check == CANARY)
    if settings.is_json:
        console.print_json(_build_answer(findings))
    else:
        print_totals(findings, has_all=has_all)
    sys.exit(PROBLEMS if any(finding.state == "error" for finding in findings) else 0)


def _group(examination: Examination) -> Iterator[list[Finding]]:
    """Yield the findings of one check after another. Progress is shown while one is waited for, and never beside text.

    What is written to stdout beside a bar would land on stderr, where the bar is.
    """
    groups = (list(some) for _, some in groupby(examination.run(), key=attrgetter("check")))
    while True:
        with console.show_progress("examining", 1):
            group = next(groups, None)
        if group is None:
            return
        yield group


def _build_answer(findings: list[Finding]) -> DoctorAnswer:
    states = [finding.state for finding in findings]
    return {
        "release": __version__,
        "errors": states.count("error"),
        "warnings": states.count("warning"),
        "findings": [finding.as_dict() for finding in findings],
    }
