"""The steps that are left until the original makes its Secret again, as if nothing had been handed over."""

from collections.abc import Iterator

from keyferry.cli.migrate.handover import changes, secrets
from keyferry.cli.migrate.handover.keepers import find_keeper
from keyferry.cli.migrate.handover.originals import Original
from keyferry.cli.migrate.handover.record import SECRET_OBJECTS, dump, read_secret_objects, split_objects
from keyferry.cli.migrate.handover.state import State
from keyferry.cli.migrate.handover.steps import (
    CreateOriginal,
    PatchOriginal,
    PatchSecret,
    Refuse,
    Release,
    Step,
    Wait,
)
from keyferry.delivery.apply import Object


def list_steps(state: State) -> Iterator[Step]:
    """Yield the steps that are left, the next one first; none when the original makes the Secret again."""
    manifest = state.kept_manifest
    if manifest:
        yield from _list_external_steps(state, manifest)
        return
    for original in state.emptied_classes:
        yield _put_back(state, original)
    if state.is_ours:
        yield from _list_release(state)


def _list_external_steps(state: State, manifest: Object) -> Iterator[Step]:
    name = manifest["metadata"]["name"]
    original = next((each for each in state.external_secrets if each.name == name), None)
    if original is None:
        whole, keeper = f"ExternalSecret {state.namespace}/{name}", find_keeper(manifest["metadata"])
        yield (
            Wait(f"{keeper} has {whole} again", changes.describe_return(manifest, keeper))
            if keeper
            else CreateOriginal(f"create {whole} again", manifest)
        )
    elif original.is_being_deleted:
        yield Wait(f"the operator lets go of {original}")
        return
    else:
        yield from _list_policy_steps(state, original, manifest)
    yield Release("give the Secret back", original or Original.of_manifest(manifest))


def _list_policy_steps(state: State, original: Original, manifest: Object) -> Iterator[Step]:
    """Yield what sets the policies as they were, and lets the operator own the Secret as it did."""
    before = Original.of_manifest(manifest)
    policies = {"creationPolicy": before.creation_policy, "deletionPolicy": before.deletion_policy}
    if policies != {"creationPolicy": original.creation_policy, "deletionPolicy": original.deletion_policy}:
        yield changes.set_policies(original, policies, " again")
    if before.creation_policy == "Owner" and not state.owners:
        yield (
            PatchSecret(f"name {original} as the owner", secrets.build_owner(state, original))
            if original.stays_as_synced
            else Wait(f"the operator owns the Secret again{original.trouble}")
        )


def _put_back(state: State, original: Original) -> Step:
    """Return how a SecretProviderClass makes the Secret again."""
    mine, others = split_objects(read_secret_objects(original), state.secret)
    _, known = split_objects(original.secret_objects, state.secret)
    patch: Object = {
        "metadata": {"annotations": {SECRET_OBJECTS: dump(others) if others else None}},
        "spec": {"secretObjects": [*known, *mine]},
    }
    return PatchOriginal(f"put {state.secret} back into secretObjects of {original}", original, patch)


def _list_release(state: State) -> Iterator[Step]:
    """Yield how a Secret without a kept manifest is given back: to a class, or to what is back already."""
    makers = [*state.provider_classes, *state.emptied_classes, *state.external_secrets]
    if makers:
        yield Release("give the Secret back", makers[0])
    else:
        yield Refuse("no original is known to give it back to: put its manifest back first, then run this again")
