"""The output of `keyferry push`: what it would do, and what it did."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from keyferry.cli.check.problems import Problem
from keyferry.cli.output import console
from keyferry.cli.output.pushed import PlannedDelivery, Pushed, dump_report
from keyferry.cli.output.words import add_help, count_targets, join, name_guides
from keyferry.delivery.preview import Preview
from keyferry.delivery.report import (
    Locate,
    Outcome,
    Report,
    build_error_fields,
    build_notes_field,
    build_owner_field,
    locate_error,
)
from keyferry.errors import ENVIRONMENT, KeyferryError
from keyferry.mapping.mapping import Team
from keyferry.model import Delivery

type Secrets = Mapping[str, str]
"""Name of a mapping → name of its Secret."""

_NO_NAMESPACE = "no namespace of this cluster matches"
_FOLDED = ("nothing", "unchanged")
"""What is done to a Secret that is only counted, where nothing else is to be said of it."""


@dataclass(frozen=True)
class Plan:
    """What a delivery would do, or the error because of which that is not known."""

    delivery: Delivery
    previews: tuple[Preview, ...] = ()
    error: KeyferryError | None = None
    owner: Team | None = None
    """The team that owns the mapping."""
    notes: tuple[str, ...] = ()
    """What is said of the delivery as a whole."""

    @property
    def fails(self) -> bool:
        """Whether the delivery would fail in a namespace, or as a whole."""
        return self.error is not None or any(preview.error for preview in self.previews)

    @property
    def has_changes(self) -> bool:
        """Whether the delivery would change something."""
        return any(preview.will not in ("nothing", "fail") for preview in self.previews)

    def locate(self, locate: Locate) -> "Plan":
        """Return the plan with errors that know file and line of what they are about."""
        previews = tuple(
            replace(preview, error=locate_error(self.delivery, preview.error, locate)) for preview in self.previews
        )
        return replace(self, previews=previews, error=locate_error(self.delivery, self.error, locate))

    def as_dict(self, secret: str) -> PlannedDelivery:
        """Return the plan for `--output json`; `secret` is the name of its Secret."""
        fields: Any = {
            "mapping": self.delivery.mapping,
            "cluster": self.delivery.cluster,
            "secret": secret,
            **build_owner_field(self.owner),
            **build_notes_field(self.notes),
            "namespaces": [add_help(preview.as_dict()) for preview in self.previews],
            **build_error_fields(self.error),
        }
        planned: PlannedDelivery = add_help(fields)
        return planned


def print_plans(plans: Sequence[Plan], secrets: Secrets, output: str) -> None:
    """Write what would be done: the names of keys, never their values.

    Args:
        plans: the plans.
        secrets: the names of the Secrets.
        output: the form of the result: table, json or github.
    """
    if output == "json":
        answer: Pushed = {"planned": [plan.as_dict(secrets[plan.delivery.mapping]) for plan in plans]}
        console.print_json(answer)
        return
    rows = [row for plan in plans for row in _rows_of_plan(plan, secrets)]
    _print_rows(("will", "keys", "restarts"), rows, output)
    _print_notes((_name_target(plan.delivery, None, secrets), plan.notes) for plan in plans)
    _print_totals(rows, output)


def print_reports(reports: Sequence[Report], secrets: Secrets, output: str) -> None:
    """Write what was done.

    Args:
        reports: the reports.
        secrets: the names of the Secrets.
        output: as in `print_plans`.
    """
    if output == "json":
        answer: Pushed = {"deliveries": [dump_report(report, secrets[report.delivery.mapping]) for report in reports]}
        console.print_json(answer)
    elif not reports:
        console.print_line("nothing to do")
    else:
        rows = [row for report in reports for row in _rows_of_report(report, secrets)]
        _print_rows(("did", "restarted"), rows, output)
        _print_notes((_name_target(report.delivery, None, secrets), report.notes) for report in reports)
        _print_totals(rows, output)


@dataclass(frozen=True)
class _Row:
    """A line of the table. It has the type of an error alone: the text is written below the table."""

    delivery: Delivery
    secret: str
    namespace: str | None
    """None where the line is about the whole delivery."""
    effect: str
    """What is done to the Secret."""
    lists: tuple[Sequence[str], ...]
    """Keys and workloads."""
    why: str
    owner: str
    error: KeyferryError | None

    @property
    def line(self) -> tuple[str, ...]:
        """All cells of the line."""
        why = type(self.error).__name__ if self.error else self.why
        mapping = "" if self.delivery.mapping == self.secret else self.delivery.mapping
        place = self.delivery.cluster, self.namespace or "-", self.secret, mapping
        return self.effect, *place, *map(", ".join, self.lists), why, self.owner

    @property
    def is_folded(self) -> bool:
        """Whether nothing is to be said of it but that it is as it should be."""
        return self.effect in _FOLDED and not (self.error or self.why or any(self.lists))

    @property
    def place(self) -> str:
        """The Secret as cluster/namespace/name."""
        return _name_target(self.delivery, self.namespace, {self.delivery.mapping: self.secret})


def _name_target(delivery: Delivery, namespace: str | None, secrets: Secrets) -> str:
    return "/".join(filter(None, (delivery.cluster, namespace, secrets[delivery.mapping])))


def _print_rows(names: Sequence[str], rows: Sequence[_Row], output: str) -> None:
    """Write what is not as it should be, then each cause of a failure once."""
    shown = [row.line for row in rows if not row.is_folded]
    effect, *lists = names
    if shown:
        console.print_table((effect, "cluster", "namespace", "secret", "mapping", *lists, "why", "owner"), shown)
        console.print_line("")
    failures = list(_list_failures(rows, output))
    for failure in failures:
        if output == "github":
            console.print_verbatim(failure)
        else:
            console.print_line(failure)
    if failures:
        console.print_line("")


def _list_failures(rows: Iterable[_Row], output: str) -> Iterator[str]:
    """Yield the failures, equal ones once with the targets; of the environment without them: all fail for it."""
    causes: defaultdict[tuple[str, str], list[_Row]] = defaultdict(list)
    for row in rows:
        if isinstance(row.error, ENVIRONMENT):
            causes["", row.error.cause or str(row.error)].append(row)
        elif row.error:
            causes[row.error.at, row.error.title].append(row)
    for (at, _), alike in causes.items():
        error = alike[0].error
        assert error is not None  # noqa: S101  # rows without one have no cause
        is_general = isinstance(error, ENVIRONMENT)
        yield _format_failure(at, error.title if is_general else f"{_name_rows(alike)}: {error.title}", output)


def _name_rows(rows: Sequence[_Row]) -> str:
    return join([rows[0].place], len(rows), limit=1)


def _format_failure(at: str, text: str, output: str) -> str:
    """Return a failure behind file and line, as problems of files are told; or as an annotation of GitHub."""
    file, _, line = at.rpartition(":")
    if output == "github" and file:
        return Problem(file, int(line), 1, text).as_command()
    return f"{at}: {text}" if at else text


def _print_notes(notes: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Write what is said of each delivery as a whole, below the table."""
    lines = [f"{place}: note: {note}" for place, own in notes for note in own]
    for line in [*lines, ""] if lines else []:
        console.print_line(line)


