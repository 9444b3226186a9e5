"""Send deliveries to their SQS queue, and hide or dead-letter the messages of a queue."""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import batched
from typing import TYPE_CHECKING, Literal

from keyferry.aws.errors import translate_errors
from keyferry.deadline import Deadline
from keyferry.errors import OutOfTime, Unreachable
from keyferry.formats.printable import escape
from keyferry.model import Delivery, Message
from keyferry.pipeline.settle import Settlement

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import BatchResultErrorEntryTypeDef, SendMessageBatchRequestEntryTypeDef

MAX_ENTRIES = 10
"""How many messages SendMessageBatch takes."""
SEND_TRIES = 3
"""How often the entries of a batch are sent, before those that still fail are an error."""
SENDERS = 8
"""How many batches are under way at the same time. boto3 keeps ten connections."""

SLOW_SECONDS = 3
"""After how long without an answer SQS counts as silent: an error that it answers costs no time."""
SILENT_SECONDS = 10
"""For how long SQS is not asked to hide a message, once it was silent."""

type Watch = Callable[[Literal["sending", "sent"], Sequence[Delivery]], None]
"""Is told which deliveries SQS is asked to take, and then which of them it has taken. What is between the two where an
answer is lost may be on the queue."""


def _ignore(_step: str, _deliveries: Sequence[Delivery]) -> None:
    """Watch nothing."""


class DeliveryQueue:
    """The FIFO queue of deliveries, for those who send to it."""

    def __init__(self, client: "SQSClient", url: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client, self._url, self._sleep = client, url, sleep

    def send(self, deliveries: Iterable[Delivery], deadline: Deadline | None = None, watch: Watch = _ignore) -> None:
        """Send deliveries, in batches of ten of which several are under way at once.

        The order of the batches is random: where the time never suffices for all, other ones are first in the next try.

        Args:
            deliveries: the deliveries.
            deadline: after it no batch is begun; None for no end.
            watch: is told what becomes of them, in several threads at once.

        Raises:
            OutOfTime: some were not sent by the deadline.
            DeliverAgain: some could not be sent after three tries. The next attempt sends all of them again; SQS drops
                most of those that were sent already by their deduplication id, which it keeps for five minutes.
        """
        batches = list(batched(deliveries, MAX_ENTRIES, strict=False))
        random.shuffle(batches)
        with ThreadPoolExecutor(SENDERS) as pool:  # an error of a call ends it: batches that wait are not begun
            failures = list(pool.map(partial(self._send_batch, deadline=deadline, watch=watch), batches))
        codes = [code for batch in failures for code in batch]
        if codes:
            raise Unreachable(f"{len(codes)} deliveries could not be sent: {codes[0]}")

    def _send_batch(self, deliveries: Sequence[Delivery], deadline: Deadline | None, watch: Watch) -> list[str]:
        """Send a batch, and again what fails of it; return the error code of each delivery that still does."""
        failed: list[BatchResultErrorEntryTypeDef] = []
        left = {str(number): delivery for number, delivery in enumerate(deliveries)}
        for number in range(SEND_TRIES):
            if failed:
                self._sleep(random.uniform(0.1, 0.3) * 2**number)  # noqa: S311  # jitter, no secret
            if deadline and deadline.has_passed:
                raise OutOfTime
            watch("sending", list(left.values()))
            entries = [_build_entry(name, delivery) for name, delivery in left.items()]
            with translate_errors("sqs:SendMessage on the deliveries queue"):
                failed = self._client.send_message_batch(QueueUrl=self._url, Entries=entries).get("Failed", [])
            failed_ids = {failure["Id"] for failure in failed}
            watch("sent", [delivery for name, delivery in left.items() if name not in failed_ids])
            left = {name: delivery for name, delivery in left.items() if name in failed_ids}
            if not left:
                break
        return [failure["Code"] for failure in failed]


def _build_entry(name: str, delivery: Delivery) -> "SendMessageBatchRequestEntryTypeDef":
    return {
        "Id": name,
        "MessageBody": delivery.to_json(),
        "MessageGroupId": delivery.group,
        "MessageDeduplicationId": delivery.deduplication_id,
    }


class MessageControl:
    """Control of the messages on the queue that a function reads: retry one later, dead-letter it, or add one."""

    def __init__(
        self, client: "SQSClient", url: str, dead_letters_url: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._url, self._dead_letters_url = client, url, dead_letters_url
        self._clock, self._silent_until = clock, 0.0

    def retry_later(self, message: Message, seconds: int) -> None:
        """Hide a message for some seconds. If it has a message group, the group waits too.

        Raises:
            Unreachable: SQS does not answer, or did not a moment ago: then it is not asked, since waiting for it again
                and again could outlast the function. The message is hidden until its visibility timeout ends.
            KeyferryError: as `keyferry.aws.errors.translate_errors` says.
        """
        began = self._clock()
        if began < self._silent_until:
            raise Unreachable("sqs:ChangeMessageVisibility: SQS did not answer a moment ago, and is not asked")
        try:
            with translate_errors("sqs:ChangeMessageVisibility on the queue that the function reads"):
                self._client.change_message_visibility(
                    QueueUrl=self._url,
                    ReceiptHandle=message.receipt,
                    VisibilityTimeout=seconds,
                )
        except Unreachable:
            if self._clock() - began >= SLOW_SECONDS:
                self._silent_until = self._clock() + SILENT_SECONDS
            raise

    def send(self, body: str, delay_seconds: int = 0) -> None:
        """Send a message to the queue that the function reads, if it is not FIFO: work that continues later."""
        with translate_errors("sqs:SendMessage on the queue that the function reads"):
            self._client.send_message(QueueUrl=self._url, MessageBody=body, DelaySeconds=delay_seconds)

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
