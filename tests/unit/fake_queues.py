"""Queues with memory."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from keyferry.deadline import Deadline
from keyferry.model import Delivery, Message

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass
class FakeQueue:
    """A queue of deliveries."""

    sent: list[Delivery] = field(default_factory=list)
    failure: Exception | None = None

    def send(self, deliveries: Iterable[Delivery], _deadline: Deadline | None = None) -> None:
        """Keep them."""
        if self.failure:
            raise self.failure
        self.sent += deliveries


@dataclass
class FakeSqs:
    """SQS with memory: FIFO queues that drop what they have seen, and entries that fail as often as a test says."""

    kept: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    seen: set[tuple[str, str]] = field(default_factory=set)
    """The queue and deduplication id of each message that is kept."""
    batches: list[int] = field(default_factory=list)
    fails: dict[str, int] = field(default_factory=dict)
    """Message group → how often its entries still fail."""
    hidden: list[tuple[str, str, int]] = field(default_factory=list)
    error: Exception | None = None
    before: Callable[[], object] = lambda: None
    """What happens before each call: to take time, to wait for others."""

    @property
    def client(self) -> "SQSClient":
        """Return it as boto3's client."""
        return cast("SQSClient", self)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """Keep the entries that do not fail."""
        self.before()
        if self.error:
            raise self.error
        self.batches.append(len(Entries))
        failed = []
        for entry in Entries:
            left = self.fails.get(entry["MessageGroupId"], 0)
            if left:
                self.fails[entry["MessageGroupId"]] = left - 1
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
            else:
                self._keep(QueueUrl, entry)
        assert len({entry["Id"] for entry in Entries}) == len(Entries) <= 10
        return {"Failed": failed} if failed else {}

    def send_message(self, *, QueueUrl: str, **entry: Any) -> None:  # noqa: ANN401, N803
        """Keep a message."""
        if self.error:
            raise self.error
        self._keep(QueueUrl, entry)

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:  # noqa: N803
        """Remember what was hidden."""
        self.before()
        if self.error:
            raise self.error
        self.hidden.append((QueueUrl, ReceiptHandle, VisibilityTimeout))

    def _keep(self, url: str, entry: dict[str, Any]) -> None:
        key = url, entry.get("MessageDeduplicationId", "")
        if key not in self.seen or not key[1]:  # a queue that is not FIFO drops nothing
            self.seen.add(key)
            self.kept.setdefault(url, []).append(entry)


def message(body: str, *, attempt: int = 1, age: float = 0.0) -> Message:
    """Return a message of that age in seconds."""
    return Message(body, "message-1", "receipt-1", attempt, datetime.now(UTC) - timedelta(seconds=age))
