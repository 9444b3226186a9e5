"""The output of `keyferry push`: what it would do, and what it did."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from keyferry.cli.check.problems import Problem
from keyferry.cli.output import console
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

_NO_NAMESPACE = "no namespace of this cluster matches"


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

    def as_dict(self) -> dict[str, Any]:
        """Return the plan for `--output json`."""
        return {
            "mapping": self.delivery.mapping,
            "cluster": self.delivery.cluster,
            **build_owner_field(self.owner),
            **build_notes_field(self.notes),
            "namespaces": [preview.as_dict() for preview in self.previews],
        } | build_error_fields(self.error)


def print_plans(plans: Sequence[Plan], output: str) -> None:
    """Write what would be done: the names of keys, never their values.

    Args:
        plans: the plans.
        output: the form of the result: text, json or github.
    """
    if output == "json":
        console.print_json([plan.as_dict() for plan in plans])
        return
    rows = [row for plan in plans for row in _rows_of_plan(plan)]
    _print_rows(("mapping", "cluster", "namespace", "will", "keys", "restarts", "owner", "why"), rows, output)
    _print_notes((plan.delivery, plan.notes) for plan in plans)


def print_reports(reports: Sequence[Report], output: str) -> None:
    """Write what was done.

    Args:
        reports: the reports.
        output: as in `print_plans`.
    """
    if output == "json":
        console.print_json([_as_dict(report) for report in reports])
    elif not reports:
        console.print_line("nothing to do")
    else:
        rows = [row for report in reports for row in _rows_of_report(report)]
        _print_rows(("mapping", "cluster", "namespace", "did", "restarted", "owner", "why"), rows, output)
        _print_notes((report.delivery, report.notes) for report in reports)


@dataclass(frozen=True)
class _Row:
    """A line of the table. It has the type of an error alone: the text is written below the table."""

    delivery: Delivery
    namespace: str | None
    """None where the line is about the whole delivery."""
    cells: tuple[str, ...]
    why: str
    error: KeyferryError | None

    @property
    def line(self) -> tuple[str, ...]:
        """All cells of the line."""
        why = type(self.error).__name__ if self.error else self.why
        return self.delivery.mapping, self.delivery.cluster, self.namespace or "-", *self.cells, why

    @property
    def failure(self) -> str:
        """The text of the error, and where it happened if that matters; empty without an error."""
        if self.error is None:
            return ""
        if isinstance(self.error, ENVIRONMENT):
            return self.error.title
        namespace = f", namespace {self.namespace}" if self.namespace else ""
        return f"{self.delivery.mapping} to {self.delivery.cluster}{namespace}: {self.error.title}"

    def format_failure(self, output: str) -> str:
        """Return the failure behind file and line, as problems of files are told; or as an annotation of GitHub."""
        at = self.error.at if self.error else ""
        file, _, line = at.rpartition(":")
        if output == "github" and file:
            return Problem(file, int(line), 1, self.failure).as_command()
        return f"{at}: {self.failure}" if at else self.failure


def _print_rows(header: Sequence[str], rows: Sequence[_Row], output: str) -> None:
    console.print_table(header, [row.line for row in rows])
    failures = list(_list_failures(rows, output))
    for line in ["", *failures] if failures else []:
        console.print_line(line)


def _list_failures(rows: Iterable[_Row], output: str) -> Iterator[str]:
    """Yield the failures; what is wrong with the environment once, though every delivery fails for it."""
    causes = set()
    for row in rows:
        cause = row.error.cause or str(row.error) if isinstance(row.error, ENVIRONMENT) else ""
        if row.error and cause not in causes:
            yield row.format_failure(output)
        causes |= {cause} if cause else set()


def _print_notes(notes: Iterable[tuple[Delivery, Sequence[str]]]) -> None:
    """Write what is said of each delivery as a whole, below the table."""
    lines = [f"{delivery.mapping} to {delivery.cluster}: note: {note}" for delivery, own in notes for note in own]
    for line in ["", *lines] if lines else []:
        console.print_line(line)


def _rows_of_plan(plan: Plan) -> Iterator[_Row]:
    owner = str(plan.owner or "")
    for preview in plan.previews:
        cells = preview.will, ", ".join(preview.keys), ", ".join(preview.restarts), owner
        why = "; ".join(filter(None, [preview.why, *preview.notes]))
        yield _Row(plan.delivery, preview.namespace, cells, why, preview.error)
    if plan.error or not plan.previews:
        yield _Row(plan.delivery, None, ("fail" if plan.error else "nothing", "", "", owner), _NO_NAMESPACE, plan.error)


def _rows_of_report(report: Report) -> Iterator[_Row]:
    owner = str(report.owner or "")
    served = [f"{alias} from {region}" for alias, region in report.served.items()]
    for outcome in report.outcomes:
        cells = _describe_effect(outcome), ", ".join(outcome.restarted), owner
        why = "; ".join(filter(None, [outcome.why, *outcome.notes, *served]))
        yield _Row(report.delivery, outcome.namespace, cells, why, outcome.error)
    if report.error or not report.outcomes:
        yield _Row(
            report.delivery, None, ("failed" if report.error else "unchanged", "", owner), _NO_NAMESPACE, report.error
        )


def _describe_effect(outcome: Outcome) -> str:
    return f"{outcome.did}, restart due" if outcome.restart_due else outcome.did


def _as_dict(report: Report) -> dict[str, Any]:
    return {
        "mapping": report.delivery.mapping,
        "cluster": report.delivery.cluster,
        **build_owner_field(report.owner),
        "versions": dict(report.versions),
        **report.build_served_field(),
        **build_notes_field(report.notes),
        "namespaces": [outcome.as_dict() for outcome in report.outcomes],
        "seconds": round(report.seconds, 3),
    } | build_error_fields(report.error)
