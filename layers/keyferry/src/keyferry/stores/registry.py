"""The registry of the AWS stores that Keyferry can read from."""

from collections.abc import Iterator, Mapping
from re import Pattern
from typing import TYPE_CHECKING, Protocol

from keyferry.model import Change, StoreName
from keyferry.stores import parameter_store, secrets_manager
from keyferry.stores.envelope import Envelope, Ignored
from keyferry.stores.grant import Grant

if TYPE_CHECKING:
    from keyferry.stores.source import Source


class Store(Protocol):
    """What is specific to one store: the interface of its module in this folder. Its client is in `keyferry.aws`."""

    NAME: StoreName
    """The name of the store in Keyferry."""
    FIELD: str
    """The field of `Source`, and of a rule of the policy, for names in this store."""
    MAPPING_FIELD: str
    """The same field as mapping files call it."""
    NOUN: str
    """What one entry of the store is called in messages, such as `secret`."""
    EVENT_SOURCE: str
    """The `source` of its EventBridge events."""
    RESOURCE_TYPE: str
    """What the resource of an ARN begins with, before the name."""
    ALLOWED_NAMES: tuple[Pattern[str], str]
    """A pattern that whole names match, and the same in words."""
    MAX_NAME_LENGTH: int
    """How many characters a name has at most."""
    LENGTH_LIMIT: str
    """The same in words."""
    SAME_VERSIONS_IN_REPLICAS: bool
    """Whether a version has the same id in every region."""

    def parse_identifier(self, identifier: str, /) -> tuple[str, ...]:
        """Return the names that events can use for a secret or parameter, given its name or ARN."""

    def to_event_name(self, name: str, /) -> str:
        """Return a name in the form that events use."""

    def from_event_name(self, name: str, /) -> tuple[str, ...]:
        """Return the names that a name in an event can stand for."""

    def get_find_prefix(self, path: str, /) -> str:
        """Return the text that every name found by a `path` starts with."""

    def check_source(self, source: "Source", /) -> None:
        """Check what is specific to this store. Raises a ValueError that says what is right."""

    def list_doubts(self, source: "Source", /) -> Iterator[str]:
        """Yield what is right in a source, and perhaps not meant so: why, and what would be right."""

    def explain_missing(self, source: "Source", /) -> str:
        """Return why AWS perhaps does not know a source by its name, with the remedy; empty where nothing tells."""

    def get_watched_label(self, source: "Source", /) -> str | None:
        """Return the staging label that a source depends on: an event that moves another one does not concern it."""

    def reads_event_version(self, source: "Source", /) -> bool:
        """Return whether a source, by its label, reads the version that an event names."""

    def parse_event(self, event: Envelope, /) -> Change | Ignored:
        """Return the change that one of the store's events reports, or why the event is ignored."""

    def get_grants(self, source: "Source", /) -> Iterator[Grant]:
        """Yield the permissions for reading a source in its own region by a call of its own, without its replicas."""

    def get_batch_grants(self, source: "Source", /) -> Iterator[Grant]:
        """Yield the permissions for reading a source together with others; none where it is read by itself."""

    def get_listing_grants(self, source: "Source", /) -> Iterator[Grant]:
        """Yield the permissions for listing the version of a source, which a sweep compares; it reads no value.

        None where no listing shows the source.
        """


STORES: Mapping[StoreName, Store] = {store.NAME: store for store in (secrets_manager, parameter_store)}
"""Name → store."""
