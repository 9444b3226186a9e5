"""Keys that somebody else keeps writing: from whom they were taken back, and when that has to end.

A key of ours that another field manager has written is taken back, which writes content and restarts workloads. A
manager that writes the key again and again would have them restarted without end. So the apply that takes a key back
notes the manager on the Secret; what that manager takes again within a day is a Conflict (docs/decisions/0007).
"""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from keyferry.delivery.desired import Desired, compute_revision
from keyferry.delivery.observed import FIRST_MANAGER, RESTART_DUE, REVISION, Observed
from keyferry.errors import Conflict
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import format_time
from keyferry.wording import abridge

NOTED_FOR = timedelta(days=1)
"""For how long a note counts."""
MAX_MANAGERS = 10
"""From how many managers keys are taken back in that time. There are tools with another name for every write."""
UNKNOWN = "unknown"
"""Stands for who has removed a key of ours, or the managers of all fields: the API server does not say."""

type Notes = Mapping[str, datetime]
"""Field manager → when keys were taken back from it."""


@dataclass(frozen=True)
class Contest:
    """Fields that were taken back from a manager, and that it has again."""

    manager: str
    fields: tuple[str, ...]
    since: datetime
    """When fields were taken back from it; from the first of all managers, if there were too many."""

    def __str__(self) -> str:
        """Return what is the matter, and the remedy."""
        who = "somebody has removed" if self.manager == UNKNOWN else f"field manager {self.manager} has written"
        fields = abridge(", ".join(self.fields), 200)
        return (
            f"{who} {fields} again, after it was taken back at {format_time(self.since)}; nothing is"
            " written for a day after that"
        )


def find_contest(
    mapping: SecretMapping,
    observed: Observed,
    keys: Collection[str],
    now: datetime,
    forgets_before: datetime | None = None,
) -> Contest | None:
    """Return which fields of a Secret a manager has again that were taken back from it; None if there are none.

    Args:
        mapping: the mapping that writes the Secret.
        observed: the Secret, with or without its data.
        keys: the keys of the data that the mapping writes.
        now: the current time.
        forgets_before: as `select_notes` has it.
    """
    notes, lost = select_notes(mapping, observed, now, forgets_before), list_lost_fields(mapping, observed, keys)
    for manager, fields in lost.items():
        if manager in notes or len(notes) >= MAX_MANAGERS:
            return Contest(manager, tuple(sorted(fields)), notes.get(manager) or min(notes.values()))
    return None


def select_notes(
    mapping: SecretMapping, observed: Observed, now: datetime, forgets_before: datetime | None = None
) -> Notes:
    """Return the notes of a Secret that still count.

    Args:
        mapping: the mapping. If it has changed since, no note counts.
        observed: the Secret.
        now: the current time. Notes that are a day old do not count; nor do those from a day ahead, by a wrong clock.
        forgets_before: notes from before this time do not count either (`keyferry push`); None: there is no such time.
    """
    if observed.annotations.get(REVISION) != compute_revision(mapping):
        return {}
    earliest = forgets_before.replace(microsecond=0) if forgets_before else None  # notes have whole seconds
    return {
        manager: time
        for manager, time in observed.get_taken_back().items()
        if abs(now - time) < NOTED_FOR and (earliest is None or time >= earliest)
    }


def list_lost_fields(mapping: SecretMapping, observed: Observed, keys: Collection[str]) -> Mapping[str, set[str]]:
    """Return field manager → what it owns instead of us: keys that were ours, and `restart-due`.

    Args:
        mapping: the mapping.
        observed: the Secret. Nothing of one that this mapping has not written was ever ours.
        keys: the keys of the data that the mapping writes.
    """
    if not observed.is_written_by(mapping):
        return {}
    managers = mapping.managers
    not_owned = (observed.get_journal_keys() & set(keys)) - observed.keys_owned_by(*managers)
    others, lost = observed.fields_of_other_managers(*managers), defaultdict[str, set[str]](set)
    for other in others:
        fields = other.keys & not_owned
        if other.manager not in managers:  # our own updates: a Prune sets it
            fields |= other.annotations & {RESTART_DUE}
        if fields:
            lost[UNKNOWN if other.manager == FIRST_MANAGER else other.manager] |= fields
    removed = not_owned.difference(*(other.keys for other in others))
    if removed:
        lost[UNKNOWN] |= removed
    return lost


def take_notes(desired: Desired, observed: Observed, now: datetime, forgets_before: datetime | None) -> Notes:
    """Return the notes that the next apply has to carry: those that still count, and those of what it takes back.

    Args:
        desired: the desired state.
        observed: the Secret.
        now: the current time.
        forgets_before: as `select_notes` has it.

    Raises:
        Conflict: a manager has again what was taken back from it.
    """
    mapping, keys = desired.mapping, desired.data.keys()
    contest = find_contest(mapping, observed, keys, now, forgets_before)
    if contest:
        raise Conflict(
            f"Secret {desired.name}: {contest}: stop it there, then run `keyferry push {mapping.name}`, which takes it"
            " back at once"
        )
    lost = list_lost_fields(mapping, observed, keys)
    return {**select_notes(mapping, observed, now, forgets_before), **dict.fromkeys(lost, now)}


def format_notes(notes: Notes) -> str:
    """Return the text of the annotation `taken-back`; empty if there are none."""
    texts = {manager: format_time(time) for manager, time in notes.items()}
    return json.dumps(texts, separators=(",", ":"), sort_keys=True) if texts else ""
