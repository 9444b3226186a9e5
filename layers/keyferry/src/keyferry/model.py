"""The nouns that every layer shares: values, changes, deliveries."""

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
"""The label that every Secret of Keyferry's has."""


class SecretValue:
    """Bytes that must not be seen. They leave by `reveal` alone.

    Neither a mapping nor a dataclass, so that no logger or serialiser finds its way in.
    """

    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content = content

    def reveal(self) -> bytes:
        """Return the bytes. Call it only where they are rendered or written to the cluster."""
        return self._content

    def __len__(self) -> int:
        """Return the size in bytes."""
        return len(self._content)

    def __eq__(self, other: object) -> bool:
        """Compare content, in time that does not depend on it."""
        return isinstance(other, SecretValue) and hmac.compare_digest(self._content, other._content)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "SecretValue(…)"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("a SecretValue cannot be serialised")

    __getstate__ = __reduce__


@dataclass(frozen=True)
class SourceValue:
    """What one source held when it was read."""

    content: SecretValue
    version: str
    """Version id; for a parameter `<version>@<last modified, ISO 8601>`, since a parameter made anew counts from 1."""
    binary: bool = False
    created: datetime | None = None
    """When this version was made."""
    served: str | None = None
    """The region that served it, where that is not the first one."""
    found: "Mapping[str, SourceValue] | None" = None
    """The values of what was found, by full name, where the source is a find."""

    def shows(self, version: str) -> bool:
        """Return whether this is a version, or one of what was found is."""
        values = [self] if self.found is None else self.found.values()
        return any(is_version(each.version, version) for each in values)


@dataclass(frozen=True)
class Place:
    """Where a Secret goes."""

    cluster: str
    """As clusters.yaml calls it."""
    namespace: str


@dataclass(frozen=True)
class Change:
    """What an event says has happened, as far as it is believed: which secret or parameter it concerns."""

    store: StoreName
    names: tuple[str, ...]
    """The name; two where the event's identifier could be read as either."""
    kind: ChangeKind
    event_id: str
    time: datetime
    label: str | None = None
    """The staging label that moved, where the event says so."""
    version: str | None = None
    """The version that the event names: a hint when to read once more."""


class Record(BaseModel):
    """Base of everything that is read from outside: strict about names, silent about values."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True)


class Delivery(Record):
    """One message of the deliveries queue: bring this mapping on this cluster to the sources' current state."""

    mapping: str
    cluster: str
    namespace: str | None = None
    """Only this namespace; all that the mapping names otherwise."""
    event_id: str = Field(alias="eventId")
    time: AwareDatetime
    """When the change happened, for the time from event to write."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Source → version id that the event named."""
    deleted: list[str] = Field(default_factory=list)
    """Sources that the event says are deleted."""

    @property
    def group(self) -> str:
        """The FIFO message group: one (mapping, cluster), 128 characters at most.

        What is for one namespace alone has a group of its own: a team whose source fails holds up no other team.
        """
        return shorten("/".join(filter(None, (self.mapping, self.cluster, self.namespace))), 128)

    @property
    def deduplication_id(self) -> str:
        """The FIFO deduplication id, from the event and the group: the same body twice can be two real changes."""
        return hashlib.sha256(f"{self.event_id}/{self.group}/{self.namespace or ''}".encode()).hexdigest()


@dataclass(frozen=True)
class Message:
    """One message as SQS gives it to the function."""

    body: str
    id: str
    receipt: str
    attempt: int
    """How often it was received, this time included."""
    sent: datetime

    @property
    def document(self) -> object:
        """The JSON of its body; None where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def age_seconds(self) -> float:
        """How long ago it was sent."""
        return (datetime.now(UTC) - self.sent).total_seconds()


def moment(when: datetime) -> str:
    """Return a time as versions hold it."""
    return when.astimezone(UTC).isoformat(timespec="seconds")


def dated(version: str) -> tuple[str, str]:
    """Return the id of a version, and its date where it shows one behind an @."""
    number, at, date = version.rpartition("@")
    return (number, date) if at else (version, "")


def is_version(shown: str, version: str) -> bool:
    """Return whether a version, which may show its date, is the one that is asked for."""
    return version in (shown, dated(shown)[0])


def shorten(name: str, limit: int) -> str:
    """Return the name, cut to `limit` characters with a short hash at its end where it is longer."""
    if len(name) <= limit:
        return name
    return f"{name[: limit - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
