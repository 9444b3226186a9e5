"""Decide the next action on one Secret, from its desired and its observed state.

`plan` is a pure function. A delivery observes the Secret, carries out the one action that `plan` returns, and calls
`plan` again with the new state, until the action is Done. All that `plan` needs to know about the past is in the Secret
itself, so that any later delivery can continue where one was interrupted. The protocol (docs/decisions/0002):

1. Observe the Secret.
2. Only then read the sources.
3. The Secret is missing: create it, with the annotation `restart-due` and a new nonce as its value.
4. The content differs: write the content and a new `restart-due` in one apply, then start again at step 1.
5. Only labels or annotations differ: write them, keep `restart-due` as it is, and go on.
6. There is no `restart-due`: done. For a restart that somebody asks for, step 5 writes one.
7. There is one: list the workloads that use the Secret, and stamp its nonce on each, which restarts it.
8. All are stamped: remove `restart-due`.

The actions Prune, Release and Delete do what an apply cannot (docs/decisions/0003). The numbers in comments are those
of the steps.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from keyferry.delivery.contested import format_notes, take_notes
from keyferry.delivery.desired import Desired
from keyferry.delivery.limits import check_limits, check_mutable
from keyferry.delivery.observed import RESTART_DUE, REVISION, Observed
from keyferry.delivery.ownership import build_claims_patch, check_claims, needs_force
from keyferry.errors import in_part

MAX_LISTED = 10
"""How many keys a reason names."""
NEW_CONTENT = "new content in"
"""Begins the reason of a write that changes the value of a key."""


@dataclass(frozen=True)
class Write:
    """Apply new content. Afterwards the pass ends, and the sources are read again before anything is restarted."""

    body: dict[str, Any] = field(repr=False)
    force: bool
    creates: bool
    """Whether the Secret is missing, and the apply creates it."""
    why: str


@dataclass(frozen=True)
class Annotate:
    """Apply other labels, annotations or ownership of fields, with the same content. Afterwards the pass goes on."""

    body: dict[str, Any] = field(repr=False)
    force: bool
    why: str


@dataclass(frozen=True)
class Prune:
    """Remove fields of others with a merge patch, since an apply cannot. Afterwards the pass ends, as after a Write."""

    patch: dict[str, Any] = field(repr=False)
    why: str
    notes: tuple[str, ...] = ()
    """What people have to do where those fields come from."""


@dataclass(frozen=True)
class Release:
    """Give up fields of one of our field managers, by an apply in its name that leaves them out.

    The API server removes the fields that it owned alone. Those that others own too stay, and are theirs alone.
    """

    manager: str
    body: dict[str, Any] = field(repr=False)
    """The fields that the manager keeps."""
    why: str


@dataclass(frozen=True)
class Delete:
    """Delete the Secret."""

    preconditions: dict[str, str]
    """The uid and the resourceVersion that the Secret must have."""
    why: str


@dataclass(frozen=True)
class Restart:
    """Stamp the nonce on every workload that uses the Secret. After that, remove `restart-due` by an apply."""

    nonce: str
    cleared_body: dict[str, Any] = field(repr=False)
    """The body of that apply: the complete Secret without `restart-due`."""
    force: bool


@dataclass(frozen=True)
class Done:
    """Nothing is left to do."""

    note: str = ""
    """Why nothing is done; empty if the Secret is simply up to date."""


type Action = Write | Annotate | Prune | Release | Delete | Restart | Done


@in_part("secret.name")
def plan(
    desired: Desired, observed: Observed | None, nonce: str, now: datetime, forgets_before: datetime | None = None
) -> Action:
    """Return the next action that brings a Secret to its desired state.

    Args:
        desired: the desired state, from sources that were read after `observed`.
        observed: the Secret; None if it is missing.
        nonce: a new random text, the value of `restart-due` if the action writes content.
        now: the current time, for notes of what is taken back.
        forgets_before: before when such notes do not count; None: all of the last day count.

    Raises:
        Refused: the Secret cannot hold the content.
        NotAllowed: the policy does not allow the type that the Secret has.
        Conflict: somebody else owns the Secret or a field of it, and the mapping does not take over; or has a field
            again that was taken back.
        Outdated: the Secret has a newer value than the failover region that served a source.
        SourceUnavailable: the Secret would lose a key because a `find` selects less than before, or because no version
            has the label of a source any more.
    """
    restart_nonce = None if desired.mapping.spec.restart == "none" else nonce
    if observed is None:
        return _plan_creation(desired, restart_nonce, now)  # 3
    if desired.mapping.spec.policies.creation == "createOnce":
        is_due = observed.restart_due or desired.asks_for_restart(observed)
        if not (restart_nonce and observed.names(desired.mapping) and is_due):
            return Done("it exists, and is left as it is (creation: createOnce)")
        # The Secret stays as it is, but restarts that are due for its creation, or asked for, have to be done.
        desired = desired.as_observed(observed)
    taken_back = format_notes(take_notes(desired, observed, now, forgets_before))
    return _plan_update(desired, observed, restart_nonce, nonce, taken_back, now)


def _plan_creation(desired: Desired, restart_nonce: str | None, now: datetime) -> Write | Done:
    if desired.is_merge:
        return Done("the Secret is missing, and is not ours to make (creation: merge)")
    check_limits(desired, None)
    make_immutable = desired.mapping.spec.secret.immutable
    body = desired.build_body(None, restart_nonce, make_immutable=make_immutable, written=now)
    return Write(body, force=False, creates=True, why="missing")


def _plan_update(
    desired: Desired, observed: Observed, restart_nonce: str | None, nonce: str, taken_back: str, now: datetime
) -> Action:
    """Return the next action on a Secret that exists.

    The order makes each action safe (docs/decisions/0003): whatever cannot be written is refused first; the Secret is
    ours before anything of others is removed; and at no time it has neither the old keys nor the new ones.

    Args:
        desired: the desired state.
        observed: the Secret.
        restart_nonce: the new value of `restart-due` for a change of content; None if the mapping restarts nothing.
        nonce: a new value for a `restart-due` that somebody else has written.
        taken_back: the text of the annotation `taken-back` for every apply.
        now: the current time.
    """
    check_limits(desired, observed)
    claims, force = check_claims(desired, observed), needs_force(desired, observed)
    content_change = describe_content_change(desired, observed)
    superfluous_keys = _list_superfluous_keys(desired, observed)
    if content_change or superfluous_keys:
        check_mutable(desired, observed)
    if claims:  # before the first write: whoever owns the Secret can delete it with our content at any time
        patch = build_claims_patch(claims, desired, observed)
        return Prune(patch, "taking over", tuple(map(str, claims)))
    if content_change:  # 4
        body = desired.build_body(observed, restart_nonce, taken_back, written=now)
        return Write(body, force, creates=False, why=content_change)
    restart_due = _get_restart_due(desired, observed, restart_nonce, nonce)
    make_immutable = desired.mapping.spec.secret.immutable and not superfluous_keys
    why = _describe_metadata_change(desired, observed, restart_due, make_immutable=make_immutable)
    if why:  # 5
        body = desired.build_body(observed, restart_due, taken_back, make_immutable=make_immutable)
        return Annotate(body, force, why)
    if superfluous_keys:
        patch = _build_keys_patch(superfluous_keys, desired, observed, restart_nonce)
        return Prune(patch, f"not of this mapping: {_join(superfluous_keys)}")
    return _plan_end(desired, observed, restart_due, taken_back, force=force)


def _plan_end(
    desired: Desired, observed: Observed, restart_due: str | None, taken_back: str, *, force: bool
) -> Release | Restart | Done:
    """Return the next action on a Secret that holds what it should."""
    former_manager = _get_former_manager(desired, observed)
    if former_manager:
        return Release(former_manager, observed.build_minimal_body(desired.name), "released by its earlier name")
    if restart_due is None:  # 6
        return Done()
    return Restart(restart_due, desired.build_body(observed, None, taken_back), force)  # 7, 8


def describe_content_change(desired: Desired, observed: Observed) -> str:
    """Return why the content has to be written, for a report; empty if it is up to date.

    Content also counts as changed if somebody else has taken a key of ours, even if its value is the same now: pods may
    have started with another value in between.
    """
    owned_keys, ever_owned_keys = observed.keys_owned_by(desired.manager), observed.keys_owned_by(*desired.managers)
    changed_keys = sorted(key for key, value in desired.data.items() if observed.data.get(key) != value)
    removed_keys = sorted(owned_keys - desired.data.keys())
    is_ours = observed.is_written_by(desired.mapping)
    lost_keys = sorted(desired.data.keys() - ever_owned_keys) if is_ours else []
    if changed_keys and not set(changed_keys) <= set(lost_keys) & observed.get_journal_keys():
        is_revised = is_ours and observed.annotations.get(REVISION) != desired.revision
        return f"{'the mapping asks for other content in' if is_revised else NEW_CONTENT} {_join(changed_keys)}"
    if removed_keys:
        return _describe_removal(removed_keys, desired, observed)
    return f"written by somebody else in between: {_join(lost_keys)}" if lost_keys else ""


def _describe_removal(keys: list[str], desired: Desired, observed: Observed) -> str:
    """Return why keys are removed: the mapping no longer has them, or its sources do not."""
    is_revised = observed.annotations.get(REVISION) != desired.revision
    unmapped = [key for key in keys if is_revised and key not in desired.mapping.spec.secret.data]
    lacking = sorted(set(keys) - set(unmapped))
    texts = {"no longer mapped": unmapped, "no longer in the sources": lacking}
    return "; ".join(f"{text}: {_join(some)}" for text, some in texts.items() if some)


def _get_restart_due(desired: Desired, observed: Observed, restart_nonce: str | None, nonce: str) -> str | None:
    """Return the value that `restart-due` has to have while the content stays the same; None if it has to go."""
    if desired.asks_for_restart(observed):
        # Its own nonce: workloads that have it do not restart again. Those that have another one that is due, do.
        return restart_nonce if observed.restart_due else desired.restart_request
    # An earlier name of ours gives it up before the restart, so what is due stays due, and nothing restarts twice.
    ours = [desired.manager] if restart_nonce is None else desired.managers
    others = observed.fields_of_other_managers(*ours)
    if any(RESTART_DUE in other.annotations for other in others):
        # An apply removes the annotation only if we alone own it. Writing another value makes it ours alone.
        return nonce
    return None if restart_nonce is None else observed.restart_due


def _describe_metadata_change(
    desired: Desired, observed: Observed, restart_due: str | None, *, make_immutable: bool
) -> str:
    """Return why labels, annotations or the ownership of fields have to be written; empty if they are up to date."""
    if not desired.data.keys() <= observed.keys_owned_by(desired.manager):
        return "taking over the same content"
    if any(observed.annotations.get(key) != value for key, value in desired.journal.items()):
        return "new versions or mapping"
    if any(observed.labels.get(key) != value for key, value in desired.own_labels.items()):
        return "label missing"
    if observed.get_differing_metadata(desired.labels, desired.annotations):
        return "other labels or annotations"
    if make_immutable and not observed.immutable:
        return "not yet immutable"
    if restart_due and desired.asks_for_restart(observed):
        return "a restart was asked for"
    if restart_due == observed.restart_due:
        return ""
    return "restart-due is somebody else's" if restart_due else "no restarts wanted"


def _list_superfluous_keys(desired: Desired, observed: Observed) -> list[str]:
    """Return the keys to remove that no apply of our field manager removes.

    These are keys that an earlier name of the mapping has written; and all keys of others, if the mapping wants the
    Secret for itself (`keys: exclusive`).
    """
    other_keys = observed.data.keys() - desired.data.keys()
    if desired.mapping.spec.policies.keys == "exclusive":
        return sorted(other_keys)
    keys_of_others = {key for other in observed.fields_of_other_managers(*desired.managers) for key in other.keys}
    return sorted(other_keys & observed.keys_owned_by(*desired.managers) - keys_of_others)


def _build_keys_patch(
    keys: list[str], desired: Desired, observed: Observed, restart_nonce: str | None
) -> dict[str, Any]:
    """Return the merge patch that removes keys and sets `restart-due`, in one request: no crash can divide the two."""
    annotations = {} if restart_nonce is None else {"annotations": {RESTART_DUE: restart_nonce}}
    return {"metadata": observed.build_patch_metadata(desired.name) | annotations, "data": dict.fromkeys(keys)}


def _get_former_manager(desired: Desired, observed: Observed) -> str | None:
    """Return a field manager of an earlier name of the mapping that still owns fields; None if there is none."""
    former = desired.managers - {desired.manager}
    return next((entry.manager for entry in observed.managed_fields if entry.applies and entry.manager in former), None)


def _join(keys: list[str]) -> str:
    """Return the first keys, and how many more there are."""
    more = [f"{len(keys) - MAX_LISTED:,} more"] if len(keys) > MAX_LISTED else []
    return ", ".join(keys[:MAX_LISTED] + more)
