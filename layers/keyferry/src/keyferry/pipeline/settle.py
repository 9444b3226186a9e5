"""Decide what becomes of a message: it leaves its queue, is retried later, or goes to the dead-letter queue.

A message leaves its queue only if its work is done, if other messages carry on with it, if it is on the dead-letter
queue, or if the next sweep says the same again. The decision is made here for all functions;
`keyferry.runtime.telemetry` carries it out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from pydantic import ValidationError

from keyferry.delivery.report import Outcome, Report
from keyferry.errors import (
    ClusterUnavailable,
    DeliverAgain,
    FunctionDied,
    KeyferryError,
    MappingsUnreadable,
    NeedsRepair,
    OutOfTime,
    SourceUnavailable,
    Suspended,
    SuspensionsUnknown,
    Unexpected,
    UnknownField,
    UnknownName,
)
from keyferry.guides import link_error
from keyferry.mapping.mapping import Team
from keyferry.model import Delivery, Message
from keyferry.pipeline.alerts.failures import CLUSTER_METRIC, OWNER_METRIC, Metric, count_errors
from keyferry.pipeline.delays import choose_delay_seconds

UNKNOWN_NAME_SECONDS = 10 * 60
"""How long a delivery waits for a mapping, or for a release, that it needs: longer than a deployment takes."""
GIVE_UP_SECONDS = 24 * 60 * 60
"""How old a message may become before a failure that could pass counts as one that never will. Without mappings nothing
is known of the message: it waits for as long as SQS keeps it."""
MAX_DEATHS = 3
"""After how many deaths of its function a delivery is a dead letter."""
MAX_RECEIVES = 600
"""After how many receives a copy takes the place of a message: soon after, SQS itself moves it, without a reason. What
waits for a cluster is received about 2,000 times in a day."""
METRICS = {
    "retry later": "MessagesRetried",
    "dead letter": "MessagesDeadLettered",
    "dropped": "MessagesDropped",
    "superseded": "MessagesSuperseded",
    "replaced": "MessagesReplaced",
    "suspended": "MessagesSuspended",
}
"""The metric that counts each decision. A message that is done is counted by its result alone."""


class Result(Protocol):
    """The result of the work on a message: a report."""

    def log_fields(self) -> Mapping[str, Any]:
        """Return the fields of the log line."""

    def metrics(self) -> Mapping[str, float]:
        """Return the value of each metric, by its name."""


@dataclass(frozen=True)
class Settlement:
    """The decision about a message, with what is logged and counted for it."""

    decision: Literal["done", "retry later", "dead letter", "dropped", "superseded", "replaced", "suspended"]
    result: Result | None = None
    reason: str = ""
    """Why the message is not done; empty if it is."""
    delivery: Delivery | None = None
    """The delivery that the message asks for; None if the body is not a delivery."""
    owner: Team | None = None
    """The team that owns the mapping."""
    errors: tuple[KeyferryError, ...] = ()
    age_seconds: float = 0.0
    """The age of the message."""
    delay_seconds: int = 0
    """How long the message waits for its next attempt, if it is retried."""
    sweep_metrics: tuple[Metric, ...] = ()
    """The metrics by owner and by cluster of a sweep."""
    follow_ups: tuple[Delivery, ...] = ()
    """Deliveries that carry on with a part of the work. They are sent before the message leaves its queue."""

    @property
    def is_retried(self) -> bool:
        """Whether the message stays on its queue and is retried."""
        return self.decision == "retry later"

    @property
    def log_level(self) -> Literal["info", "warning", "error"]:
        """The level of the log line."""
        if self.decision in ("done", "superseded", "suspended"):
            return "info"
        is_unexpected = any(isinstance(error, Unexpected) for error in self.errors)
        return "warning" if self.decision in ("retry later", "replaced") and not is_unexpected else "error"

    def log_fields(self) -> dict[str, Any]:
        """Return the fields of the log line."""
        first = min(self.errors, key=lambda error: not isinstance(error, NeedsRepair), default=None)
        sent_on = [delivery.namespace or delivery.cluster for delivery in self.follow_ups[:50]]
        return {
            **({"reason": self.reason} if self.reason else {}),
            **({"help": link_error(type(first).__name__)} if first else {}),
            **({"next_try_seconds": self.delay_seconds} if self.is_retried and self.delay_seconds else {}),
            **({"follow_ups": len(self.follow_ups), "sent_on": sent_on} if sent_on else {}),
            **(self.delivery.log_fields() if self.delivery else {}),
            **(self.result.log_fields() if self.result else {}),
        }

    def metrics(self) -> dict[str, float]:
        """Return the value of each metric without a dimension of its own, by its name."""
        decisions = {METRICS[self.decision]: 1.0} if self.decision in METRICS else {}
        errors = dict.fromkeys(sorted(self._count_errors() - {OWNER_METRIC, CLUSTER_METRIC}), 1.0)
        return {**decisions, **errors, **(self.result.metrics() if self.result else {})}

    def dimensioned_metrics(self) -> list[Metric]:
        """Return the metrics by owner and by cluster."""
        if not self.delivery:
            return list(self.sweep_metrics)
        counted = self._count_errors()
        team = self.owner.team if self.owner else ""
        owner = [Metric(OWNER_METRIC, 1, ("owner", team))] if OWNER_METRIC in counted else []
        if CLUSTER_METRIC in counted:
            return [*owner, Metric(CLUSTER_METRIC, 1, ("cluster", self.delivery.cluster))]
        return owner

    def retry_instead(self, reason: str) -> "Settlement":
        """Return a copy that retries the message, because the first decision could not be carried out.

        Args:
            reason: why it could not; added to the reason of the first decision.
        """
        return replace(self, decision="retry later", reason=f"{self.reason}; {reason}", follow_ups=())

    def _count_errors(self) -> frozenset[str]:
        return count_errors(self.errors, leaves=not self.is_retried, age_seconds=self.age_seconds)


def settle_delivery(message: Message, deliver: Callable[[Delivery], Report]) -> Settlement:
    """Carry out the delivery that a message asks for, and decide what becomes of the message.

    Args:
        message: the message as it was received.
        deliver: carries out a delivery; may raise any error. `FunctionDied` means that it has died once more.
    """
    try:
        delivery = parse_delivery(message.body)
    except UnknownField as error:
        return _settle_unknown(message, None, error)
    except ValidationError:
        return Settlement("dead letter", reason="not a delivery: the body does not follow the form of this version")
    if delivery.expires and delivery.expires <= datetime.now(UTC):
        return Settlement("superseded", reason="a newer sweep has begun, and finds the same", delivery=delivery)
    message = replace(message, sent=min(message.sent, delivery.since or message.sent))
    try:
        report = deliver(delivery)
    except UnknownName as error:
        return _settle_unknown(message, delivery, error)
    except KeyferryError as error:
        report = Report(delivery, error=error)
    except Exception as error:
        report = Report(delivery, error=Unexpected(error))
    if isinstance(report.error, FunctionDied):
        return _settle_death(delivery, report, report.error)
    if isinstance(report.error, Suspended):  # no failure: the sweep after it finds what is left
        return Settlement("suspended", report, str(report.error), delivery, report.owner)
    return _settle_report(message, delivery, report)


def parse_delivery(body: str) -> Delivery:
    """Return the delivery in the body of a message.

    Raises:
        UnknownField: it has fields that this release does not know, and is right apart from that.
        ValidationError: it is no delivery (pydantic).
    """
    try:
        return Delivery.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        if any(problem["type"] != "extra_forbidden" for problem in problems):
            raise
    raise UnknownField("the message has fields of a newer release; it waits until that is deployed")


def settle_error(error: Exception) -> Settlement:
    """Return the settlement of a message whose work raised an error: it is retried.

    The reason has neither the text nor the traceback of an unexpected error: both can quote a secret value.
    """
    keyferry_error = error if isinstance(error, KeyferryError) else Unexpected(error)
    return Settlement("retry later", reason=summarize([keyferry_error]), errors=(keyferry_error,))


def _settle_unknown(message: Message, delivery: Delivery | None, error: UnknownName | UnknownField) -> Settlement:
    """Return the settlement of a message that this release, or its mappings, do not know: it waits for a deployment."""
    result = Report(delivery, error=error) if delivery else None
    settlement = Settlement("retry later", result, str(error), delivery, errors=(error,))
    if message.age_seconds <= UNKNOWN_NAME_SECONDS:
        return replace(settlement, delay_seconds=choose_delay_seconds(message.attempt, [error]))
    # Of a mapping that was removed nothing is left to do; what a newer release has sent may be a change.
    body = message.document
    is_lost = isinstance(error, UnknownField) and not (isinstance(body, dict) and "expires" in body)
    return replace(settlement, decision="dead letter" if is_lost else "dropped")


def _settle_death(delivery: Delivery, report: Report, error: FunctionDied) -> Settlement:
    """Return the settlement of a delivery that has killed its function: it is sent again, with the number of deaths."""
    deaths = delivery.deaths + 1
    if deaths < MAX_DEATHS:
        follow_up = delivery.model_copy(update={"deaths": deaths})
        return Settlement("replaced", report, str(error), delivery, report.owner, follow_ups=(follow_up,))
    reason = f"{error}; that was death number {deaths}"
    return Settlement(_choose_end(delivery), report, reason, delivery, report.owner, errors=(error,))


def _settle_report(message: Message, delivery: Delivery, report: Report) -> Settlement:
    follow_ups = tuple(
        delivery.model_copy(update={"namespace": outcome.namespace, "deaths": 0, "since": message.sent})
        for outcome in _split(delivery, report)
    )
    sent_on = {follow_up.namespace for follow_up in follow_ups}
    errors = [error for namespace, error in report.errors_by_namespace() if namespace not in sent_on]
    settlement = Settlement(
        "done", report, summarize(report.errors), delivery, report.owner, tuple(errors), message.age_seconds
    )
    if not report.errors:
        return settlement
    if not errors:
        return replace(settlement, decision="replaced", follow_ups=follow_ups)
    is_in_time = message.age_seconds < GIVE_UP_SECONDS or isinstance(
        report.error, MappingsUnreadable | SuspensionsUnknown
    )
    if any(_may_pass(error, message) for error in errors) and is_in_time:
        if message.attempt >= MAX_RECEIVES:
            copy = delivery.model_copy(update={"since": message.sent})
            return replace(settlement, decision="replaced", follow_ups=(copy,))
        # A delivery that has run out of time before it did anything will do so again: it does not come back at once.
        known = errors if report.outcomes or any(not isinstance(error, OutOfTime) for error in errors) else []
        return replace(settlement, decision="retry later", delay_seconds=choose_delay_seconds(message.attempt, known))
    return replace(settlement, decision=_choose_end(delivery), follow_ups=follow_ups)


def _choose_end(delivery: Delivery) -> Literal["dropped", "dead letter"]:
    """Return what becomes of a delivery that cannot succeed. What a sweep sent, the next sweep sends again."""
    return "dropped" if delivery.is_of_sweep else "dead letter"


def _split(delivery: Delivery, report: Report) -> list[Outcome]:
    """Return the namespaces that go on as deliveries of their own, so that the others do not wait for them.

    A delivery to one namespace is never split: that bounds the hops. Nor is one that stopped before its end, or of
    which no namespace is done: the cause is not in single namespaces. A source that is missing is asked for once more
    by the message itself, since it would be a dead letter for each namespace otherwise.
    """
    may_pass = [outcome for outcome in report.outcomes if isinstance(outcome.error, DeliverAgain)]
    stopped = any(isinstance(error, OutOfTime | ClusterUnavailable) for error in report.errors)
    if delivery.namespace or report.error or stopped or len(may_pass) == len(report.outcomes):
        return []
    return may_pass


def _may_pass(error: KeyferryError, message: Message) -> bool:
    """Return whether a later attempt can succeed. An event can arrive before AWS shows the new secret."""
    return isinstance(error, DeliverAgain) or (message.attempt == 1 and isinstance(error, SourceUnavailable))


def summarize(errors: list[KeyferryError]) -> str:
    """Return one text for several errors: each text once, errors that need repair first, three at most."""
    ordered = sorted(errors, key=lambda error: not isinstance(error, NeedsRepair))
    texts = list(dict.fromkeys(f"{error.at}: {error.title}" if error.at else error.title for error in ordered))
    more = f" (and {len(texts) - 3} more)" if len(texts) > 3 else ""
    return "; ".join(texts[:3]) + more
