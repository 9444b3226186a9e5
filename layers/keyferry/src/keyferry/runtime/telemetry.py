"""Log, count and settle the work of a Lambda function on its messages."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from keyferry.aws.sqs import MessageControl
from keyferry.model import Message
from keyferry.pipeline.settle import Settlement, settle_error

_SECONDS_SUFFIX = "Seconds"
"""Ends the name of a metric whose unit is seconds; all others are counts."""
_LEAKING_LOGGERS = ("boto3", "botocore", "kubernetes", "urllib3")
"""Loggers that at DEBUG write what they receive: secret values and sign-in tokens."""


class LambdaFunction:
    """The logger and metrics of one Lambda function, and how it handles a batch of messages."""

    def __init__(self) -> None:
        """Create the logger and the metrics; their service and namespace come from `POWERTOOLS_*`."""
        # Lambda takes a line without an RFC 3339 timestamp for level INFO.
        self.logger = Logger(use_rfc3339=True, utc=True)
        self.metrics = Metrics()
        for name in _LEAKING_LOGGERS:  # whatever level somebody sets for the function
            logging.getLogger(name).setLevel(logging.INFO)

    def count(self, values: Mapping[str, float]) -> None:
        """Add metrics, by name. Their only dimension is the service, never the name of a secret."""
        for name, value in values.items():
            unit = MetricUnit.Seconds if name.endswith(_SECONDS_SUFFIX) else MetricUnit.Count
            self.metrics.add_metric(name=name, unit=unit, value=value)

    def flush(self) -> None:
        """Write the metrics to the log, if there are any."""
        if self.metrics.metric_set:
            self.metrics.flush_metrics()

    def handle_messages(
        self,
        event: dict[str, Any],
        context: LambdaContext,
        settle: Callable[[Message], Settlement],
        get_control: Callable[[], MessageControl],
        *,
        done_text: str,
    ) -> dict[str, Any]:
        """Settle every message of a batch, and return the messages that are retried, as SQS batch item failures.

        Args:
            event: the event that Lambda made of the SQS messages.
            context: the context of the invocation.
            settle: does the work of one message; if it raises, the message is retried.
            get_control: returns the control of the queue that the function reads.
            done_text: the text of the log line for a message that is done.

        Raises:
            UnexpectedBatchTypeError: the event is not one of SQS (aws_lambda_powertools.utilities.batch).
        """

        def handle(record: SQSRecord) -> None:
            message = _parse_message(record)
            settlement = _carry_out(message, _settle_safely(message, settle), get_control)
            self._report(settlement, done_text)
            if settlement.is_retried:
                raise _RetryLater

        # The event source of the FIFO queue has batch size 1, so a batch never holds two messages of a group: the
        # plain processor serves both queues. If every message of a batch fails, that is not an error of the function.
        processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
        self.logger.set_correlation_id(None)
        try:
            return dict(
                process_partial_response(event=event, record_handler=handle, processor=processor, context=context)
            )
        finally:
            self.flush()

    def _report(self, settlement: Settlement, done_text: str) -> None:
        """Log and count what became of a message."""
        self.count(settlement.metrics())
        text = done_text if settlement.decision == "done" else settlement.decision
        getattr(self.logger, settlement.log_level)(text, extra=settlement.log_fields())


def _settle_safely(message: Message, settle: Callable[[Message], Settlement]) -> Settlement:
    try:
        return settle(message)
    except Exception as error:
        return settle_error(error)


def _carry_out(message: Message, settlement: Settlement, get_control: Callable[[], MessageControl]) -> Settlement:
    """Carry out the decision about a message, and return it; if that fails, return that the message is retried.

    A message must not leave its queue before it is on the dead-letter queue. A message that cannot be hidden is
    retried all the same, when its visibility timeout ends.
    """
    try:
        if settlement.decision == "dead letter":
            get_control().dead_letter(message, settlement)
        if settlement.decision == "retry later":
            get_control().retry_later(message)
    except Exception as error:
        return settlement.retry_instead(f"and the queue refuses it: {settle_error(error).reason}")
    return settlement


def _parse_message(record: SQSRecord) -> Message:
    return Message(
        body=record.body,
        id=record.message_id,
        receipt=record.receipt_handle,
        attempt=int(record.attributes.approximate_receive_count),
        sent=datetime.fromtimestamp(int(record.attributes.sent_timestamp) / 1000, UTC),
    )


class _RetryLater(Exception):
    """Tells the batch processor that the message stays on its queue."""
