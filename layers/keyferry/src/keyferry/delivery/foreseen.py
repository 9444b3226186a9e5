"""What a plan has foreseen of a target: a delivery of the plan refuses by its name what has moved since."""

from collections.abc import Iterable

from keyferry.delivery.apply import build_stamps, create_workload_lister
from keyferry.delivery.desired import Desired
from keyferry.delivery.observed import Observed
from keyferry.delivery.plan import Action, Annotate, Done, Release, Restart
from keyferry.delivery.restart.workloads import Stamp
from keyferry.delivery.work import Work
from keyferry.errors import InvalidInput
from keyferry.model import Expected, is_version


class Moved(InvalidInput):
    """Something that a plan has foreseen is no longer so. No more is written for it: plan again."""


def check_target(
    work: Work, namespace: str, desired: Desired, observed: Observed | None, action: Action, *, is_written: bool
) -> None:
    """Check a target right before an action on it. What is so already is done, whoever did it.

    Args:
        work: the delivery.
        namespace: the namespace.
        desired: what is to be delivered.
        observed: the Secret; None if it is missing.
        action: what is about to be done.
        is_written: whether this delivery has written the Secret: it is no longer as the plan has seen it.

    Raises:
        Moved: something is not as the plan has foreseen it.
    """
    expected = find_expected(work, namespace)
    if expected is None:
        return
    check_content(expected, desired)
    if is_written or isinstance(action, Done):
        return
    # Both follow only where content and journal are what is desired, and so what the plan has foreseen: its write is
    # done, as by a run that was killed before the restart.
    check_secret(expected, desired, observed, is_so=isinstance(action, Restart | Release))
    has_known = expected.workloads is not None and work.mapping.spec.restart == "auto"
    if has_known and not isinstance(action, Annotate):
        list_workloads = create_workload_lister(work.cluster, work.mapping, work.restart_kinds)
        survey = build_stamps(work.cluster, namespace, work.mapping, "", list_workloads, work.check_time)
        check_workloads(expected, survey.stamps)


def find_expected(work: Work, namespace: str) -> Expected | None:
    """Return what a plan has foreseen in a namespace; None for a delivery of no plan."""
    return (work.expected or {}).get(namespace)


def check_content(expected: Expected, desired: Desired) -> None:
    """Check that what is to be delivered is what a plan has foreseen.

    Raises:
        Moved: a source has another version, or the mapping has changed.
    """
    if desired.revision != expected.revision:
        raise Moved(f"mapping {desired.mapping.name} has changed since the plan; plan again")
    for alias, version in sorted(expected.versions.items()):
        now = desired.versions.get(alias, "")
        if not is_version(now, version):
            raise Moved(f"source {alias} has version {now} now, and had {version} in the plan; plan again")


def check_secret(expected: Expected, desired: Desired, observed: Observed | None, *, is_so: bool) -> None:
    """Check that a Secret, right before it is written, is the one that a plan has seen.

    Args:
        expected: what the plan has foreseen.
        desired: what is to be delivered.
        observed: the Secret; None if it is missing.
        is_so: whether it holds that already, whoever has written it: then it may have been written since.

    Raises:
        Moved: somebody has created, deleted or written it since.
    """
    if expected.before == "unknown":
        return
    name, was_there = f"Secret {desired.name}", expected.before == "present"
    if observed is None and was_there:
        raise Moved(f"{name} was there in the plan, and is gone; plan again")
    if observed and not was_there and not is_so:
        raise Moved(f"{name} was missing in the plan, and is there now; plan again")
    if observed and was_there and observed.uid != expected.uid:
        raise Moved(f"{name} was deleted and created again since the plan (uid {observed.uid}); plan again")
    if observed and not is_so and observed.resource_version != expected.resource_version:
        raise Moved(
            f"{name} was written since the plan (resourceVersion {observed.resource_version}, and"
            f" {expected.resource_version} in the plan); plan again"
        )


def check_workloads(expected: Expected | None, stamps: Iterable[Stamp]) -> None:
    """Check that the workloads that are to restart are those of a plan; of none, all may.

    Raises:
        Moved: there are others now.
    """
    now = {str(stamp.workload) for stamp in stamps}
    planned = now if expected is None or expected.workloads is None else set(expected.workloads)
    differences = [f"{name} is new" for name in sorted(now - planned)] + [
        f"{name} no longer is one" for name in sorted(planned - now)
    ]
    if differences:
        raise Moved(f"the workloads to restart are others than in the plan: {', '.join(differences)}; plan again")
