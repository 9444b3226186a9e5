"""The SQS queues: sending deliveries, and what becomes of messages."""

import json
from collections.abc import Iterable, Iterator
from itertools import batched
from typing import TYPE_CHECKING

from keyferry.aws.errors import translated
from keyferry.errors import Unreachable
from keyferry.model import Delivery, Message
from keyferry.pipeline.settle import Settlement, choose_delay_seconds

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

BATCH = 10
"""What SendMessageBatch takes."""
ROUNDS = 3
"""How often the failed entries of a batch are sent again before the event comes back."""


class DeliveryQueue:
    """The FIFO queue of deliveries, as senders see it."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client, self._url = client, url

    def send(self, deliveries: Iterable[Delivery]) -> None:
        """Send all, in batches of ten.

        Raises:
            DeliverAgain: some could not be sent after three rounds. Those that were sent are sent again with
                the next try, and mostly dropped by their deduplication id, which counts for five minutes.
        """
        for chunk in batched(deliveries, BATCH, strict=False):
            self._send(list(_entries(chunk)))

    def _send(self, entries: "list[SendMessageBatchRequestEntryTypeDef]") -> None:
        for _ in range(ROUNDS):
            with translated("sqs:SendMessage on the deliveries queue"):
                failed = self._client.send_message_batch(QueueUrl=self._url, Entries=entries).get("Failed", [])
            ids = {failure["Id"] for failure in failed}
            entries = [entry for entry in entries if entry["Id"] in ids]
            if not entries:
                return
        raise Unreachable(f"{len(entries)} deliveries could not be sent: {failed[0]['Code']}")


def _entries(deliveries: Iterable[Delivery]) -> "Iterator[SendMessageBatchRequestEntryTypeDef]":
    for number, delivery in enumerate(deliveries):
        yield {
            "Id": str(number),
            "MessageBody": delivery.model_dump_json(by_alias=True, exclude_none=True),
            "MessageGroupId": delivery.group,
            "MessageDeduplicationId": delivery.deduplication_id,
        }


class MessageControl:
    """The queue that a function reads: what can be done with a message of it, other than to let it go."""

    def __init__(self, client: "SQSClient", url: str, dead_letters_url: str = "") -> None:
        self._client, self._url, self._dead_letters_url = client, url, dead_letters_url

    def retry_later(self, message: Message) -> None:
        """Hide the message for as long as its attempts say. Its group, if it has one, waits with it."""
        with translated("sqs:ChangeMessageVisibility on the queue that the function reads"):
            self._client.change_message_visibility(
                QueueUrl=self._url,
                ReceiptHandle=message.receipt,
                VisibilityTimeout=choose_delay_seconds(message.attempt),
            )

    def dead_letter(self, message: Message, settlement: Settlement) -> None:
        """Put the message on the dead-letter queue, with reason, mapping, cluster, owner and attempt as attributes."""
        delivery, owner = settlement.delivery, settlement.owner
        attributes = {"reason": settlement.reason[:1000], "attempt": str(message.attempt)}
        if delivery:
            attributes |= {"mapping": delivery.mapping, "cluster": delivery.cluster}
        attributes |= owner.model_dump(exclude_none=True) if owner else {}
        with translated("sqs:SendMessage on the dead-letter queue"):
            self._client.send_message(
                QueueUrl=self._dead_letters_url,
                MessageBody=message.body,
                MessageGroupId=delivery.group if delivery else "unknown",
                MessageDeduplicationId=message.id,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": _printable(text)} for name, text in attributes.items()
                },
            )


def _printable(text: str) -> str:
    """Return the text with what an SQS attribute may not hold escaped."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
