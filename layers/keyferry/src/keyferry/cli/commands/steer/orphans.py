"""`keyferry orphans`: what is left over of mappings that are gone, and its deletion."""

import os
import sys

import click

from keyferry.cli.names import complete_clusters
from keyferry.cli.options import INTERRUPTED, PROBLEMS, Settings, check_can_ask, examples, output
from keyferry.cli.options import contexts as with_contexts
from keyferry.cli.orphans.answer import Answer
from keyferry.cli.orphans.removal import format_question, keep_confirmed, list_removable, remove
from keyferry.cli.orphans.survey import Request, Survey, check_deployments, survey
from keyferry.cli.output import console
from keyferry.cli.output.orphans import print_findings, print_notes
from keyferry.errors import InvalidInput

ANSWER = Answer


@click.command(
    epilog=examples(
        "keyferry orphans",
        "keyferry orphans --cluster prod-eu --context prod-eu=admin@prod-eu",
        "keyferry orphans --delete --dry-run",
    )
)
@click.option("--cluster", metavar="NAME", shell_complete=complete_clusters, help="Only in this cluster.")
@with_contexts
@click.option(
    "--stack",
    "stacks",
    metavar="NAME",
    multiple=True,
    help="Compare with what this stack has deployed, too; several are possible. Default: as samconfig.toml says.",
)
@click.option("--delete", is_flag=True, help="Delete what nothing speaks against.")
@click.option("--dry-run", is_flag=True, help="Show what --delete would do, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output
@click.pass_obj
def orphans(
    settings: Settings,
    cluster: str | None,
    contexts: tuple[str, ...],
    stacks: tuple[str, ...],
    *,
    delete: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Show what is left over of mappings that are gone.

    That is Secrets, Roles, bindings, admission policies and access entries that no mapping names any more, and the
    stamps of restarts on workloads, which harm nothing. They are looked at with your own rights, by your kubeconfig;
    no value is read. Exits with 0 when nothing but stamps is left over, and everything was looked at.
    """
    if yes and not delete:
        raise click.UsageError("--yes answers the question of --delete: say --delete --yes, or leave it out")
    asks = delete and not (yes or dry_run)
    if asks:
        check_can_ask(settings, "delete")
    request = Request(
        folder=settings.load_catalog(),
        settings=settings,
        environment=os.environ,
        stacks=stacks,
        cluster=cluster,
        contexts=contexts,
    )
    seen = _look(request)
    if (delete or dry_run) and seen.doubt:
        raise InvalidInput(f"{seen.doubt}; so nothing is deleted")
    removable = list_removable(seen.findings.orphans)
    if asks and removable:
        seen = _confirm(request, seen)
    if (delete or dry_run) and removable:
        _remove(settings, seen, dry_run=dry_run)
    _print(settings, seen, with_commands=not (delete or dry_run))
    is_clean = all(orphan.is_gone or orphan.is_stamp for orphan in seen.findings.orphans)
    sys.exit(0 if is_clean and not seen.gap else PROBLEMS)


def _look(request: Request) -> Survey:
    with console.show_progress("looking", len(request.folder.clusters)) as step:
        return survey(request, step)


def _confirm(request: Request, seen: Survey) -> Survey:
    """Ask, and return what is left over afterwards: nobody knows how long the answer takes."""
    print_findings(seen, with_commands=False)
    removable = list_removable(seen.findings.orphans)
    for name in dict.fromkeys(orphan.cluster for orphan in removable if orphan.context):
        console.print_note(f"{name} is reached by {seen.clients[name].context}")
    if not console.ask(format_question(removable)):
        console.print_note("nothing was deleted")
        sys.exit(INTERRUPTED)
    again = _look(request)
    if again.doubt:
        raise InvalidInput(f"{again.doubt}; so nothing is deleted")
    again.findings.orphans = list(keep_confirmed(again.findings.orphans, seen.findings.orphans))
    return again


def _remove(settings: Settings, seen: Survey, *, dry_run: bool) -> None:
    """Delete, and tell also where that is interrupted what is deleted: nobody can see it afterwards."""
    check_deployments(seen)
    total = len(list_removable(seen.findings.orphans))
    try:
        with console.show_progress("deleting", total) as step:
            remove(seen, dry_run=dry_run, step=step)
    except BaseException:
        _print(settings, seen, with_commands=False)
        raise


def _print(settings: Settings, seen: Survey, *, with_commands: bool) -> None:
    if settings.is_json:
        console.print_json(seen.build_answer())
        return
    print_notes([*([seen.doubt] if seen.doubt else []), *seen.findings.notes])
    print_findings(seen, with_commands=with_commands)
