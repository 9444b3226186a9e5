"""The AWS stores that Keyferry knows: a line for each."""

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
    """All that is peculiar to one store, given by a pure module. Its client in `keyferry.aws` reads it."""

    NAME: StoreName
    """What Keyferry calls it."""
    FIELD: str
    """The field of a source, and of a policy's rule, that names what it holds."""
    ALIAS: str
    """What mapping files call that field."""
    NOUN: str
    """What it holds, in the singular."""
    EVENT_SOURCE: str
    """The `source` of its events."""
    ALLOWED: tuple[Pattern[str], str]
    """What its names have: a pattern of the whole name, and words."""
    SAME_VERSIONS_IN_REPLICAS: bool
    """Whether a version has the same id in all regions."""

    def names(self, identifier: str, /) -> tuple[str, ...]:
        """Return the names by which events can call what a name or an ARN means."""

    def event_name(self, name: str, /) -> str:
        """Return a name as events have it."""

    def full_names(self, name: str, /) -> tuple[str, ...]:
        """Return the names that can stand behind one that an event has."""

    def find_prefix(self, path: str, /) -> str:
        """Return what the names begin with that a find by `path` can find."""

    def check(self, source: "Source", /) -> None:
        """Check what only this store can tell; raises ValueError with what is right."""

    def watched_label(self, source: "Source", /) -> str | None:
        """Return the label whose move changes what a source reads."""

    def reads_new_version(self, source: "Source", /) -> bool:
        """Return whether a source, by its label, reads the version that an event names."""

    def change(self, event: Envelope, /) -> Change | Ignored:
        """Return what one of its events tells of."""

    def grants(self, source: "Source", /) -> Iterator[Grant]:
        """Yield what reading a source takes, in the one region that it names."""


STORES: Mapping[StoreName, Store] = {store.NAME: store for store in (secrets_manager, parameter_store)}
