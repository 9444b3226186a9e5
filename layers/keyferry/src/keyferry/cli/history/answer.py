"""The history of a secret or parameter, as `keyferry history --output json` has it. Times are ISO 8601 in UTC."""

from typing import NotRequired, TypedDict

from keyferry.delivery.report import Effect
from keyferry.delivery.work import Origin


class KnownVersion(TypedDict):
    """A version that AWS tells of, that a Secret has, or that the log names."""

    version: str
    """Its version id; of a parameter its number."""
    created: NotRequired[str]
    """When it was created, as far as it is known."""
    labels: list[str]
    """The staging labels that it has now; of a parameter none are known."""
    holders: list[str]
    """The Secrets that are made from it now, as `prod-eu/payments/payments-db`."""


class Written(TypedDict):
    """One write of a Secret that is made from it."""

    time: str
    """When the API server had answered."""
    secret: str
    """The Secret, as `prod-eu/payments/payments-db`."""
    mapping: str
    """The mapping that writes it."""
    did: Effect
    """What the write did."""
    why: str
    """What it was for."""
    version: NotRequired[str]
    """The version that the Secret has since then, or had until it was deleted."""
    origin: Origin
    """What the delivery came from."""
    eventId: str
    """Its event; `keyferry trace` follows it."""
    by: NotRequired[str]
    """Who made the call at AWS, where the event names somebody."""


class History(TypedDict):
    """The versions of a secret or parameter, and what was written of them."""

    what: str
    """What was asked about."""
    stack: str
    """The name of the stack."""
    since: str
    """How far back the log was read."""
    until: str
    """Until when."""
    keptDays: NotRequired[int]
    """For how many days the stack keeps its log; left out where its parameters do not say."""
    isWhole: bool
    """Whether the log was read to its end; it may be longer than there is patience."""
    versions: list[KnownVersion]
    """Its versions, the newest first."""
    writes: list[Written]
    """The writes since then, the newest first."""
