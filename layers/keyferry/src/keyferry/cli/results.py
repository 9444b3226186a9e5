"""What a push would do, and what it did: for people and for programs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from keyferry.cli import screen
from keyferry.errors import KeyferryError
from keyferry.model import Delivery
from keyferry.pipeline.preview import Preview
from keyferry.report import Report


@dataclass(frozen=True)
class Plan:
    """What one delivery would do, or why that cannot be known."""

    delivery: Delivery
    previews: tuple[Preview, ...] = ()
    error: KeyferryError | None = None

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
            "namespaces": [each.as_dict() for each in self.previews],
        } | ({"error": _said(self.error)} if self.error else {})


def tell_plans(plans: Sequence[Plan], *, is_json: bool) -> None:
    """Show what would be done; keys by name, never values."""
    if is_json:
        screen.tell_json([plan.as_dict() for plan in plans])
        return
    rows = [row for plan in plans for row in _planned(plan)]
    screen.table(("mapping", "cluster", "namespace", "will", "keys", "restarts", "why"), rows)


def tell_reports(reports: Sequence[Report], *, is_json: bool) -> None:
    """Show what was done."""
    if is_json:
        screen.tell_json([_as_dict(report) for report in reports])
    elif not reports:
        screen.tell("nothing to do")
    else:
        rows = [row for report in reports for row in _done(report)]
        screen.table(("mapping", "cluster", "namespace", "did", "restarted", "why"), rows)


def _planned(plan: Plan) -> Iterator[tuple[str, ...]]:
    names = plan.delivery.mapping, plan.delivery.cluster
    for each in plan.previews:
        why = _said(each.error) if each.error else "; ".join(filter(None, [each.why, *each.notes]))
        yield *names, each.namespace, each.will, ", ".join(each.keys), ", ".join(each.restarts), why
    if plan.error or not plan.previews:
        yield *names, "-", "fail" if plan.error else "nothing", "", "", _none(plan.error)


def _done(report: Report) -> Iterator[tuple[str, ...]]:
    names = report.delivery.mapping, report.delivery.cluster
    for each in report.outcomes:
        why = _said(each.error) if each.error else "; ".join(filter(None, [each.why, *each.notes]))
        yield *names, each.namespace, each.did, ", ".join(each.restarted), why
    if report.error or not report.outcomes:
        yield *names, "-", "failed" if report.error else "unchanged", "", _none(report.error)


def _as_dict(report: Report) -> dict[str, Any]:
    return {
        "mapping": report.delivery.mapping,
        "cluster": report.delivery.cluster,
        "versions": dict(report.versions),
        "namespaces": [each.as_dict() for each in report.outcomes],
        "seconds": round(report.seconds, 3),
    } | ({"error": _said(report.error)} if report.error else {})


def _none(error: KeyferryError | None) -> str:
    return _said(error) if error else "no namespace of this cluster matches"


def _said(error: KeyferryError) -> str:
    return f"{type(error).__name__}: {error}"
