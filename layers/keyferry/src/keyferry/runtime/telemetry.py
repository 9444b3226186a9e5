"""Log, count and settle the work of a Lambda function on its messages."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from keyferry import __version__
from keyferry.aws.sqs import DeliveryQueue, MessageControl
from keyferry.deadline import Deadline
from keyferry.model import Delivery, Message
from keyferry.pipeline.alerts.failures import PIPELINE_METRIC, Metric
from keyferry.pipeline.delays import choose_delay_seconds
from keyferry.pipeline.settle import Settlement, settle_error

_SECONDS_SUFFIX = "Seconds"
"""Ends the name of a metric whose unit is seconds; all others are counts."""
SEND_SECONDS = 9
"""How long before the end of an invocation no more messages are sent: a call of SQS takes eight seconds at most."""
_LEAKING_LOGGERS = ("boto3", "botocore", "kubernetes", "urllib3")
"""Loggers that at DEBUG write what they receive: secret values and sign-in tokens."""


class Environment(Protocol):
    """What the settlement of messages needs: `keyferry.runtime.wiring.Runtime` has it."""

    @property
    def control(self) -> MessageControl:
        """Control of the messages on the queue that the function reads."""

    @property
    def queue(self) -> DeliveryQueue:
        """The queue that deliveries are sent to."""

    def choose_dimension(self, metric: Metric) -> Metric:
        """Return a metric under the owner, or the cluster, that has an alarm."""


class LambdaFunction:
    """The logger and metrics of one Lambda function, and how it handles a batch of messages."""

    def __init__(self) -> None:
        """Create the logger, whose lines all have the release, and the metrics; `POWERTOOLS_*` names both."""
        # Lambda takes a line without an RFC 3339 timestamp for level INFO.
        self.logger = Logger(use_rfc3339=True, utc=True, release=__version__)
        self.metrics = Metrics()
        for name in _LEAKING_LOGGERS:  # whatever level somebody sets for the function
            logging.getLogger(name).setLevel(logging.INFO)

    def log_begun(self, message: Message, delivery: Delivery) -> None:
        """Log that the work on a delivery begins: the last line of an invocation that dies."""
        attempt = {"attempt": message.attempt, "deaths": delivery.deaths, "message_id": message.id}
        self.logger.info("begun", extra={**delivery.log_fields(), **attempt})

    def log_audit(self, fields: Mapping[str, Any]) -> None:
        """Log one write of a Secret, at once: it has happened, whatever becomes of the delivery."""
        self.logger.info("audit", extra=dict(fields))

    def count(self, values: Mapping[str, float]) -> None:
        """Add metrics, by name. Their only dimension is the service, never the name of a secret."""
        for name, value in values.items():
            self.metrics.add_metric(name=name, unit=_get_unit(name), value=value)

    def count_apart(self, metrics: Iterable[Metric]) -> None:
        """Write metrics that have a dimension of their own beside the service."""
        for metric in metrics:
            with single_metric(
                name=metric.name,
                unit=_get_unit(metric.name),
                value=metric.value,
                namespace=self.metrics.namespace,
                default_dimensions={"service": metric.service or self.metrics.service or ""},
            ) as single:
                single.add_dimension(*metric.dimension)

    def flush(self) -> None:
        """Write the metrics to the log, if there are any."""
        if self.metrics.metric_set:
            self.metrics.flush_metrics()

    def handle_messages(
        self,
        event: dict[str, Any],
        context: LambdaContext,
        settle: Callable[[Message], Settlement],
        get_environment: Callable[[], Environment],
        *,
        done_text: str,
    ) -> dict[str, Any]:
        """Settle every message of a batch, and return the messages that are retried, as SQS batch item failures.

        Args:
            event: the event that Lambda made of the SQS messages.
            context: the context of the invocation.
            settle: does the work of one message; if it raises, the message is retried.
            get_environment: returns the queues that the function reads and sends to.
            done_text: the text of the log line for a message that is done.

        Raises:
            UnexpectedBatchTypeError: the event is not one of SQS (aws_lambda_powertools.utilities.batch).
        """
        deadline = Deadline.after(context.get_remaining_time_in_millis() / 1000 - SEND_SECONDS)

        def handle(record: SQSRecord) -> None:
            message = _parse_message(record)
            settlement = _carry_out(message, _settle_safely(message, settle), get_environment, deadline)
            self._report_safely(message, settlement, get_environment, done_text)
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

    def _report_safely(
        self, message: Message, settlement: Settlement, get_environment: Callable[[], Environment], done_text: str
    ) -> None:
        """Log and count what became of a message. What it is has been carried out: an error here does not change it."""
        try:
            self.count(settlement.metrics())
            # Only those need an environment, which may be what is wrong.
            self.count_apart(get_environment().choose_dimension(one) for one in settlement.dimensioned_metrics())
            text = done_text if settlement.decision == "done" else settlement.decision
            fields = settlement.log_fields() | {"attempt": message.attempt}
            getattr(self.logger, settlement.log_level)(text, extra=fields)
        except Exception as error:
            self.count({PIPELINE_METRIC: 1})
            # Not `exception`: a traceback can quote a value.
            self.logger.error("not reported", extra={"reason": settle_error(error).reason})  # noqa: TRY400


def _get_unit(name: str) -> MetricUnit:
    return MetricUnit.Seconds if name.endswith(_SECONDS_SUFFIX) else MetricUnit.Count


def _settle_safely(message: Message, settle: Callable[[Message], Settlement]) -> Settlement:
    try:
        return settle(message)
    except Exception as error:
        return settle_error(error)


def _carry_out(
    message: Message, settlement: Settlement, get_environment: Callable[[], Environment], deadline: Deadline
) -> Settlement:
    """Carry out the decision about a message, and return it; if that fails, return that the message is retried.

    A message must not leave its queue before it is on the dead-letter queue, and before what carries on with its work
    is on a queue. A message that cannot be hidden is retried all the same, when its visibility timeout ends.
    """
    try:
        if settlement.follow_ups:
            get_environment().queue.send(settlement.follow_ups, deadline)
        if settlement.decision == "dead letter":
            get_environment().control.dead_letter(message, settlement)
        if settlement.decision == "retry later":
            seconds = settlement.delay_seconds or choose_delay_seconds(message.attempt, settlement.errors)
            get_environment().control.retry_later(message, seconds)
            return replace(settlement, delay_seconds=seconds)
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
