"""Decide what becomes of a message: it leaves its queue, is retried later, or goes to the dead-letter queue.

A message leaves its queue only if its work is done, if it is on the dead-letter queue, or if no retry can help. The
decision is made here for all functions; `keyferry.runtime.telemetry` carries it out.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from pydantic import ValidationError

from keyferry.delivery.report import Report
from keyferry.errors import KeyferryError, NeedsRepair, SourceUnavailable, Unexpected, UnknownName
from keyferry.mapping.mapping import Team
from keyferry.model import Delivery, Message

UNKNOWN_NAME_SECONDS = 10 * 60
"""How long a delivery waits for a mapping that this deployment does not have: longer than a deployment takes."""
GIVE_UP_SECONDS = 24 * 60 * 60
"""How old a message may become before a failure that could pass counts as one that never will."""
MAX_DELAY_SECONDS = 300
METRICS = {"retry later": "MessagesRetried", "dead letter": "MessagesDeadLettered", "dropped": "MessagesDropped"}
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

    decision: Literal["done", "retry later", "dead letter", "dropped"]
    result: Result | None = None
    reason: str = ""
    """Why the message is not done; empty if it is."""
    delivery: Delivery | None = None
    """The delivery that the message asks for; None if the body is not a delivery."""
    owner: Team | None = None
    """The team that owns the mapping."""
    unexpected: bool = False
    """Whether one of the errors is `Unexpected`."""

    @property
    def is_retried(self) -> bool:
        """Whether the message stays on its queue and is retried."""
        return self.decision == "retry later"

    @property
    def log_level(self) -> Literal["info", "warning", "error"]:
        """The level of the log line."""
        if self.decision == "done":
            return "info"
        return "warning" if self.is_retried and not self.unexpected else "error"

    def log_fields(self) -> dict[str, Any]:
        """Return the fields of the log line."""
        reason = {"reason": self.reason} if self.reason else {}
        return {**reason, **(self.result.log_fields() if self.result else {})}

    def metrics(self) -> dict[str, float]:
        """Return the value of each metric, by its name."""
        decisions = {METRICS[self.decision]: 1.0} if self.decision in METRICS else {}
        return {**decisions, **(self.result.metrics() if self.result else {})}

    def retry_instead(self, reason: str) -> "Settlement":
        """Return a copy that retries the message, because the first decision could not be carried out.

        Args:
            reason: why it could not; added to the reason of the first decision.
        """
        return replace(self, decision="retry later", reason=f"{self.reason}; {reason}")


def settle_delivery(message: Message, deliver: Callable[[Delivery], Report]) -> Settlement:
    """Carry out the delivery that a message asks for, and decide what becomes of the message.

    Args:
        message: the message as it was received.
        deliver: carries out a delivery; may raise any error.
    """
    try:
        delivery = Delivery.model_validate_json(message.body)
    except ValidationError:
        return Settlement("dead letter", reason="not a delivery: the body does not follow the form of this version")
    try:
        report = deliver(delivery)
    except UnknownName as error:
        report = Report(delivery, error=error)
        if message.age_seconds > UNKNOWN_NAME_SECONDS:
            return Settlement("dropped", report, str(error), delivery)
    except KeyferryError as error:
        report = Report(delivery, error=error)
    except Exception as error:
        report = Report(delivery, error=Unexpected(error))
    return _settle_report(message, delivery, report)


def settle_error(error: Exception) -> Settlement:
    """Return the settlement of a message whose work raised an error: it is retried.

    The reason has neither the text nor the traceback of an unexpected error: both can quote a secret value.
    """
    keyferry_error = error if isinstance(error, KeyferryError) else Unexpected(error)
    return Settlement(
        "retry later", reason=summarize([keyferry_error]), unexpected=isinstance(keyferry_error, Unexpected)
    )


def _settle_report(message: Message, delivery: Delivery, report: Report) -> Settlement:
    if not report.errors:
        return Settlement("done", report, delivery=delivery)
    may_pass = report.can_retry or _may_be_early(message, report)
    decision: Literal["retry later", "dead letter"] = (
        "retry later" if may_pass and message.age_seconds < GIVE_UP_SECONDS else "dead letter"
    )
    unexpected = any(isinstance(error, Unexpected) for error in report.errors)
    return Settlement(decision, report, summarize(report.errors), delivery, report.owner, unexpected)


def _may_be_early(message: Message, report: Report) -> bool:
    """Return whether a source may not exist yet: an event can arrive before reads show the change."""
    return message.attempt == 1 and any(isinstance(error, SourceUnavailable) for error in report.errors)


def choose_delay_seconds(attempt: int) -> int:
    """Return how long to wait before the next attempt, in seconds, with jitter: a few at first, 300 at most.

    Args:
        attempt: how often the message was received, from 1.
    """
    longest = min(MAX_DELAY_SECONDS, 2 * 2 ** min(attempt, 10))
    return random.randint(longest // 2, longest)  # noqa: S311  # jitter, no secret


def summarize(errors: list[KeyferryError]) -> str:
    """Return one text for several errors: each text once, errors that need repair first, three at most."""
    ordered = sorted(errors, key=lambda error: not isinstance(error, NeedsRepair))
    texts = list(dict.fromkeys(f"{type(error).__name__}: {error}" for error in ordered))
    more = f" (and {len(texts) - 3} more)" if len(texts) > 3 else ""
    return "; ".join(texts[:3]) + more
