"""`keyferry suspend`: stops deliveries of a mapping, to a cluster, or all of them, until they are resumed."""

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NotRequired, TypedDict

import click

from keyferry.cli.duration import Duration
from keyferry.cli.names import complete_clusters, complete_mappings
from keyferry.cli.options import Settings, check_can_ask, examples, output
from keyferry.cli.output import console
from keyferry.cli.stack import open_stack
from keyferry.cli.steer.suspended import confirm, describe_stopped
from keyferry.cli.steer.suspensions import SuspensionFields, dump_suspension, format_resume
from keyferry.pipeline.suspensions import MAX_REASON, Suspension

MAX_TIME = timedelta(days=30)
"""How long something may be suspended at most: who needs longer says so again, or changes the mapping."""


class Answer(TypedDict):
    """What `keyferry suspend --output json` answers."""

    stack: str
    """The stack."""
    suspended: SuspensionFields
    """What is suspended; with `--dry-run`, what would be."""
    stops: str
    """How much that is, in words; empty where neither the stack nor the folder of the mappings could say."""
    replaced: NotRequired[SuspensionFields]
    """The suspension of the same mapping and cluster that it takes the place of."""
    done: bool
    """Whether it is suspended now; false with `--dry-run`."""


ANSWER = Answer


class Until(click.ParamType[datetime | timedelta]):
    """A time on the command line: 2026-11-30T18:00Z, or a time span from now, as 4h."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime | timedelta:
        """Return the time, or the time span; fail with what would be right."""
        if isinstance(value, datetime | timedelta):
            return value
        try:
            time = datetime.fromisoformat(str(value))
        except ValueError:
            with suppress(click.BadParameter):
                return Duration().convert(value, param, ctx)
            self.fail(
                f"{value!r} is no time; write one as 2026-11-30T18:00Z, or a span from now as 30m, 4h, 2d", param, ctx
            )
        if time.tzinfo is None:
            self.fail(f"{value!r} has no time zone; write it as {value}Z, or with +01:00", param, ctx)
        return time


@click.command(
    epilog=examples(
        'keyferry suspend --mapping payments-db --reason "the db moves" --until 4h',
        'keyferry suspend --cluster prod-eu --reason "upgrade" --until 8h',
        'keyferry suspend --reason "we look into it" --yes',
    )
)
@click.option("--mapping", metavar="NAME", shell_complete=complete_mappings, help="Only this mapping.")
@click.option("--cluster", metavar="NAME", shell_complete=complete_clusters, help="Only to this cluster.")
@click.option("--reason", metavar="TEXT", required=True, help="Why; `status` shows it.")
@click.option(
    "--until",
    type=Until(),
    metavar="TIME",
    default="1d",
    show_default=True,
    help="When it ends by itself: a time with its zone, or a span from now as 30m, 4h, 2d.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be stopped, and stop nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--stack", metavar="NAME", help="The stack. Default: the one that samconfig.toml names.")
@output
@click.pass_obj
def suspend(
    settings: Settings,
    mapping: str | None,
    cluster: str | None,
    reason: str,
    until: datetime | timedelta,
    *,
    dry_run: bool,
    yes: bool,
    stack: str | None,
) -> None:
    """Stop deliveries, until they are resumed.

    Those of a mapping, to a cluster, or all of them. Within ten seconds nothing is written any more, nor restarted or
    deleted. What changes meanwhile is lost for nobody: `keyferry resume`, or the first sweep after the time that
    --until says, delivers what differs then. Sweeps go on comparing. Again for the same mapping and cluster, it takes
    the place of the first one.
    """
    now = datetime.now(UTC)
    wanted = _build(mapping, cluster, reason, until, now)
    if not (dry_run or yes):
        check_can_ask(settings, "suspend")
    deployed = open_stack(os.environ, stack, settings)
    store = deployed.connect_suspensions()
    with console.show_progress("asking", 1):
        stops, known = describe_stopped(settings, deployed, mapping, cluster), store.read()
    wanted = wanted.model_copy(update={"by": deployed.name_caller()})
    before = next((one for one in known.list_active(now) if one.name == wanted.name), None)
    answer = Answer(stack=deployed.name, suspended=dump_suspension(wanted), stops=stops, done=not dry_run)
    if before:
        answer["replaced"] = dump_suspension(before)
    if not settings.is_json:
        _describe(wanted, before, stops)
    if not dry_run:
        if not yes:
            confirm(f"Suspend {wanted.scope} in {deployed}?")
        store.put(wanted)
    _tell(settings, answer, format_resume(settings.describe_call(stack), wanted))


def _build(
    mapping: str | None, cluster: str | None, reason: str, until: datetime | timedelta, now: datetime
) -> Suspension:
    """Return the suspension that is asked for.

    Raises:
        click.BadParameter: reason or time cannot be taken.
    """
    end = until if isinstance(until, datetime) else now + until
    if not reason.strip() or len(reason) > MAX_REASON:
        raise click.BadParameter(f"say why, in at most {MAX_REASON} characters", param_hint="--reason")
    if not now < end <= now + MAX_TIME:
        wrong = "is over" if end <= now else f"is more than {MAX_TIME.days} days away"
        raise click.BadParameter(f"{end:%Y-%m-%d %H:%M} {end:%Z} {wrong}", param_hint="--until")
    times = {"since": now.replace(microsecond=0), "until": end.astimezone(UTC).replace(microsecond=0)}
    return Suspension(mapping=mapping, cluster=cluster, reason=reason.strip(), **times)


def _tell(settings: Settings, answer: Answer, resume: str) -> None:
    if settings.is_json:
        console.print_json(answer)
    elif answer["done"]:
        console.print_line("suspended: within ten seconds nothing is written any more; what ends it sooner:")
        console.print_verbatim(f"  {resume}")


def _describe(wanted: Suspension, before: Suspension | None, stops: str) -> None:
    known = stops or "not known: neither the stack nor the folder of the mappings says it, and names are not checked"
    console.print_line(f"stops: {known}")
    console.print_line(f"until: {wanted.until:%Y-%m-%d %H:%M} UTC")
    if before:
        console.print_line(f"takes the place of: {before}")
