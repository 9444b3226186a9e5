"""The data that every layer shares: secret values, changes, deliveries and messages."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NoReturn

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

StoreName = Literal["secretsmanager", "parameterstore"]
"""The AWS stores that values come from: each is a module of `keyferry.stores`."""
ChangeKind = Literal["updated", "deleted", "restored", "rotation failed"]

PREFIX = "keyferry.dev"
"""Prefix of every annotation that Keyferry writes."""
MANAGED_BY = "app.kubernetes.io/managed-by"
"""The label that Keyferry sets on every Secret that it writes."""


class SecretValue:
    """The bytes of a secret value. Only `reveal` returns them.

    This is neither a mapping nor a dataclass, so that no logger and no serialiser can read the content.
    """

    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content = content

    def reveal(self) -> bytes:
        """Return the bytes. Call this only to render them or to write them to a cluster."""
        return self._content

    def __len__(self) -> int:
        """Return the size in bytes."""
        return len(self._content)

    def __eq__(self, other: object) -> bool:
        """Compare the contents in constant time."""
        return isinstance(other, SecretValue) and hmac.compare_digest(self._content, other._content)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "SecretValue(…)"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied, with a TypeError."""
        raise TypeError("a SecretValue cannot be serialised")

    __getstate__ = __reduce__


class RawValue(SecretValue):
    """A value that a template writes as it is, though it is no text, as Go's templates do."""

    __slots__ = ()


class MixedText(str):
    """A text of a template that has written a `RawValue`, whose bytes are escaped as `surrogateescape` does."""

    __slots__ = ()


@dataclass(frozen=True)
class SourceValue:
    """The value of one source at the time it was read."""

    content: SecretValue
    version: str
    """The version id. For a parameter, and for a source with failover, `<version id>@<date of the version, ISO 8601>`.

    A parameter needs the date since it starts at version 1 again where it is deleted and created again; with failover,
    regions are compared by it.
    """
    binary: bool = False
    """Whether a secret holds it as `SecretBinary`."""
    created: datetime | None = None
    """When this version was created."""
    served: str | None = None
    """The failover region that served the value; None where the first region did."""
    members: "Mapping[str, SourceValue] | None" = None
    """For a source with `find`: full name → value of each secret or parameter that it finds. None otherwise."""
    is_missing: bool = False
    """Whether no version has the label, so that there is no value: the keys that it fills are optional, or default."""

    def has_version(self, version_id: str) -> bool:
        """Return whether the value, or one of its members, is of this version."""
        values = [self] if self.members is None else self.members.values()
        return any(is_version(value.version, version_id) for value in values)


@dataclass(frozen=True)
class Rotation:
    """The rotation of a secret, as Secrets Manager's ListSecrets tells of it."""

    is_on: bool
    last: datetime | None = None
    """When it last succeeded; None if it never has."""
    next: datetime | None = None
    """By when the next one is to be done; None if it is not known."""


@dataclass(frozen=True)
class SourceState:
    """What a store tells of a source without its value."""

    version: str | None = None
    """The current version; None if it is not known, empty if no version has the label."""
    changed: datetime | None = None
    """When it was last changed; of a secret in any way, its tags included."""
    rotation: Rotation | None = None
    """None for what is not rotated by AWS, or not known."""
    key: str | None = None
    """The KMS key that it is under, as the store names it; None for AWS's own key, or if it is not known."""
    is_deleted: bool = False
    """Whether the store says that it is scheduled for deletion. Nothing else is known of it then."""

    @property
    def is_seen(self) -> bool:
        """Whether the store's listing has the source, as far as a listing can show it."""
        return self.version is not None or self.changed is not None


@dataclass(frozen=True)
class Place:
    """A namespace of a cluster: where a Secret is written."""

    cluster: str
    """The cluster's name in clusters.yaml."""
    namespace: str


@dataclass(frozen=True)
class Change:
    """A change of a secret or parameter, as an event reports it. It is a hint: the value is always read from AWS."""

    store: StoreName
    names: tuple[str, ...]
    """The name of the secret or parameter; two candidates where the event's identifier is ambiguous."""
    kind: ChangeKind
    event_id: str
    time: datetime
    label: str | None = None
    """The staging label that moved, if the event names one."""
    version: str | None = None
    """The version id that the event names, if any. Where AWS still serves another one, the value is read once more."""
    account: str | None = None
    """The account of the secret or parameter; None where the event does not say."""
    region: str | None = None
    """The region that the event is of; None where it does not say."""
    by: str | None = None
    """Who made the call, as AWS calls them, where the event names somebody: for people to read alone."""


