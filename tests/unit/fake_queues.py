"""Sources and queues with memory."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from keyferry.errors import KeyferryError
from keyferry.model import Delivery, Message, SecretValue, SourceValue
from keyferry.stores.source import Source
from tests.unit.fakes import Calls


@dataclass
class FakeSources:
    """Secrets and parameters by identifier; each put makes a new version the current one."""

    held: dict[str, SourceValue] = field(default_factory=dict)
    errors: dict[str, KeyferryError] = field(default_factory=dict)
    """What AWS answers instead."""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def put(self, identifier: str, text: str, version: str | None = None) -> str:
        """Give a source a new current version, and return its id."""
        version = version or f"version-{next(self._numbers)}"
        self.held[identifier] = SourceValue(SecretValue(text.encode()), version)
        return version

    def reader(self, calls: Calls | None = None) -> Callable[[Source], SourceValue]:
        """Return how one process reads them."""
        made = calls or Calls()

        def read(source: Source) -> SourceValue:
            with made.call(f"source {source.identifier}"):
                found = self.errors.get(source.identifier) or self.held[source.identifier]
            if isinstance(found, KeyferryError):
                raise found
            return found

        return read

    def version(self, source: Source) -> str | None:
        """Return the current version, as the sweep asks for it."""
        return self.held[source.identifier].version


@dataclass
class FakeQueue:
    """A queue of deliveries."""

    sent: list[Delivery] = field(default_factory=list)
    failure: Exception | None = None

    def send(self, deliveries: Iterable[Delivery]) -> None:
        """Keep them."""
        if self.failure:
            raise self.failure
        self.sent += deliveries


def message(body: str, *, attempt: int = 1, age: float = 0.0) -> Message:
    """Return a message of that age in seconds."""
    return Message(body, "message-1", "receipt-1", attempt, datetime.now(UTC) - timedelta(seconds=age))
