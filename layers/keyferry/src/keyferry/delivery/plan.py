"""Desired and observed state → the one next action on a target (the protocol, docs/decisions/0002 and 0003).

Step numbers in comments are those of the protocol.
"""

from dataclasses import dataclass
from typing import Any

from keyferry.delivery.desired import Desired
from keyferry.delivery.limits import check, check_mutable
from keyferry.delivery.observed import RESTART_DUE, Observed
from keyferry.delivery.ownership import claims, must_force, without
from keyferry.errors import Refused, SourceDeleted
from keyferry.identity import IDENTITY
from keyferry.mapping.mapping import SecretMapping


@dataclass(frozen=True)
class Write:
    """Apply new content, and observe again before anything is restarted."""

    body: dict[str, Any]
    force: bool
    creates: bool
    why: str


@dataclass(frozen=True)
class Annotate:
    """Apply what has changed beside the content, and go on with the answer."""

    body: dict[str, Any]
    force: bool
    why: str


@dataclass(frozen=True)
class Prune:
    """Remove what is somebody else's by a merge patch, which an apply cannot, and observe again."""

    patch: dict[str, Any]
    why: str
    notes: tuple[str, ...] = ()
    """What somebody has to do elsewhere."""


@dataclass(frozen=True)
class Release:
    """Apply as a field manager all that it keeps: what it alone owned goes, what others own too is theirs alone."""

    manager: str
    body: dict[str, Any]
    why: str


@dataclass(frozen=True)
class Delete:
    """Delete the Secret."""

    preconditions: dict[str, str]
    why: str


@dataclass(frozen=True)
class Restart:
    """Stamp every workload with the nonce, then clear the mark with this body."""

    nonce: str
    clear: dict[str, Any]
    force: bool


@dataclass(frozen=True)
class Done:
    """Nothing is left to do."""

    note: str = ""
    """Why nothing is done, where something might have been expected."""


type Action = Write | Annotate | Prune | Release | Delete | Restart | Done


def plan(desired: Desired, observed: Observed | None, nonce: str) -> Action:
    """Return the next action.

    Args:
        desired: what the sources say, read after `observed`.
        observed: the Secret; None where it is missing.
        nonce: what a write of content is to be marked with: random, new for each.

    Raises:
        Refused: the Secret cannot take the content.
        Conflict: somebody else owns what the mapping would write, or the Secret itself.
        Outdated: what a region served in place of another is older than what the Secret holds.
    """
    mark = None if desired.mapping.spec.restart == "none" else nonce
    if observed is None:
        return _create(desired, mark)  # 3
    if desired.mapping.spec.policies.creation != "createOnce":
        return _keep_right(desired, observed, mark, nonce)
    if mark and observed.written_by(*desired.mapping.names) and observed.restart_due:
        return _keep_right(desired.as_held(observed), observed, mark, nonce)
    return Done("it exists, and is left as it is (creation: createOnce)")


def _keep_right(desired: Desired, observed: Observed, mark: str | None, nonce: str) -> Action:
    """Return the next action on a Secret that is there. The order is what makes each step safe (0003)."""
    check(desired, observed)
    claimed, force = claims(desired, observed), must_force(desired, observed)
    changed, superfluous = content_change(desired, observed), _superfluous(desired, observed)
    if changed or superfluous:
        check_mutable(desired, observed)
    if claimed:
        return Prune(without(claimed, desired, observed), "taking over", tuple(map(str, claimed)))
    if changed:  # 4
        return Write(desired.body(observed, mark), force, creates=False, why=changed)
    seal, due = desired.mapping.spec.secret.immutable and not superfluous, _due(desired, observed, mark, nonce)
    why = _annotation_change(desired, observed, due, seal=seal)
    if why:  # 5
        return Annotate(desired.body(observed, due, seal=seal), force, why)
    if superfluous:
        return Prune(_without_keys(superfluous, desired, observed, mark), f"not of this mapping: {_list(superfluous)}")
    former = _former_manager(desired, observed)
    if former:
        return Release(former, observed.bare(desired.name), "released by its earlier name")
    if due is None:  # 6
        return Done()
    return Restart(due, desired.body(observed, None), force)  # 7, 8


