"""Logs and metrics of the functions, and what becomes of an error that nobody expected."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from keyferry.errors import KeyferryError, place
from keyferry.model import Message
from keyferry.pipeline.settle import delay_seconds

SECONDS = "Seconds"
_TALKATIVE = ("boto3", "botocore", "kubernetes", "urllib3")
"""Loggers that at DEBUG write down what they receive: values, and sign-ins."""


class Function:
    """What each function has around its work: logger, metrics, and one way to go through SQS records."""

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
        """Write the metrics, where there are any."""
        if self.metrics.metric_set:
            self.metrics.flush_metrics()

    def each_record(
        self,
        event: dict[str, Any],
        context: LambdaContext,
        work: Callable[[Message], None],
        postpone: Callable[[Message, int], None],
    ) -> dict[str, Any]:
        """Do the work for every SQS record of an event; return the batch item failures.

        Args:
            event: what SQS sent.
            context: the invocation.
            work: raises `NotDone` where the message has been postponed, any other error where it is to be.
            postpone: hides a message for so many seconds.
        """
        # A message group is never split: the event source of the FIFO queue has batch size 1. So the plain processor
        # serves both, and a batch of which all fail is no error of the function.
        processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
        self.logger.set_correlation_id(None)
        try:
            return dict(
                process_partial_response(
                    event=event, record_handler=self._guarded(work, postpone), processor=processor, context=context
                )
            )
        finally:
            self.flush()

    def _guarded(
        self, work: Callable[[Message], None], postpone: Callable[[Message, int], None]
    ) -> Callable[[SQSRecord], None]:
        def guarded(record: SQSRecord) -> None:
            message = _message(record)
            try:
                work(message)
            except NotDone:
                raise
            except Exception as error:
                self._tell(error)
            else:
                return
            self.count({"MessagesPostponed": 1})
            with suppress(Exception):  # it comes back all the same, when its visibility ends
                postpone(message, delay_seconds(message.attempt))
            raise NotDone

        return guarded

    def _tell(self, error: Exception) -> None:
        """Log an error; neither text nor traceback of one that nobody foresaw: both can quote a value."""
        kind = type(error).__name__
        if isinstance(error, KeyferryError):
            self.logger.warning("comes back", extra={"reason": f"{kind}: {error}"})
        else:
            self.logger.error("unexpected error", extra={"error": kind, "at": place(error)})


def _message(record: SQSRecord) -> Message:
    return Message(
        body=record.body,
        id=record.message_id,
        receipt=record.receipt_handle,
        attempt=int(record.attributes.approximate_receive_count),
        sent=datetime.fromtimestamp(int(record.attributes.sent_timestamp) / 1000, UTC),
    )


class NotDone(Exception):  # a signal
    """The message stays on its queue, for as long as it has been postponed."""
