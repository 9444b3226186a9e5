"""Look at the messages of a dead-letter queue, let others take their place, and delete them.

Of a message group of a FIFO queue, SQS gives ten messages at a time, and no further one before these are deleted or
visible again ("FIFO queue delivery logic in Amazon SQS"). So ten of a group can be listed, and those behind them come
once these have gone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from keyferry.aws.errors import translate_errors
from keyferry.aws.sqs import MAX_ENTRIES
from keyferry.cli.dead_letters.letter import DeadLetter, Letters, Replay

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

HIDDEN_SECONDS = 300
"""How long a message that was received stays hidden, unless it is released before: where that dies, it is back then."""
WAIT_SECONDS = 1
"""How long a receive waits. One that does not wait asks some servers of SQS alone, and misses what others have."""
MAX_LETTERS = 5_000
"""How many letters of a queue are looked at. Of one that is FIFO 20,000 can be hidden at the same time."""


@dataclass(frozen=True)
class Received:
    """A dead letter that is hidden from others, and the receipt handle to do something with it."""

    letter: DeadLetter
    receipt: str


class DeadLetterQueue:
    """A dead-letter queue, for those who work it off."""

    def __init__(self, client: "SQSClient", name: Letters, url: str) -> None:
        self._client, self.name, self._url = client, name, url

    def count(self) -> int:
        """Return how many messages lie there, hidden ones too: SQS knows it approximately."""
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        with self._translate("GetQueueAttributes"):
            answer = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)
        return sum(int(answer.get("Attributes", {}).get(name, 0)) for name in names)

    def receive_all(self, step: Callable[[], object] = lambda: None) -> Iterator[list[Received]]:
        """Yield the messages in batches of ten, each once: those that it still hides are visible again afterwards.

        Whoever takes a batch may delete messages of it, by `delete`: then others of their group can follow.

        Args:
            step: called after each batch.
        """
        held: dict[str, Received] = {}
        self._deleted: set[str] = set()
        try:
            while len(held) < MAX_LETTERS:
                batch = [each for each in self._receive() if each.letter.id not in held.keys() | self._deleted]
                if not batch:
                    return
                held |= {each.letter.id: each for each in batch}
                yield batch
                held = {id_: each for id_, each in held.items() if id_ not in self._deleted}
                step()
        finally:
            self._release([each for id_, each in held.items() if id_ not in self._deleted])

    def delete(self, received: Sequence[Received]) -> list[Received]:
        """Delete messages, and return those that could not be: they come back by themselves."""
        entries: Any = [{"Id": str(n), "ReceiptHandle": each.receipt} for n, each in enumerate(received)]
        if not entries:
            return []
        with self._translate("DeleteMessage"):
            answer = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
        failed = {int(entry["Id"]) for entry in answer.get("Failed", [])}
        self._deleted |= {each.letter.id for n, each in enumerate(received) if n not in failed}
        return [each for n, each in enumerate(received) if n in failed]

    def _receive(self) -> list[Received]:
        with self._translate("ReceiveMessage"):
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=MAX_ENTRIES,
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=WAIT_SECONDS,
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=["All"],
            )
        return [self._parse(message) for message in answer.get("Messages", [])]

    def _parse(self, message: Any) -> Received:  # noqa: ANN401  # one of boto3's generated types
        attributes = message.get("MessageAttributes", {})
        letter = DeadLetter(
            self.name,
            message["MessageId"],
            message["Body"],
            datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC),
            {name: value["StringValue"] for name, value in attributes.items() if "StringValue" in value},
        )
        return Received(letter, message["ReceiptHandle"])

    def _release(self, received: Sequence[Received]) -> None:
        """Let messages be visible again. One that cannot be now is so by itself, when its time is up."""
        for batch in batched(received, MAX_ENTRIES, strict=False):
            entries: Any = [
                {"Id": str(n), "ReceiptHandle": each.receipt, "VisibilityTimeout": 0} for n, each in enumerate(batch)
            ]
            with self._translate("ChangeMessageVisibility"):
                self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def _translate(self, operation: str) -> Any:  # noqa: ANN401  # a context manager
        return translate_errors(f"sqs:{operation} on the dead letters of the {self.name}")


def send_replays(client: "SQSClient", url: str, replays: Sequence[Replay]) -> dict[int, str]:
    """Send messages in the place of dead letters, ten at most and all to one queue.

    Args:
        client: a client of SQS.
        url: the queue.
        replays: the messages.

    Returns:
        Number of each message that SQS did not take → its error code.

    Raises:
        KeyferryError: AWS refused the call or gave no answer: it is not known whether they were sent.
    """
    entries: Any = [
        {"Id": str(number), "MessageBody": replay.body}
        | (
            {"MessageGroupId": replay.group, "MessageDeduplicationId": replay.deduplication_id}
            if replay.deduplication_id
            else {}
        )
        for number, replay in enumerate(replays)
    ]
    with translate_errors(f"sqs:SendMessage on the {replays[0].queue}"):
        answer = client.send_message_batch(QueueUrl=url, Entries=entries)
    return {int(entry["Id"]): entry["Code"] for entry in answer.get("Failed", [])}
