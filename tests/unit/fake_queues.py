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
            left = self.fails.get(entry.get("MessageGroupId", ""), 0)
            if left:
                self.fails[entry.get("MessageGroupId", "")] = left - 1
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


@dataclass
class FakeLetters(FakeSqs):
    """SQS with dead letters: it hides what somebody has received, and of a FIFO group all that lies behind it."""

    letters: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Queue → its messages, the oldest first, as ReceiveMessage gives them, with `group` and `hidden`."""
    call: Callable[[str], object] = lambda _operation: None
    """What happens before each call, by its name."""
    undeletable: set[str] = field(default_factory=set)
    """Ids of the messages that SQS does not delete."""
    receives: int = 0

    def lay(self, url: str, message_id: str, body: str, sent: datetime, group: str = "", **attributes: str) -> None:
        """Let a message lie on a queue."""
        told = {name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()}
        message = {"MessageId": message_id, "Body": body, "MessageAttributes": told, "group": group, "hidden": False}
        message["Attributes"] = {"SentTimestamp": str(int(sent.timestamp() * 1000))}
        self.letters.setdefault(url, []).append(message)

    def ids(self, url: str) -> list[str]:
        """Return the ids of the messages that are on a queue, hidden or not."""
        return [message["MessageId"] for message in self.letters.get(url, ())]

    @property
    def hidden_ids(self) -> set[str]:
        """The ids of the messages that are hidden now."""
        return {each["MessageId"] for some in self.letters.values() for each in some if each["hidden"]}

    def receive_message(self, *, QueueUrl: str, MaxNumberOfMessages: int, **_more: Any) -> dict[str, Any]:  # noqa: ANN401, N803
        """Give messages that are not hidden, and hide them."""
        self.call("ReceiveMessage")
        messages = self.letters.get(QueueUrl, [])
        blocked = {message["group"] for message in messages if message["hidden"]} - {""}
        free = [message for message in messages if not message["hidden"] and message["group"] not in blocked]
        taken = free[:MaxNumberOfMessages]
        for message in taken:
            self.receives += 1
            message |= {"hidden": True, "ReceiptHandle": f"receipt-{self.receives}"}
        return {"Messages": [dict(message) for message in taken]} if taken else {}

    def delete_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """Delete messages by their receipts."""
        self.call("DeleteMessage")
        assert 0 < len(Entries) <= 10
        failed = []
        for entry in Entries:
            found = [each for each in self.letters[QueueUrl] if each.get("ReceiptHandle") == entry["ReceiptHandle"]]
            if any(each["MessageId"] in self.undeletable for each in found):
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
            else:
                self.letters[QueueUrl] = [each for each in self.letters[QueueUrl] if each not in found]
        return {"Failed": failed}

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """Let messages be visible again."""
        self.call("ChangeMessageVisibility")
        assert 0 < len(Entries) <= 10
        receipts = {entry["ReceiptHandle"]: entry["VisibilityTimeout"] for entry in Entries}
        assert set(receipts.values()) == {0}
        for message in self.letters[QueueUrl]:
            if message.get("ReceiptHandle") in receipts:
                message["hidden"] = False
        return {}

    def get_queue_attributes(self, *, QueueUrl: str, **_more: Any) -> dict[str, Any]:  # noqa: ANN401, N803
        """Count the messages."""
        messages = self.letters.get(QueueUrl, [])
        hidden = sum(message["hidden"] for message in messages)
        counts = {"": len(messages) - hidden, "NotVisible": hidden}
        return {"Attributes": {f"ApproximateNumberOfMessages{kind}": str(n) for kind, n in counts.items()}}

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """Keep the entries."""
        self.call("SendMessage")
        return super().send_message_batch(QueueUrl=QueueUrl, Entries=Entries)