def plan_deletion(mapping: SecretMapping, observed: Observed | None, error: SourceDeleted) -> Action:
    """Return the next action where a source was deleted, as its service says: nothing is restarted for it.

    Args:
        mapping: whose `policies.deletion` decides.
        observed: the Secret; None where it is missing.
        error: what the service says.

    Raises:
        SourceDeleted: the Secret is retained.
        Refused: an immutable Secret keeps its keys.
    """
    policy = mapping.spec.policies.deletion
    if policy == "retain":
        raise error
    if observed is None:
        return Done(str(error))
    if policy == "delete" and not observed.written_by(*mapping.names):
        return Done(f"not made by this mapping: kept; {error}")
    managers = [IDENTITY.field_manager(each) for each in mapping.names]
    strangers = {key for owner in observed.owners_beside(*managers) for key in owner.keys}
    if policy == "delete" and observed.data.keys() <= observed.keys_owned_by(*managers) - strangers:
        return Delete(observed.preconditions, str(error))
    return _withdrawal(mapping, observed, str(error))


def _withdrawal(mapping: SecretMapping, observed: Observed, why: str) -> Release | Done:
    """Return what removes all that the mapping owns.

    The type stays, since that of a Secret never changes; so does an empty `data`: who leaves that out as well removes
    what others have applied as `stringData`, which the API server does not know for theirs.
    """
    for manager in map(IDENTITY.field_manager, mapping.names):
        if observed.keys_owned_by(manager) and observed.immutable:
            raise Refused(f"Secret {mapping.spec.secret.name} is immutable and keeps its keys: delete it; {why}")
        if observed.keys_owned_by(manager) | observed.metadata_owned_by(manager):
            kept = {"type": observed.type, "data": {}} | ({"immutable": True} if observed.immutable else {})
            return Release(manager, observed.bare(mapping.spec.secret.name) | kept, why)
    return Done(why)


def _create(desired: Desired, mark: str | None) -> Write | Done:
    if desired.merges:
        return Done("the Secret is missing, and is not ours to make (creation: merge)")
    check(desired, None)
    return Write(
        desired.body(None, mark, seal=desired.mapping.spec.secret.immutable), force=False, creates=True, why="missing"
    )


def content_change(desired: Desired, observed: Observed) -> str:
    """Return why the content has changed; empty where it has not."""
    owned, ours = observed.keys_owned_by(desired.manager), observed.keys_owned_by(*desired.managers)
    changed = sorted(key for key, value in desired.data.items() if observed.data.get(key) != value)
    removed = sorted(owned - desired.data.keys())
    lost = sorted(desired.data.keys() - ours) if observed.written_by(*desired.mapping.names) else []
    if changed:
        return f"new content in {_list(changed)}"
    if removed:
        return f"no longer mapped: {_list(removed)}"
    return f"written by somebody else in between: {_list(lost)}" if lost else ""


def _due(desired: Desired, observed: Observed, mark: str | None, nonce: str) -> str | None:
    """Return the nonce of the restarts that are due, if any are."""
    if any(RESTART_DUE in owner.annotations for owner in observed.owners_beside(desired.manager)):
        return nonce  # an apply removes only what is ours alone, and another text makes it that
    return None if mark is None else observed.restart_due


def _annotation_change(desired: Desired, observed: Observed, due: str | None, *, seal: bool) -> str:
    if not desired.data.keys() <= observed.keys_owned_by(desired.manager):
        return "taking over the same content"
    if any(observed.annotations.get(key) != value for key, value in desired.journal.items()):
        return "new versions or mapping"
    if any(observed.labels.get(key) != value for key, value in desired.own_labels.items()):
        return "label missing"
    if observed.differing_metadata(desired.labels, desired.annotations):
        return "other labels or annotations"
    if seal and not observed.immutable:
        return "not yet immutable"
    if due == observed.restart_due:
        return ""
    return "mark of restarts by somebody else" if due else "no restarts wanted"


def _superfluous(desired: Desired, observed: Observed) -> list[str]:
    """Return the keys to remove that no apply of ours does: those of an earlier name; where asked for, of anybody."""
    rest = observed.data.keys() - desired.data.keys()
    if desired.mapping.spec.policies.keys == "exclusive":
        return sorted(rest)
    strangers = {key for owner in observed.owners_beside(*desired.managers) for key in owner.keys}
    return sorted(rest & observed.keys_owned_by(*desired.managers) - strangers)


def _without_keys(keys: list[str], desired: Desired, observed: Observed, mark: str | None) -> dict[str, Any]:
    """Return the merge patch that removes keys and marks the restarts in one: no crash can come between."""
    annotations = {} if mark is None else {"annotations": {RESTART_DUE: mark}}
    return {"metadata": observed.named(desired.name) | annotations, "data": dict.fromkeys(keys)}


def _former_manager(desired: Desired, observed: Observed) -> str | None:
    """Return the field manager of an earlier name that still owns something."""
    former = desired.managers - {desired.manager}
    return next((owner.manager for owner in observed.owners if owner.applies and owner.manager in former), None)


def _list(names: list[str]) -> str:
    return ", ".join(names)
