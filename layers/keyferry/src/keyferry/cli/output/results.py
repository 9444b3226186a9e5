"""What a push would do, and what it did: for people and for programs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from keyferry.cli.output import console
from keyferry.delivery.preview import Preview
from keyferry.delivery.report import Report, build_owner_field
from keyferry.errors import KeyferryError
from keyferry.mapping.mapping import Team
from keyferry.model import Delivery

_NONE = "no namespace of this cluster matches"


@dataclass(frozen=True)
class Plan:
    """What one delivery would do, or why that cannot be known."""

    delivery: Delivery
    previews: tuple[Preview, ...] = ()
    error: KeyferryError | None = None
    owner: Team | None = None
    """Who answers for the mapping."""

    @property
    def fails(self) -> bool:
        """Whether something would fail."""
        return self.error is not None or any(each.error for each in self.previews)

    @property
    def changes(self) -> bool:
        """Whether something would be done."""
        return any(each.will not in ("nothing", "fail") for each in self.previews)

    def as_dict(self) -> dict[str, Any]:
        """Return it for `--output json`."""
        return {
            "mapping": self.delivery.mapping,
            "cluster": self.delivery.cluster,
            **build_owner_field(self.owner),
            "namespaces": [each.as_dict() for each in self.previews],
        } | ({"error": _said(self.error)} if self.error else {})


def tell_plans(plans: Sequence[Plan], *, is_json: bool) -> None:
    """Show what would be done; keys by name, never values."""
    if is_json:
        console.tell_json([plan.as_dict() for plan in plans])
        return
    rows = [row for plan in plans for row in _planned(plan)]
    _tell(("mapping", "cluster", "namespace", "will", "keys", "restarts", "owner", "why"), rows)


def tell_reports(reports: Sequence[Report], *, is_json: bool) -> None:
    """Show what was done."""
    if is_json:
        console.tell_json([_as_dict(report) for report in reports])
    elif not reports:
        console.tell("nothing to do")
    else:
        rows = [row for report in reports for row in _done(report)]
        _tell(("mapping", "cluster", "namespace", "did", "restarted", "owner", "why"), rows)


@dataclass(frozen=True)
class _Row:
    """A line of a table; of what fails it names the kind alone, and the text follows below."""

    delivery: Delivery
    namespace: str | None
    """None where the whole delivery is meant."""
    cells: tuple[str, ...]
    why: str
    error: KeyferryError | None

    @property
    def line(self) -> tuple[str, ...]:
        """The whole line."""
        why = type(self.error).__name__ if self.error else self.why
        return self.delivery.mapping, self.delivery.cluster, self.namespace or "-", *self.cells, why

    @property
    def failure(self) -> str:
        """The whole text of what fails, and where; empty where nothing does."""
        place = f", namespace {self.namespace}" if self.namespace else ""
        return f"{self.delivery.mapping} to {self.delivery.cluster}{place}: {_said(self.error)}" if self.error else ""


def _tell(header: Sequence[str], rows: Sequence[_Row]) -> None:
    console.table(header, [row.line for row in rows])
    failures = [row.failure for row in rows if row.error]
    for line in ["", *failures] if failures else []:
        console.tell(line)


def _planned(plan: Plan) -> Iterator[_Row]:
    owner = str(plan.owner or "")
    for each in plan.previews:
        cells = each.will, ", ".join(each.keys), ", ".join(each.restarts), owner
        yield _Row(plan.delivery, each.namespace, cells, "; ".join(filter(None, [each.why, *each.notes])), each.error)
    if plan.error or not plan.previews:
        yield _Row(plan.delivery, None, ("fail" if plan.error else "nothing", "", "", owner), _NONE, plan.error)


def _done(report: Report) -> Iterator[_Row]:
    owner = str(report.owner or "")
    served = [f"{alias} from {region}" for alias, region in report.served.items()]
    for each in report.outcomes:
        cells = each.did, ", ".join(each.restarted), owner
        why = "; ".join(filter(None, [each.why, *each.notes, *served]))
        yield _Row(report.delivery, each.namespace, cells, why, each.error)
    if report.error or not report.outcomes:
        yield _Row(report.delivery, None, ("failed" if report.error else "unchanged", "", owner), _NONE, report.error)


def _as_dict(report: Report) -> dict[str, Any]:
    return {
        "mapping": report.delivery.mapping,
        "cluster": report.delivery.cluster,
        **build_owner_field(report.owner),
        "versions": dict(report.versions),
        **report.build_served_field(),
        "namespaces": [each.as_dict() for each in report.outcomes],
        "seconds": round(report.seconds, 3),
    } | ({"error": _said(report.error)} if report.error else {})


def _said(error: KeyferryError) -> str:
    return f"{type(error).__name__}: {error}"
