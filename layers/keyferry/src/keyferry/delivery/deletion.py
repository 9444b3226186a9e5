"""Decide the next action on one Secret of which a source was deleted (docs/decisions/0003)."""

from keyferry.delivery.observed import Observed
from keyferry.delivery.plan import Action, Delete, Done, Release
from keyferry.errors import NothingFound, Refused, SourceDeleted, in_part
from keyferry.mapping.mapping import SecretMapping


@in_part("secret.name")
def plan_deletion(mapping: SecretMapping, observed: Observed | None, error: SourceDeleted) -> Action:
    """Return the next action on a Secret of which a source was deleted, or all are missing. Nothing restarts for it.

    Args:
        mapping: the mapping. Its `policies.deletion` decides.
        observed: the Secret; None if it is missing.
        error: how AWS reported the deletion.

    Raises:
        SourceDeleted: the policy is `retain`, and the Secret has keys that would be lost.
        Refused: keys have to be removed from a Secret that is immutable.
    """
    policy = mapping.spec.policies.deletion
    is_held = observed is not None and observed.is_written_by(mapping) and observed.keys_owned_by(*mapping.managers)
    if policy == "retain" and (is_held or not isinstance(error, NothingFound)):
        raise error
    if observed is None or policy == "retain":
        return Done(str(error))
    if policy == "delete" and not observed.is_written_by(mapping):
        return Done(f"not made by this mapping: kept; {error}")
    managers = mapping.managers
    keys_of_others = {key for other in observed.fields_of_other_managers(*managers) for key in other.keys}
    if policy == "delete" and observed.data.keys() <= observed.keys_owned_by(*managers) - keys_of_others:
        return Delete(observed.preconditions, str(error))
    return _plan_withdrawal(mapping, observed, str(error))


def _plan_withdrawal(mapping: SecretMapping, observed: Observed, why: str) -> Release | Done:
    """Return the action that gives up all fields of the mapping, under its name and its earlier names and prefixes.

    The apply keeps the type, since that of a Secret never changes. It also keeps an empty `data`: leaving that out
    would remove the keys that others have applied as `stringData`, since the API server does not count them as theirs.
    """
    for manager in mapping.managers:
        if observed.keys_owned_by(manager) and observed.immutable:
            raise Refused(f"Secret {mapping.spec.secret.name} is immutable and keeps its keys: delete it; {why}")
        if observed.keys_owned_by(manager) | observed.metadata_owned_by(manager):
            kept = {"type": observed.type, "data": {}} | ({"immutable": True} if observed.immutable else {})
            return Release(manager, observed.build_minimal_body(mapping.spec.secret.name) | kept, why)
    return Done(why)
