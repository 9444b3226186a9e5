"""Send deliveries to their SQS queue, and hide or dead-letter the messages of a queue."""

from collections.abc import Iterable, Iterator
from itertools import batched
from typing import TYPE_CHECKING

from keyferry.aws.errors import translate_errors
from keyferry.errors import Unreachable
from keyferry.formats.printable import escape
from keyferry.model import Delivery, Message
from keyferry.pipeline.settle import Settlement

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

MAX_ENTRIES = 10
"""How many messages SendMessageBatch takes."""
SEND_TRIES = 3
"""How often the entries of a batch are sent, before those that still fail are an error."""


class DeliveryQueue:
    """The FIFO queue of deliveries, for those who send to it."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client, self._url = client, url

    def send(self, deliveries: Iterable[Delivery]) -> None:
        """Send deliveries, in batches of ten.

        Raises:
            DeliverAgain: some could not be sent after three tries. The next attempt sends all of them again; SQS drops
                most of those that were sent already by their deduplication id, which it keeps for five minutes.
        """
        for chunk in batched(deliveries, MAX_ENTRIES, strict=False):
            self._send_batch(list(_build_entries(chunk)))

    def _send_batch(self, entries: "list[SendMessageBatchRequestEntryTypeDef]") -> None:
        for _ in range(SEND_TRIES):
            with translate_errors("sqs:SendMessage on the deliveries queue"):
                failed = self._client.send_message_batch(QueueUrl=self._url, Entries=entries).get("Failed", [])
            failed_ids = {failure["Id"] for failure in failed}
            entries = [entry for entry in entries if entry["Id"] in failed_ids]
            if not entries:
                return
        raise Unreachable(f"{len(entries)} deliveries could not be sent: {failed[0]['Code']}")


def _build_entries(deliveries: Iterable[Delivery]) -> "Iterator[SendMessageBatchRequestEntryTypeDef]":
    for number, delivery in enumerate(deliveries):
        yield {
            "Id": str(number),
            "MessageBody": delivery.to_json(),
            "MessageGroupId": delivery.group,
            "MessageDeduplicationId": delivery.deduplication_id,
        }


class MessageControl:
    """Control of the messages on the queue that a function reads: it can retry a message later, or dead-letter it."""

    def __init__(self, client: "SQSClient", url: str, dead_letters_url: str = "") -> None:
        self._client, self._url, self._dead_letters_url = client, url, dead_letters_url

    def retry_later(self, message: Message, seconds: int) -> None:
        """Hide a message for some seconds. If it has a message group, the group waits too."""
        with translate_errors("sqs:ChangeMessageVisibility on the queue that the function reads"):
            self._client.change_message_visibility(
                QueueUrl=self._url,
                ReceiptHandle=message.receipt,
                VisibilityTimeout=seconds,
            )

    def dead_letter(self, message: Message, settlement: Settlement) -> None:
        """Send a message to the dead-letter queue; reason, mapping, cluster, owner and attempt are its attributes."""
        delivery, owner = settlement.delivery, settlement.owner
        attributes = {"reason": settlement.reason[:1000], "attempt": str(message.attempt)}
        if delivery:
            attributes |= {"mapping": delivery.mapping, "cluster": delivery.cluster}
        attributes |= owner.model_dump(exclude_none=True) if owner else {}
        with translate_errors("sqs:SendMessage on the dead-letter queue"):
            self._client.send_message(
                QueueUrl=self._dead_letters_url,
                MessageBody=message.body,
                MessageGroupId=delivery.group if delivery else "unknown",
                MessageDeduplicationId=message.id,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": escape(text)} for name, text in attributes.items()
                },
            )
