"""Desired and observed state → the one next action on a target (the protocol, docs/decisions/0002).

Step numbers in comments are those of the protocol.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keyferry.errors import Conflict, Refused
from keyferry.model import SecretValue
from keyferry.secret import (
    JOURNAL,
    LABELS,
    MAPPING,
    RESTART_DUE,
    REVISION,
    Desired,
    Observed,
    metadata_fields,
    revision,
)

MAX_DATA_BYTES = 1024 * 1024
"""What a Secret may hold, decoded (`MaxSecretSize` of Kubernetes)."""


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
class Restart:
    """Stamp every workload with the nonce, then clear the mark with this body."""

    nonce: str
    clear: dict[str, Any]
    force: bool


@dataclass(frozen=True)
class Done:
    """Nothing is left to do."""


type Action = Write | Annotate | Restart | Done


def plan(desired: Desired, observed: Observed | None, nonce: str) -> Action:
    """Return the next action.

    Args:
        desired: what the sources say, read after `observed`.
        observed: the Secret; None where it is missing.
        nonce: what a write of content is to be marked with: random, new for each.

    Raises:
        Refused: the Secret cannot take the content.
        Conflict: somebody else owns what the mapping would write.
    """
    mark = None if desired.mapping.spec.restart == "none" else nonce
    _check_size(desired, observed)
    if observed is None:  # 3
        return Write(desired.body({"resourceVersion": "1"}, mark), force=False, creates=True, why="missing")
    _check_type(desired, observed)
    force = _must_force(desired, observed)
    why = content_change(desired, observed)
    if why:  # 4
        _check_mutable(desired, observed)
        return Write(desired.body(observed.preconditions, mark), force, creates=False, why=why)
    due = _due(desired, observed, mark, nonce)
    why = _annotation_change(desired, observed, due)
    if why:  # 5
        return Annotate(desired.body(observed.preconditions, due), force, why)
    if due is None:  # 6
        return Done()
    return Restart(due, desired.body(observed.preconditions, None), force)  # 7, 8


def content_change(desired: Desired, observed: Observed) -> str:
    """Return why the content has changed; empty where it has not."""
    owned = observed.keys_owned_by(desired.manager)
    changed = sorted(key for key, value in desired.data.items() if observed.data.get(key) != value)
    removed = sorted(owned - desired.data.keys())
    lost = sorted(desired.data.keys() - owned) if observed.written_by(desired.mapping.name) else []
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


def _annotation_change(desired: Desired, observed: Observed, due: str | None) -> str:
    if not desired.data.keys() <= observed.keys_owned_by(desired.manager):
        return "taking over the same content"
    if any(observed.annotations.get(key) != value for key, value in desired.journal.items()):
        return "new versions or mapping"
    if any(observed.labels.get(key) != value for key, value in LABELS.items()):
        return "label missing"
    if observed.differing_metadata(desired.labels, desired.annotations):
        return "other labels or annotations"
    if due == observed.restart_due:
        return ""
    return "mark of restarts by somebody else" if due else "no restarts wanted"


def _must_force(desired: Desired, observed: Observed) -> bool:
    """Return whether an apply must take fields back, or over.

    Force is per request, not per field: so everything that somebody else owns is looked at here. The preconditions
    of the apply make that safe.
    """
    takes_over = desired.mapping.spec.conflict == "takeOver"
    ours = observed.written_by(desired.mapping.name)
    known = observed.keys_owned_by(desired.manager) | (observed.keys_in_journal() if ours else frozenset())
    given_before = _given_before(desired, observed)
    force = False
    for owner in observed.owners_beside(desired.manager):
        keys = owner.keys & desired.data.keys()
        metadata = (owner.annotations & set(JOURNAL)) | (owner.labels & LABELS.keys())
        given = observed.differing_metadata(desired.labels, desired.annotations) & owner.metadata
        if not takes_over and (keys - known or (metadata and not ours) or given - given_before):
            raise _conflict(desired, observed, owner.manager, sorted((keys - known) or metadata or given))
        force = force or bool(keys or metadata or given)
    return force


def _given_before(desired: Desired, observed: Observed) -> frozenset[str]:
    """Return the labels and annotations that are known to have been ours: all, where we wrote this very mapping."""
    if observed.written_by(desired.mapping.name) and observed.annotations.get(REVISION) == revision(desired.mapping):
        return metadata_fields(desired.labels, desired.annotations)
    return observed.metadata_owned_by(desired.manager)


def _conflict(desired: Desired, observed: Observed, manager: str, fields: list[str]) -> Conflict:
    writer = observed.annotations.get(MAPPING)
    by = f" (mapping {writer})" if writer and writer != desired.mapping.name else ""
    return Conflict(
        f"Secret {desired.mapping.spec.secret.name}: {_list(fields)} belongs to field manager {manager}{by};"
        f" stop that manager from writing it, or set spec.conflict: takeOver in mapping {desired.mapping.name}"
    )


def _data_after(desired: Desired, observed: Observed | None) -> Mapping[str, SecretValue]:
    """Return the data that the Secret will have: what an apply leaves out it removes, unless others own it too."""
    if observed is None:
        return desired.data
    others = {key for owner in observed.owners_beside(desired.manager) for key in owner.keys}
    removed = observed.keys_owned_by(desired.manager) - others
    return {key: value for key, value in observed.data.items() if key not in removed} | dict(desired.data)


def _check_size(desired: Desired, observed: Observed | None) -> None:
    size = sum(len(value) for value in _data_after(desired, observed).values())
    if size > MAX_DATA_BYTES:
        raise Refused(
            f"Secret {desired.mapping.spec.secret.name} would hold {size:,} bytes;"
            f" Kubernetes allows {MAX_DATA_BYTES:,}: map fewer keys, or split them over two mappings"
        )


def _check_type(desired: Desired, observed: Observed) -> None:
    wanted = desired.mapping.spec.secret.type
    if observed.type != wanted:
        raise Refused(
            f"Secret {desired.mapping.spec.secret.name} has type {observed.type}, and a Secret's type never changes:"
            f" delete it (the next delivery makes it anew as {wanted}), or say type: {observed.type} in the mapping"
        )


def _check_mutable(desired: Desired, observed: Observed) -> None:
    if observed.immutable and _data_after(desired, observed) != observed.data:
        raise Refused(
            f"Secret {desired.mapping.spec.secret.name} is immutable and holds other content:"
            " delete it (the next delivery makes it anew), or map to another name"
        )


def _list(names: list[str]) -> str:
    return ", ".join(names)
