"""What surrounds the work of a function: its logger, its metrics, and one way through the messages of a batch."""

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

SECONDS = "Seconds"
_TALKATIVE = ("boto3", "botocore", "kubernetes", "urllib3")
"""Loggers that at DEBUG write down what they receive: values, and sign-ins."""


class Function:
    """Logger and metrics of one function, and its way through the messages of a batch."""

    def __init__(self) -> None:
        """Make it. Service and namespace come from `POWERTOOLS_*`."""
        # Lambda takes the level of a line without an RFC 3339 timestamp for INFO.
        self.logger = Logger(use_rfc3339=True, utc=True)
        self.metrics = Metrics()
        for name in _TALKATIVE:  # whatever level somebody sets for the function
            logging.getLogger(name).setLevel(logging.INFO)

    def count(self, values: Mapping[str, float]) -> None:
        """Add metrics. Their only dimension is the service: never a secret's name."""
        for name, value in values.items():
            unit = MetricUnit.Seconds if name.endswith(SECONDS) else MetricUnit.Count
            self.metrics.add_metric(name=name, unit=unit, value=value)

    def flush(self) -> None:
        """Write the metrics, if there are any."""
        if self.metrics.metric_set:
            self.metrics.flush_metrics()

    def handle_messages(
        self,
        event: dict[str, Any],
        context: LambdaContext,
        work: Callable[[Message], Settlement],
        control: Callable[[], MessageControl],
        *,
        done: str,
    ) -> dict[str, Any]:
        """Work on every message of a batch; return the batch item failures, which are those that come back.

        Args:
            event: what SQS sent.
            context: the invocation.
            work: works on one message; where it raises, the message comes back.
            control: returns the queue that the function reads.
            done: what the log says of a message whose work is done.
        """

        def handle(record: SQSRecord) -> None:
            message = _message(record)
            settlement = _carry_out(message, _settle(message, work), control)
            self.count(settlement.metrics())
            line = done if settlement.decision == "done" else settlement.decision
            getattr(self.logger, settlement.log_level)(line, extra=settlement.log_fields())
            if settlement.is_retried:
                raise _Stays

        # A message group is never split: the event source of the FIFO queue has batch size 1. So the plain processor
        # serves both, and a batch of which all fail is no error of the function.
        processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
        self.logger.set_correlation_id(None)
        try:
            return dict(
                process_partial_response(event=event, record_handler=handle, processor=processor, context=context)
            )
        finally:
            self.flush()


def _settle(message: Message, work: Callable[[Message], Settlement]) -> Settlement:
    try:
        return work(message)
    except Exception as error:
        return settle_error(error)


def _carry_out(message: Message, settlement: Settlement, control: Callable[[], MessageControl]) -> Settlement:
    """Do with a message what was decided, and return what became of it in the end.

    It must not leave its queue before it is on the dead-letter queue. One that cannot be hidden comes back all the
    same, when its visibility timeout ends.
    """
    try:
        if settlement.decision == "dead letter":
            control().dead_letter(message, settlement)
        if settlement.decision == "retry later":
            control().retry_later(message)
    except Exception as error:
        return settlement.retry_instead(f"and the queue refuses it: {settle_error(error).reason}")
    return settlement


def _message(record: SQSRecord) -> Message:
    return Message(
        body=record.body,
        id=record.message_id,
        receipt=record.receipt_handle,
        attempt=int(record.attributes.approximate_receive_count),
        sent=datetime.fromtimestamp(int(record.attributes.sent_timestamp) / 1000, UTC),
    )


class _Stays(Exception):  # a signal to the batch processor
    """The message stays on its queue."""
