"""Compare the metadata of a Secret with what its mapping asks for. Neither has a value in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from keyferry.delivery.contested import find_contest
from keyferry.delivery.desired import compute_revision
from keyferry.delivery.observed import KEYS, MAPPING, RESTART_DUE, REVISION, Observed
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Place, is_version
from keyferry.render.render import render_metadata

_NOT_KNOWN = "the version of a source is not known"

type State = Literal["right", "held", "stale", "restart due", "conflict", "gone", "unknown"]
"""How a Secret stands to its mapping and its sources.

right: as they ask for; held: as they ask for, and the mapping keeps it from newer versions; stale: it differs; restart
due: it is as they ask for, but not every workload has been restarted for it; conflict: somebody has written it again
after it was taken back, and nothing is done for a day; gone: it is missing; unknown: it could not be compared.
"""


@dataclass(frozen=True)
class Comparison:
    """What comes of the comparison of a Secret's metadata with its mapping and the versions of its sources."""

    state: State
    why: str = ""
    """The first difference, or what the state is for; empty if there is nothing to say."""

    @property
    def difference(self) -> str:
        """Why a delivery has to follow; empty if none has to."""
        return "" if self.state in ("right", "held", "conflict") else self.why


def compare_secret(
    mapping: SecretMapping,
    versions: Mapping[str, str | None],
    observed: Observed | None,
    place: Place,
    now: datetime,
) -> Comparison:
    """Compare the metadata of a Secret with what its mapping asks for.

    What a manager has again that was taken back from it needs no delivery: it would only say the same for a day.

    Args:
        mapping: the mapping that the Secret belongs to.
        versions: the current version of each source, by alias; None if it is not known.
        observed: the Secret, with or without its data; None if it is missing.
        place: the cluster and namespace of the Secret.
        now: the current time.
    """
    policies = mapping.spec.policies
    if observed is None:
        is_ours = policies.creation != "merge"
        return Comparison("gone", "the Secret is missing") if is_ours else Comparison("right", "nobody has made it yet")
    contest = find_contest(mapping, observed, observed.get_journal_keys(), now)
    if contest:
        return Comparison("conflict", str(contest))
    is_due = RESTART_DUE in observed.annotations
    if policies.creation == "createOnce":
        is_due = is_due and observed.names(mapping) and mapping.spec.restart != "none"
        difference = ""
    else:
        difference = _compare_journal(mapping, versions, observed, place) or _compare_managers(mapping, observed)
    if difference:
        return Comparison("unknown" if difference == _NOT_KNOWN else "stale", difference)
    if is_due:
        return Comparison("restart due", "restarts are due")
    held = _describe_hold(mapping)
    return Comparison("held", held) if held else Comparison("right")


def _describe_hold(mapping: SecretMapping) -> str:
    """Return what keeps a Secret from newer versions of its sources; empty if nothing does."""
    if mapping.spec.policies.creation == "createOnce":
        return "creation: createOnce"
    fixed = [f"{alias} has a fixed version" for alias, source in mapping.spec.sources.items() if source.version]
    return ", ".join(fixed)


def _compare_journal(
    mapping: SecretMapping, versions: Mapping[str, str | None], observed: Observed, place: Place
) -> str:
    """Return the first difference between the annotations and labels that Keyferry writes and their new values."""
    if observed.annotations.get(MAPPING) != mapping.journal_names[0]:
        return f"the annotation {MAPPING} differs"
    if observed.annotations.get(REVISION) != compute_revision(mapping):
        return "the mapping has changed"
    if None in versions.values():
        return _NOT_KNOWN
    if not _are_current(observed.get_journal_versions(), versions):
        return "a source has another version"
    written, known = observed.get_journal_keys(), mapping.spec.secret.possible_keys
    if not mapping.spec.certain_keys <= written or (known is not None and not written <= known):
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
