"""Add to a plan what only values tell: what a delivery with one's own rights would do to each Secret."""

from collections.abc import Iterable
from typing import Literal

from keyferry.cli.output.results import Plan as DeliveryPlan
from keyferry.cli.plan.document import Plan, TargetChange
from keyferry.delivery.preview import Preview
from keyferry.errors import KeyferryError, NeedsRepair
from keyferry.mapping.catalog import Catalog

type _Target = tuple[str, str, str]
"""Mapping, cluster and namespace."""


def add_values(plan: Plan, folder: Catalog, previews: Iterable[DeliveryPlan]) -> Plan:
    """Return the plan with what deliveries would do.

    Args:
        plan: what is known without values.
        folder: the mappings of the folder.
        previews: what a delivery of each mapping of the folder to each of its clusters would do.
    """
    previews = list(previews)
    known = {(each.mapping, each.cluster, each.namespace): each for each in plan.targets if each.change != "lost"}
    lost = [each for each in plan.targets if each.change == "lost"]
    changes, notes, unchanged = list[TargetChange](), list[str](), 0
    for delivery in previews:
        mapping, cluster = delivery.delivery.mapping, delivery.delivery.cluster
        if delivery.error:
            notes.append(f"{mapping} to {cluster}: {delivery.error.title}")
            stuck = [each for target, each in known.items() if target[:2] == (mapping, cluster)]
            changes += [_fail(each, delivery.error) for each in stuck]
        for preview in delivery.previews:
            before = known.get((mapping, cluster, preview.namespace))
            secret = folder.mappings[mapping].spec.secret.name
            change = before or TargetChange(
                mapping=mapping, cluster=cluster, namespace=preview.namespace, secret=secret, change="written"
            )
            changes += [_add_preview(change, preview)] if preview.will != "nothing" else []
            unchanged += preview.will == "nothing"
    ordered = sorted([*changes, *lost], key=lambda each: (each.mapping, each.cluster, each.namespace, each.secret))
    # What was rendered is known now; of a delivery that fails as a whole it still is what the stack says.
    counts = {"unchanged": unchanged, "unknown": plan.unknown if notes else 0, "contested": 0}
    update = {"targets": ordered, "notes": [*plan.notes, *notes], "with_values": True}
    return plan.model_copy(update=update | counts)


def _fail(change: TargetChange, error: KeyferryError) -> TargetChange:
    """Return a target whose delivery fails as a whole. What may be a lack of one's own rights is none of the target."""
    if not isinstance(error, NeedsRepair):
        return change
    return change.model_copy(update={"will": "fail", "content": "", "error": error.title, "expected": None})


def _add_preview(change: TargetChange, preview: Preview) -> TargetChange:
    content: Literal["changes", "stays", ""] = "changes" if preview.will in ("create", "update", "delete") else "stays"
    return change.model_copy(
        update={
            "will": preview.will,
            "why": preview.why or change.why,
            "content": "" if preview.error else content,
            "keys": list(preview.keys),
            "notes": list(preview.notes),
            "error": preview.error.title if preview.error else "",
            "expected": preview.expected if preview.expected and not preview.error else None,
        }
    )
