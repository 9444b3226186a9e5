"""Compare the metadata of a Secret with what its mapping asks for. Neither has a value in it."""

from collections.abc import Mapping
from datetime import datetime

from keyferry.delivery.contested import find_contest
from keyferry.delivery.desired import compute_revision
from keyferry.delivery.observed import KEYS, MAPPING, RESTART_DUE, REVISION, Observed
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Place, is_version
from keyferry.render.render import render_metadata


def compare_secret(
    mapping: SecretMapping,
    versions: Mapping[str, str | None],
    observed: Observed | None,
    place: Place,
    now: datetime,
) -> str:
    """Return the first difference between the metadata of a Secret and what its mapping asks for; empty if none.

    What a manager has again that was taken back from it is none: a delivery would only say the same for a day.

    Args:
        mapping: the mapping that the Secret belongs to.
        versions: the current version of each source, by alias; None if it is not known.
        observed: the Secret, with or without its data; None if it is missing.
        place: the cluster and namespace of the Secret.
        now: the current time.
    """
    policies = mapping.spec.policies
    if observed is None:
        return "" if policies.creation == "merge" else "the Secret is missing"
    if find_contest(mapping, observed, observed.get_journal_keys(), now):
        return ""
    restarts = "restarts are due" if RESTART_DUE in observed.annotations else ""
    if policies.creation == "createOnce":
        return restarts if observed.names(mapping) and mapping.spec.restart != "none" else ""
    return _compare_journal(mapping, versions, observed, place) or _compare_managers(mapping, observed) or restarts


def _compare_journal(
    mapping: SecretMapping, versions: Mapping[str, str | None], observed: Observed, place: Place
) -> str:
    """Return the first difference between the annotations and labels that Keyferry writes and their new values."""
    if observed.annotations.get(MAPPING) != mapping.journal_names[0]:
        return f"the annotation {MAPPING} differs"
    if observed.annotations.get(REVISION) != compute_revision(mapping):
        return "the mapping has changed"
    if None in versions.values():
        return "the version of a source is not known"
    if not _are_current(observed.get_journal_versions(), versions):
        return "a source has another version"
    written, known = observed.get_journal_keys(), mapping.spec.secret.possible_keys
    if not mapping.spec.secret.certain_keys <= written or (known is not None and not written <= known):
        return f"the annotation {KEYS} differs"
    if observed.get_differing_metadata(*render_metadata(mapping, place, {})):
        return "a label or an annotation differs"
    return ""


def _are_current(written: Mapping[str, str], current: Mapping[str, str | None]) -> bool:
    """Return whether the versions of a Secret are the current ones; a version in a Secret may end in its date."""
    return written.keys() == current.keys() and all(
        is_version(written[alias], version or "") for alias, version in current.items()
    )


def _compare_managers(mapping: SecretMapping, observed: Observed) -> str:
    """Return the first field or key that belongs to somebody else and should not; empty if there is none."""
    manager, *former_managers = mapping.managers
    written = observed.get_journal_keys()
    if not written <= observed.keys_owned_by(manager):
        return "somebody else has written a key"
    if any(entry.applies and entry.manager in former_managers for entry in observed.managed_fields):
        return "an earlier name of the mapping owns fields"
    if observed.owner_references and mapping.spec.policies.creation != "merge":
        return f"it is owned by {observed.owner_references[0]}"
    others = observed.fields_of_other_managers(manager)
    if mapping.spec.policies.keys == "exclusive" and any(other.keys - written for other in others):
        return "somebody else has added a key"
    return ""
