"""Show what a delivery would do: it observes, reads and plans as `deliver` does, and writes nothing."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from keyferry.delivery.apply import build_stamps, create_workload_lister, observe
from keyferry.delivery.deletion import plan_deletion
from keyferry.delivery.desired import Desired, list_changed_keys
from keyferry.delivery.foreseen import check_target
from keyferry.delivery.observed import Observed
from keyferry.delivery.plan import Action, Annotate, Delete, Done, Prune, Release, Restart, Write, plan
from keyferry.delivery.report import build_error_fields
from keyferry.delivery.restart.workloads import Stamp
from keyferry.delivery.sources import build_desired
from keyferry.delivery.work import Work, list_namespaces, list_notes
from keyferry.errors import (
    Forbidden,
    KeyferryError,
    NeedsRepair,
    OutOfTime,
    ServerError,
    SourceDeleted,
    Unexpected,
)
from keyferry.mapping.namespaces import in_namespace
from keyferry.model import Expected, Place
from keyferry.stores.source import Source

type PlannedEffect = Literal["create", "update", "annotate", "restart", "delete", "nothing", "fail"]
"""What a delivery would do to one Secret."""

NONCE = "preview"
"""Stands for the random nonce of a write. No pod template has it, so no workload counts as stamped already."""


@dataclass(frozen=True)
class Preview:
    """What a delivery would do in one namespace. The fields are called as in `--output json`."""

    namespace: str
    will: PlannedEffect
    why: str = ""
    keys: tuple[str, ...] = ()
    """The keys that would be added, changed, taken back or removed."""
    restarts: tuple[str, ...] = ()
    """The workloads that would be restarted."""
    notes: tuple[str, ...] = ()
    """When a certificate expires; workloads that would not be restarted, and why."""
    error: KeyferryError | None = None
    expected: Expected | None = field(default=None, compare=False)
    """What a delivery of it would hold to, for a plan; None where it fails or does nothing."""

    def as_dict(self) -> dict[str, Any]:
        """Return the preview for `--output json`, without empty fields."""
        fields = {
            "namespace": self.namespace,
            "will": self.will,
            "why": self.why,
            "keys": list(self.keys),
            "restarts": list(self.restarts),
            "notes": list(self.notes),
        }
        return {key: value for key, value in fields.items() if value} | build_error_fields(self.error)


@dataclass(frozen=True)
class Outlook:
    """What a delivery would do."""

    previews: tuple[Preview, ...] = ()
    """In each namespace."""
    notes: tuple[str, ...] = ()
    """What is said of the delivery as a whole."""


def preview(work: Work) -> Outlook:
    """Return what a delivery would do, by the current state of the cluster and the sources.

    Raises:
        KeyferryError: the namespaces cannot be listed, a source cannot be read, or it does not fit the mapping.
    """
    target_namespaces, secret = list_namespaces(work), work.mapping.spec.secret.name
    namespaces = target_namespaces.names
    with ThreadPoolExecutor(max_workers=max(1, min(work.concurrency, len(namespaces)))) as pool:
        states = list(
            pool.map(
                lambda namespace: catch_errors(work, namespace, lambda: observe(work.cluster, namespace, secret)),
                namespaces,
            )
        )
        # The sources are read after all observations, as in `deliver`.
        desired_by_namespace = build_desired(work, pool, namespaces, reread=False) if namespaces else {}

        def preview_one(pair: tuple[str, Observed | KeyferryError | None]) -> Preview:
            (namespace, observed), desired = pair, desired_by_namespace[pair[0]]
            if isinstance(observed, KeyferryError):
                return Preview(namespace, "fail", error=observed)
            if isinstance(desired, KeyferryError) and not isinstance(desired, SourceDeleted):
                return Preview(namespace, "fail", error=desired)
            result = catch_errors(work, namespace, lambda: _preview_namespace(work, namespace, desired, observed))
            return result if isinstance(result, Preview) else Preview(namespace, "fail", error=result)

        previews = tuple(pool.map(preview_one, zip(namespaces, states, strict=True)))
    restarts = any(known.will in ("create", "update", "restart") for known in previews)
    return Outlook(previews, list_notes(work, target_namespaces, restarts=restarts))


def catch_errors[T](work: Work, namespace: str, step: Callable[[], T]) -> T | KeyferryError:
    """Return the result of a step, or the error that it raises: an error in one namespace does not stop the others."""
    if work.deadline.has_passed:
        return OutOfTime()
    try:
        with in_namespace(work.mapping, namespace):
            return step()
    except KeyferryError as error:
        return error
    except Exception as error:  # its message can quote a value
        return Unexpected(error)


def _preview_namespace(
    work: Work, namespace: str, desired: Desired | SourceDeleted, observed: Observed | None
) -> Preview:
    if isinstance(desired, SourceDeleted):
        return _preview_action(namespace, plan_deletion(work.mapping, observed, desired))
    action = plan(desired, observed, NONCE, work.now(), work.forgets_before)
    check_target(work, namespace, desired, observed, action, is_written=False)
    result = _preview_action(namespace, action)
    has_restarts = desired.mapping.spec.restart != "none"
    restart_due = observed.restart_due if observed and has_restarts and not isinstance(action, Done) else None
    if isinstance(action, Write):
        if action.creates:
            work.cluster.check_namespace(namespace)
        result = replace(result, keys=list_changed_keys(desired, observed))
    if isinstance(action, Write | Prune):
        restart_due = NONCE if has_restarts and (result.keys or isinstance(action, Write)) else restart_due
    if isinstance(action, Annotate) and observed and desired.asks_for_restart(observed):
        restart_due, result = NONCE, replace(result, will="restart")
    # Those that the mapping names are looked at in any case: one that is missing is told before it is due.
    nonce = restart_due or (NONCE if isinstance(desired.mapping.spec.restart, list) else None)
    stamps, error = _build_stamps(work, namespace, nonce) if nonce else ([], None)
    if not restart_due:
        stamps, error = [stamp for stamp in stamps if stamp.is_missing], None
    names = sorted(str(stamp.workload) for stamp in stamps) if restart_due else None
    is_unused = bool(restart_due) and not (stamps or error) and result.will == "update"
    return replace(
        result,
        restarts=tuple(str(stamp) for stamp in stamps if stamp.patch is not None),
        notes=(
            *result.notes,
            *desired.list_notes(work.now()),
            *work.list_stamp_notes(namespace, stamps),
            *work.list_unused_notes(is_unused=is_unused),
        ),
        error=error or next((stamp.error for stamp in stamps if stamp.error), None),
        expected=_expect(desired, observed, names),
    )


def _expect(desired: Desired, observed: Observed | None, workloads: list[str] | None) -> Expected:
    return Expected(
        before="present" if observed else "missing",
        uid=observed.uid if observed else "",
        resource_version=observed.resource_version if observed else "",
        revision=desired.revision,
        versions=dict(desired.versions),
        workloads=workloads,
    )


def _build_stamps(work: Work, namespace: str, restart_due: str) -> tuple[Sequence[Stamp], KeyferryError | None]:
    """Return the stamps of the workloads, or why they cannot be listed: the Secret is written all the same."""
    list_workloads = create_workload_lister(work.cluster, work.mapping, work.restart_kinds)
    try:
        survey = build_stamps(work.cluster, namespace, work.mapping, restart_due, list_workloads, work.check_time)
        return survey.stamps, None
    except (Forbidden, ServerError, NeedsRepair) as error:
        return [], error


def _preview_action(namespace: str, action: Action) -> Preview:
    """Return the preview of one action, without what the action alone does not tell: keys of a write, workloads."""
    match action:
        case Write():
            return Preview(namespace, "create" if action.creates else "update", action.why)
        case Prune():
            return Preview(namespace, "update", action.why, tuple(action.patch.get("data", ())), notes=action.notes)
        case Release() | Annotate():
            return Preview(namespace, "annotate", action.why)
        case Delete():
            return Preview(namespace, "delete", action.why)
        case Restart():
            return Preview(namespace, "restart", "restarts are due")
    return Preview(namespace, "nothing", notes=(action.note,) if action.note else ())


def list_gaps(work: Work) -> Iterator[KeyferryError]:
    """Yield why a source cannot be read in one of its failover regions, for every such region.

    A delivery does not try them, since every region takes a call: a source that is missing in one would be told on the
    day it is needed. A source that differs by namespace is tried for the first namespace that the mapping names.
    """
    namespaces = work.mapping.spec.namespace_names
    for alias, source in work.mapping.spec.sources.items():
        if namespaces or "namespace" not in source.placeholders:
            place = Place(work.delivery.cluster, *namespaces[:1] or [""])
            for replica in source.resolve(place).replicas:
                yield from _list_gaps(work, alias, replica)


def _list_gaps(work: Work, alias: str, replica: Source) -> Iterator[KeyferryError]:
    try:
        work.create_reader([replica])(replica)
    except KeyferryError as error:
        text = f"mapping {work.mapping.name}, source {alias}: failover to {replica.home_region} would fail: {error}"
        gap = KeyferryError(text)
        gap.part = f"sources.{alias}"
        yield gap
