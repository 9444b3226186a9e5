"""The steps that are left until a mapping has its Secret and no original makes it any more.

The order makes each safe: the original can be found again before it changes; its removal takes nothing along, since no
owner is left by then; and the mapping takes over when nobody else writes.
"""

from collections.abc import Iterator

from keyferry.cli.migrate.handover import changes, secrets
from keyferry.cli.migrate.handover.keepers import find_pruned_label
from keyferry.cli.migrate.handover.originals import Original
from keyferry.cli.migrate.handover.record import SECRET_OBJECTS, dump, fits, read_secret_objects, split_objects
from keyferry.cli.migrate.handover.state import QUIET_SECONDS, State
from keyferry.cli.migrate.handover.steps import (
    Deliver,
    PatchOriginal,
    PatchSecret,
    Refuse,
    Step,
    TakeOver,
    Wait,
)
from keyferry.delivery.apply import Object


def list_steps(state: State) -> Iterator[Step]:
    """Yield the steps that are left, the next one first; none when the mapping has the Secret."""
    externals, classes = state.external_secrets, state.provider_classes
    refusal = _find_refusal(state, externals, classes)
    if refusal:
        yield Refuse(refusal)
        return
    for original in externals:
        yield from _list_external_steps(state, original)
    for original in classes:
        yield _take_out(state, original)
    if not externals:
        yield from _list_owner_steps(state, classes)
    yield from _list_last_steps(state)


def _find_refusal(state: State, externals: list[Original], classes: list[Original]) -> str:
    """Return what somebody has to settle first; empty where nothing is in the way."""
    found = state.verified
    if state.observed is None:
        makers = ", ".join(map(str, [*externals, *classes]))
        return f"there is no Secret yet: let {makers} make it" if makers else ""
    if len(externals) + bool(classes) > 1:
        return _describe_several(state, externals, classes)
    if (externals or classes) and found.differences:
        return f"it is not what the mapping makes: {'; '.join(found.differences)}"
    pruned = _find_pruned_label(state, [*externals, *classes])
    if pruned:
        return (
            f"Argo CD knows it by its label {pruned}, and deletes it once it has no owner: first let the original make"
            " it without that label (target.template.metadata), or with the annotation"
            " argocd.argoproj.io/sync-options: Prune=false"
        )
    if state.strangers:
        owners = ", ".join(state.strangers)
        return f"it is owned by {owners}, and is deleted with that: take that ownerReference away first"
    if not (externals or classes or state.is_marked or state.is_ours):
        return "nothing here makes it, and it has no mark of an original: say policies.conflict: takeOver, and push"
    if found.observed and found.observed.type != state.desired.get_type(found.observed):
        return f"it is not what the mapping makes: {'; '.join(found.differences)}"
    return ""


def _describe_several(state: State, externals: list[Original], classes: list[Original]) -> str:
    """Return which objects write the Secret, and in which order one is left of them."""
    others = "remove the others, with creationPolicy: Orphan or Merge and deletionPolicy: Retain"
    if classes:
        others += f"; of a class, take {state.secret} out of its secretObjects"
    return (
        f"several objects write it: {', '.join(map(str, externals + classes))}. In this order: let one of them make all"
        f" keys; {others}; convert the one that is left, deploy its mapping, and run this again"
    )


def _find_pruned_label(state: State, originals: list[Original]) -> str:
    if state.observed is None or state.adds_keys:
        return ""
    labels, annotations = state.observed.labels, state.observed.annotations
    return next(filter(None, (find_pruned_label(each.chain, labels, annotations) for each in originals)), "")


def _list_external_steps(state: State, original: Original) -> Iterator[Step]:
    if original.is_being_deleted:
        yield Wait(f"the operator lets go of {original}")
        return
    kept, policies = state.kept_manifest, original.changed_policies
    is_kept = kept is not None and kept["metadata"]["name"] == original.name
    is_recorded = is_kept or secrets.fits_record(state, original)
    if is_recorded and not is_kept:
        yield PatchSecret(f"let the Secret keep the manifest of {original}", secrets.build_record(state, original))
    if policies:
        yield changes.set_policies(original, policies)
    if state.owners:
        yield _drop_owner(state, original, is_changed=bool(policies))
    elif _may_be_owned_again(original, kept, is_known=is_recorded):
        yield Wait(f"the operator has looked at {original} again{original.trouble}")
    yield changes.remove(original, is_recorded=is_recorded)


def _may_be_owned_again(original: Original, kept: Object | None, *, is_known: bool) -> bool:
    """Return whether the operator may be about to set an ownerReference that the Secret lacks: it was to own it.

    Args:
        original: the ExternalSecret as it is now.
        kept: its manifest as it was, where the Secret keeps that.
        is_known: whether it is known what it was.
    """
    before = Original.of_manifest(kept) if kept else original
    return (before.creation_policy == "Owner" or not is_known) and not (original.has_synced or original.stays_as_synced)


def _drop_owner(state: State, original: Original, *, is_changed: bool) -> Step:
    """Return how the ownerReference goes: by the operator; by us where it does no more for that ExternalSecret."""
    if not is_changed and (original.stays_as_synced or original.has_synced):
        return PatchSecret("take the ownerReference away", secrets.build_patch(state, ownerReferences=None))
    return Wait(f"the operator drops its ownerReference{original.trouble}")


def _take_out(state: State, original: Original) -> Step:
    """Return how a SecretProviderClass makes the Secret no more; it stays, as pods mount it."""
    what = f"take {state.secret} out of secretObjects of {original}"
    if original.keeper:
        return Wait(f"{original.keeper} has {what}", changes.describe_objects(original, state.secret))
    taken, left = split_objects(original.secret_objects, state.secret)
    _, others = split_objects(read_secret_objects(original), state.secret)
    annotations = {SECRET_OBJECTS: dump([*others, *taken])}
    if not fits({**(original.metadata.get("annotations") or {}), **annotations}):
        return Wait(f"you have taken {what.removeprefix('take ')}", changes.describe_objects(original, state.secret))
    return PatchOriginal(
        what, original, {"metadata": {"annotations": annotations}, "spec": {"secretObjects": left or None}}
    )


def _list_owner_steps(state: State, classes: list[Original]) -> Iterator[Step]:
    """Yield how owners go that nobody takes away: the driver's; that of an ExternalSecret which is gone already."""
    if state.owners:
        yield PatchSecret("take the ownerReferences away", secrets.build_patch(state, ownerReferences=None))
    is_quiet = not (state.owners or classes) and state.quiet_seconds >= QUIET_SECONDS
    if state.is_of_driver and not state.is_ours and not is_quiet:
        yield Wait("the driver, which sets owners every five seconds, sets none any more")


def _list_last_steps(state: State) -> Iterator[Step]:
    if state.observed is None:
        return
    if not state.is_ours:
        what = f"mapping {state.mapping.name} takes over, with the content as it is"
        yield TakeOver(what, secrets.build_takeover(state))
    if state.marks:
        yield PatchSecret("take the marks of the original away", secrets.build_marks_patch(state))
    if state.is_behind or (not state.is_ours and state.verified.differences):
        yield Deliver(f"deliver what has changed meanwhile: {'; '.join(state.verified.differences)}")
