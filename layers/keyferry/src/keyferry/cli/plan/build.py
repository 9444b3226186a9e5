"""Build the plan: what a folder of mappings changes, against what a stack is deployed with and says of its targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from keyferry import __version__
from keyferry.cli.call import CALL, Call
from keyferry.cli.deployment import Deployment
from keyferry.cli.plan.access import Access
from keyferry.cli.plan.changes import list_cluster_changes, list_differences, list_mapping_changes
from keyferry.cli.plan.document import Plan, PlannedStack
from keyferry.cli.plan.leftovers import list_leftovers
from keyferry.cli.plan.replacements import list_cluster_notes, list_new_names, rename_clusters
from keyferry.cli.plan.rights import list_policy_changes, list_right_changes
from keyferry.cli.plan.rows import Row
from keyferry.cli.plan.targets import compare_targets
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.stack import StackNames


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What a plan is made from."""

    folder: Catalog
    """The mappings of the folder."""
    deployment: Deployment
    """What the stack is deployed with."""
    rows: Sequence[Row]
    """What it says of its targets; one whose last delivery failed with the `error` of that, and when it `failed`."""
    stack: tuple[str, str]
    """Its name and its region."""
    generated: Mapping[str, str]
    """The generated files that are not what the folder makes them, and how they differ."""
    now: datetime
    """The time."""
    call: Call = CALL
    """How this program was called, for the commands of the plan."""


def build_plan(basis: Basis) -> Plan:
    """Return what a folder changes.

    Raises:
        InvalidInput: something that is generated would be more than AWS or a cluster takes.
    """
    folder, deployment, (name, region) = basis.folder, basis.deployment, basis.stack
    deployed = deployment.catalog
    renamed = rename_clusters(deployed, list_new_names(folder, deployed))
    comparison = compare_targets(folder, renamed, basis.rows)
    access = Access.generate(folder), replace(Access.generate(renamed), catalog=deployed)
    return Plan(
        created=basis.now,
        release=__version__,
        folder=folder.digest,
        stack=PlannedStack(name=name, region=region, release=deployment.release, deployment=deployment.digest),
        mappings=list(list_mapping_changes(folder, deployed)),
        clusters=list(list_cluster_changes(folder, deployed)),
        targets=comparison.changes,
        rights=list_right_changes(*access),
        policies=list_policy_changes(*access),
        leftovers=list_leftovers(*access, comparison.changes, basis.call),
        generated=sorted(basis.generated),
        unchanged=comparison.unchanged,
        unknown=comparison.unknown,
        contested=comparison.contested,
        notes=[*_list_notes(folder, deployment), *comparison.notes],
    )


def _list_notes(folder: Catalog, deployment: Deployment) -> list[str]:
    names = folder.stack.model_dump(include=set(StackNames.model_fields))  # without the head of the file stack.yaml
    fields = list_differences(deployment.catalog.stack, StackNames.model_validate(names))
    renamed = [f"stack.yaml differs in {', '.join(fields)}: all that Keyferry writes is named anew"] if fields else []
    clusters = list_cluster_notes(folder, deployment.catalog)
    return [*filter(None, [deployment.difference_of_releases]), *renamed, *clusters]
