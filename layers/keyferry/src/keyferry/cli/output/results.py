"""The output of `keyferry push`: what it would do, and what it did."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from keyferry.cli.output import console
from keyferry.cli.output.pushed import PlannedDelivery, Pushed, dump_left, dump_report
from keyferry.cli.output.words import add_help, count, join
from keyferry.cli.steer.rows import (
    NO_NAMESPACE,
    Failure,
    Row,
    Secrets,
    name_target,
    print_notes,
    print_rows,
    print_totals,
)
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
from keyferry.errors import KeyferryError
from keyferry.mapping.mapping import Team
from keyferry.model import Delivery


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
    print_rows(("will", "keys", "restarts"), rows, output)
    print_notes((name_target(plan.delivery, None, secrets), plan.notes) for plan in plans)
    print_totals(rows, output)


def print_reports(reports: Sequence[Report], secrets: Secrets, output: str, left: Sequence[Delivery] = ()) -> None:
    """Write what was done.

    Args:
        reports: the reports.
        secrets: the names of the Secrets.
        output: as in `print_plans`.
        left: the deliveries that were not begun.
    """
    if output == "json":
        answer: Pushed = {"deliveries": [dump_report(report, secrets[report.delivery.mapping]) for report in reports]}
        console.print_json(answer | ({"left": list(map(dump_left, left))} if left else {}))
        return
    if reports:
        rows = [row for report in reports for row in _rows_of_report(report, secrets)]
        print_rows(("did", "restarted"), rows, output)
        print_notes((name_target(report.delivery, None, secrets), report.notes) for report in reports)
        print_totals(rows, output)
    elif not left:
        console.print_line("nothing to do")
    if left:
        places = [name_target(delivery, delivery.namespace, secrets) for delivery in left]
        console.print_line(f"not begun: {count(len(left), 'delivery')} ({join(places)}); do it again")


def _rows_of_plan(plan: Plan, secrets: Secrets) -> Iterator[Row]:
    secret, owner = secrets[plan.delivery.mapping], str(plan.owner or "")
    for preview in plan.previews:
        why, lists = "; ".join(filter(None, [preview.why, *preview.notes])), (preview.keys, preview.restarts)
        yield Row(plan.delivery, secret, preview.namespace, preview.will, lists, why, owner, Failure.of(preview.error))
    if plan.error or not plan.previews:
        effect = "fail" if plan.error else "nothing"
        yield Row(plan.delivery, secret, None, effect, ((), ()), NO_NAMESPACE, owner, Failure.of(plan.error))


def _rows_of_report(report: Report, secrets: Secrets) -> Iterator[Row]:
    secret, owner = secrets[report.delivery.mapping], str(report.owner or "")
    served = [f"{alias} from {region}" for alias, region in report.served.items()]
    for outcome in report.outcomes:
        why, effect = "; ".join(filter(None, [outcome.why, *outcome.notes, *served])), _describe_effect(outcome)
        yield Row(
            report.delivery,
            secret,
            outcome.namespace,
            effect,
            (outcome.restarted,),
            why,
            owner,
            Failure.of(outcome.error),
        )
    if report.error or not report.outcomes:
        effect = "failed" if report.error else "unchanged"
        yield Row(report.delivery, secret, None, effect, ((),), NO_NAMESPACE, owner, Failure.of(report.error))


def _describe_effect(outcome: Outcome) -> str:
    return f"{outcome.did}, restart due" if outcome.restart_due else outcome.did