class Record(BaseModel):
    """Base class of all validated input: unknown fields are errors, and error texts never quote the input."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True)


class Delivery(Record):
    """One message of the deliveries queue: write the current values of a mapping's sources to one cluster."""

    mapping: str
    cluster: str
    namespace: str | None = None
    """The only namespace to write to; None for all namespaces of the mapping."""
    event_id: str = Field(alias="eventId")
    time: AwareDatetime
    """When the change happened; the latency metric counts from here."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Alias of a source → version id that the event named."""
    deleted: list[str] = Field(default_factory=list)
    """Aliases of the sources that the event reports as deleted."""
    expires: AwareDatetime | None = None
    """When a delivery of a sweep is dropped, because the next sweep has begun and finds the same. None: of a change."""
    takes_back: bool = Field(default=False, alias="takesBack")
    """Whether keys are taken back also from managers from whom they were taken back a short time ago (`push`)."""
    restart: str | None = Field(default=None, pattern=r"^[0-9a-f]{16}$")
    """The nonce of a restart that somebody has asked for; each Secret remembers the last one. None: nobody has."""
    deaths: int = Field(default=0, ge=0)
    """How many times the function has died while it worked on the delivery."""
    since: AwareDatetime | None = None
    """When the first of its messages was sent, if this one took the place of one that was received too often."""

    @property
    def is_of_sweep(self) -> bool:
        """Whether a sweep sent it: then the next sweep finds again what this delivery cannot do."""
        return self.expires is not None

    @property
    def group(self) -> str:
        """The SQS message group id: one for each mapping and cluster, at most 128 characters.

        A delivery to a single namespace has a group of its own, so that a failing namespace does not block the others.
        """
        return shorten("/".join(filter(None, (self.mapping, self.cluster, self.namespace))), 128)

    def to_json(self) -> str:
        """Return the body of the message. Defaults are left out, so that the release before this one can read it."""
        return self.model_dump_json(by_alias=True, exclude_defaults=True)

    def log_fields(self) -> dict[str, str]:
        """Return the fields that name it in a log line: event id, mapping, cluster, and namespace if it is for one."""
        names = {"event_id", "mapping", "cluster", "namespace"}
        return self.model_dump(mode="json", exclude_none=True, include=names)

    @property
    def deduplication_id(self) -> str:
        """The SQS deduplication id: a hash of the event id and the target.

        It is not a hash of the body, since two messages with the same body can stand for two changes.
        """
        parts = [self.event_id, self.group, self.namespace or "", *([str(self.deaths)] if self.deaths else [])]
        return hashlib.sha256("/".join(parts).encode()).hexdigest()


class Expected(Record):
    """What a plan has foreseen of one target: a delivery of that plan refuses it where something of this has moved."""

    before: Literal["present", "missing", "unknown"]
    """Whether the Secret was there; unknown where nobody could look."""
    uid: str = ""
    """The uid of the Secret; empty for one that was not there."""
    resource_version: str = Field(default="", alias="resourceVersion")
    """Its resourceVersion before the delivery; empty for one that was not there."""
    revision: str
    """The revision of the mapping that is to be delivered."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Alias of a source → the version that is to be delivered; those that are not known are left out."""
    workloads: list[str] | None = None
    """The workloads that are to restart, as `Deployment/api`; None if they are not known."""


@dataclass(frozen=True)
class Message:
    """One SQS message, as a Lambda function receives it."""

    body: str
    id: str
    receipt: str
    """The receipt handle."""
    attempt: int
    """How many times the message was received, this time included (`ApproximateReceiveCount`)."""
    sent: datetime
    """When it was sent (`SentTimestamp`)."""

    @property
    def document(self) -> object:
        """The parsed JSON of the body; None where the body is not JSON."""
        return parse_json(self.body)

    @property
    def age_seconds(self) -> float:
        """How many seconds ago the message was sent."""
        return (datetime.now(UTC) - self.sent).total_seconds()


def parse_json(text: str) -> object:
    """Return the parsed JSON of a message or of a part of one; None where the text is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def format_time(time: datetime) -> str:
    """Return a time as ISO 8601 in UTC, to the second, as version ids contain it."""
    return time.astimezone(UTC).isoformat(timespec="seconds")


def format_moment(time: datetime) -> str:
    """Return a time as ISO 8601 in UTC, to the millisecond, as log lines have it."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds")


def split_version(version: str) -> tuple[str, str]:
    """Return a version's id and date, which an `@` divides; the date is empty where there is none."""
    version_id, at_sign, date = version.rpartition("@")
    return (version_id, date) if at_sign else (version, "")


def is_version(version: str, version_id: str) -> bool:
    """Return whether a version, with or without its date, has an id. The id may carry the same date."""
    return version_id in (version, split_version(version)[0])


def shorten(name: str, limit: int) -> str:
    """Return a name of at most `limit` characters: a longer one is cut and ends in a hash of the whole."""
    if len(name) <= limit:
        return name
    return f"{name[: limit - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
