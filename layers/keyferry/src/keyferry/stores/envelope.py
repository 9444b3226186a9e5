"""The envelope of an EventBridge event, and the two things it can be parsed into: a change, or an ignored event."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from keyferry.formats.printable import escape
from keyferry.model import Change, ChangeKind, StoreName

TRAIL_TYPES = frozenset({"AWS API Call via CloudTrail", "AWS Service Event via CloudTrail"})
"""Detail types of the events that a CloudTrail trail sends to EventBridge."""


@dataclass(frozen=True)
class Ignored:
    """An event that is not a change."""

    reason: Literal[
        "not an event", "other source", "deployment", "no change", "failed call", "read-only call", "no name"
    ]
    """Why it is ignored. The texts are few and fixed, since a metric counts them."""
    detail: str
    """What the event was, for the log."""
    names: tuple[str, ...] = field(default=(), compare=False)
    """The name of the secret or parameter that it is about, or two candidates, where it is of a store."""
    event_id: str = field(default="", compare=False)
    """Empty where it is no event, as are the names."""
    time: datetime | None = field(default=None, compare=False)
    account: str | None = field(default=None, compare=False)
    """The account and the region that the event is of; None where it does not say."""
    region: str | None = field(default=None, compare=False)


MAX_LENGTH = 2048
"""Characters of the longest identifier, an ARN; what is longer is no name, label or version."""

type Printable = Annotated[str, AfterValidator(escape)]
"""Text of an event as it may be logged, shown and sent on."""


class Envelope(BaseModel):
    """The fields of an EventBridge event that Keyferry reads, without unprintable characters outside of `detail`.

    Source: "AWS service event metadata" in the EventBridge event reference.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    id: Annotated[Printable, Field(max_length=256)]
    """It goes into every delivery; EventBridge's own are UUIDs."""
    type: Printable = Field(alias="detail-type")
    source: Printable
    time: AwareDatetime
    account: Printable | None = None
    """The account that the event is of, also where it was forwarded from there; so is the region."""
    region: Printable | None = None
    resources: list[Printable] = Field(default_factory=list)
    detail: dict[str, Any]

    def to_change(
        self,
        store: StoreName,
        names: tuple[str, ...],
        kind: ChangeKind,
        *,
        label: str | None = None,
        version: str | None = None,
        account: str | None = None,
    ) -> Change | Ignored:
        """Return the change that the event reports; `Ignored` where there is no name.

        Args:
            store: the store that sent the event.
            names: the name of the secret or parameter; two candidates where the event is ambiguous.
            kind: what has happened.
            label: the staging label that moved.
            version: the version id that the event names.
            account: the account that the event's identifier names, if it is an ARN.
        """
        if not any(names):
            return Ignored("no name", self.type)
        return Change(
            store,
            names,
            kind,
            event_id=self.id,
            time=self.time,
            label=label,
            version=version,
            account=account or self.account,
            region=self.region,
            by=self.caller,
        )

    @property
    def caller(self) -> str | None:
        """Who made the call that a trail tells of: an ARN, or a service of AWS; None where the event names nobody.

        Source: "CloudTrail userIdentity element" in the CloudTrail user guide. A role's session has the name that
        whoever assumed it gave it, which often is a person's.
        """
        identity = self.detail.get("userIdentity")
        if not isinstance(identity, Mapping):
            return None
        return get_text(identity, "arn") or get_text(identity, "invokedBy")


def get_text(fields: Mapping[str, Any], key: str) -> str | None:
    """Return the text of a field; None where it is missing, empty, not text, not printable, or too long.

    No name, label or version has unprintable characters, and SQS refuses lone surrogates.
    """
    value = fields.get(key)
    return value if isinstance(value, str) and 0 < len(value) <= MAX_LENGTH and value.isprintable() else None
