"""Queues with memory."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from keyferry.model import Delivery, Message


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
