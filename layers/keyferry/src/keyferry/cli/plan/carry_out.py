"""Carry out a plan: its deliveries and no others, once it is clear that folder and stack are still those of the plan.

What has moved of a single target is checked by the delivery itself, right before it writes (`delivery.foreseen`).
"""

import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace

from keyferry.cli.call import Call
from keyferry.cli.deployment import Askable
from keyferry.cli.output import console
from keyferry.cli.plan.document import Plan
from keyferry.delivery.desired import compute_revision
from keyferry.delivery.foreseen import Moved
from keyferry.delivery.report import Outcome, Report
from keyferry.errors import AccessDenied
from keyferry.mapping.catalog import Catalog
from keyferry.model import Delivery, Expected


def check_folder(plan: Plan, catalog: Catalog, folder: str) -> None:
    """Check that the mappings in the folder are those of the plan.

    Raises:
        Moved: they are not; the message names those of the plan that differ.
    """
    if catalog.digest == plan.folder:
        return
    names = sorted(
        {target.mapping for target, expected in plan.deliveries if _differs(catalog, target.mapping, expected)}
    )
    which = f"mapping {', '.join(names)}" if names else "another mapping, a cluster, stack.yaml or the policy"
    raise Moved(f"{folder} is not as it was planned: {which} has changed; plan again")


def _differs(catalog: Catalog, mapping: str, expected: Expected) -> bool:
    known = catalog.mappings.get(mapping)
    return known is None or compute_revision(known) != expected.revision


def check_stack(plan: Plan, find_stack: Callable[[], Askable], call: Call) -> None:
    """Check that the stack delivers what the plan delivers: otherwise its next sweep would write something else.

    Who may not ask the stack goes by the Secrets alone, if the folder was deployed already when it was planned.

    Raises:
        Moved: the mappings of the plan are not deployed, or others have been since.
        AccessDenied: the mappings of the plan were not deployed then, and AWS does not let this caller ask.
    """
    try:
        deployment = next(iter(find_stack().ask("mappings")))["deployment"]
    except AccessDenied as error:
        if plan.folder != plan.stack.deployment:
            raise
        console.print_note(f"not checked whether other mappings were deployed since the plan: {error}")
        return
    if deployment == plan.folder:
        return
    if deployment == plan.stack.deployment:
        raise Moved(
            f"stack {plan.stack.name} is not deployed with the mappings of the plan, and would undo what is written:"
            f" deploy them first ({', '.join(f'`{command}`' for command in call.deploy)}), then push the same plan"
        )
    raise Moved(f"other mappings were deployed on stack {plan.stack.name} since the plan; plan again")


def tell_left_out(plan: Plan) -> None:
    """Tell which Secrets the plan deletes: that is left to the stack, which asks its sources again before it does."""
    deleted = [f"{each.cluster}/{each.namespace}/{each.secret}" for each in plan.targets if each.will == "delete"]
    if deleted:
        console.print_note(f"not deleted from here, but by the stack, with its next sweep: {', '.join(deleted)}")


def list_deliveries(plan: Plan) -> list[tuple[Delivery, Mapping[str, Expected]]]:
    """Return a delivery for each mapping and cluster of the plan, with what it holds to in each namespace."""
    targets: defaultdict[tuple[str, str], dict[str, Expected]] = defaultdict(dict)
    for target, expected in plan.deliveries:
        targets[target.mapping, target.cluster][target.namespace] = expected
    event_id = f"push-{uuid.uuid4()}"
    return [
        (Delivery(mapping=mapping, cluster=cluster, event_id=event_id, time=plan.created, takes_back=True), namespaces)
        for (mapping, cluster), namespaces in sorted(targets.items())
    ]


def add_unreached(report: Report, expected: Mapping[str, Expected]) -> Report:
    """Return the report with an error for each namespace of the plan that the mapping no longer goes to."""
    reached = {outcome.namespace for outcome in report.outcomes}
    missing = [] if report.error else sorted(expected.keys() - reached)
    error = Moved(f"mapping {report.delivery.mapping} no longer goes to it: another label, or gone; plan again")
    outcomes = [Outcome(namespace, "failed", error=error) for namespace in missing]
    return replace(report, outcomes=(*report.outcomes, *outcomes))
