"""An EventBridge event as it arrives, and what becomes of it: a change, or a reason why it is none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from keyferry.model import Change, ChangeKind, StoreName

API_CALLS = frozenset({"AWS API Call via CloudTrail", "AWS Service Event via CloudTrail"})
"""Detail types of the events that a CloudTrail trail sends to EventBridge."""


@dataclass(frozen=True)
class Ignored:
    """Why an event is no change: a reason from a small fixed set, and what it was."""

    reason: Literal[
        "not an event", "other source", "deployment", "no change", "failed call", "read-only call", "no name"
    ]
    detail: str


class Envelope(BaseModel):
    """The fields of an EventBridge event that are looked at.

    Source: "AWS service event metadata" in the EventBridge event reference.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    id: str
    type: str = Field(alias="detail-type")
    source: str
    time: AwareDatetime
    resources: list[str] = Field(default_factory=list)
    detail: dict[str, Any]

    def change(
        self,
        store: StoreName,
        names: tuple[str, ...],
        kind: ChangeKind,
        *,
        label: str | None = None,
        version: str | None = None,
    ) -> Change | Ignored:
        """Return the change that the event tells of; ignored where it names no secret or parameter.

        Args:
            store: the store that sent it.
            names: what the secret or parameter is called; two where the event can be read either way.
            kind: what has happened.
            label: the staging label that moved.
            version: the version id that the event names.
        """
        if not any(names):
            return Ignored("no name", self.type)
        return Change(store, names, kind, event_id=self.id, time=self.time, label=label, version=version)


def text(fields: Mapping[str, Any], key: str) -> str | None:
    """Return the text of a field; None where it is missing, empty, no text, or cannot be printed.

    No name, label or version has what cannot be printed, and a queue takes no half characters.
    """
    value = fields.get(key)
    return value if isinstance(value, str) and value and value.isprintable() else None