def _print_totals(rows: Sequence[_Row], output: str) -> None:
    """Write where more is said of what fails, and how many rows have each effect."""
    for guide in name_guides(row.error.title for row in rows if row.error) if output != "github" else ():
        console.print_verbatim(guide)
    console.print_line(count_targets(row.effect.partition(",")[0] for row in rows))


def _rows_of_plan(plan: Plan, secrets: Secrets) -> Iterator[_Row]:
    secret, owner = secrets[plan.delivery.mapping], str(plan.owner or "")
    for preview in plan.previews:
        why, lists = "; ".join(filter(None, [preview.why, *preview.notes])), (preview.keys, preview.restarts)
        yield _Row(plan.delivery, secret, preview.namespace, preview.will, lists, why, owner, preview.error)
    if plan.error or not plan.previews:
        effect = "fail" if plan.error else "nothing"
        yield _Row(plan.delivery, secret, None, effect, ((), ()), _NO_NAMESPACE, owner, plan.error)


def _rows_of_report(report: Report, secrets: Secrets) -> Iterator[_Row]:
    secret, owner = secrets[report.delivery.mapping], str(report.owner or "")
    served = [f"{alias} from {region}" for alias, region in report.served.items()]
    for outcome in report.outcomes:
        why, effect = "; ".join(filter(None, [outcome.why, *outcome.notes, *served])), _describe_effect(outcome)
        yield _Row(report.delivery, secret, outcome.namespace, effect, (outcome.restarted,), why, owner, outcome.error)
    if report.error or not report.outcomes:
        effect = "failed" if report.error else "unchanged"
        yield _Row(report.delivery, secret, None, effect, ((),), _NO_NAMESPACE, owner, report.error)


def _describe_effect(outcome: Outcome) -> str:
    return f"{outcome.did}, restart due" if outcome.restart_due else outcome.did
