"""What becomes of a message: it leaves its queue, comes back later, or goes to the dead-letter queue with its reason.

A message leaves its queue only when what it asks for is done, when it is on the dead-letter queue, or when nothing can
come of it any more. The decision is made here for all functions; `keyferry.runtime.telemetry` carries it out.
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

UNKNOWN_SECONDS = 10 * 60
"""How long a delivery waits for a mapping that this deployment does not have: longer than a deployment takes."""
GIVE_UP_SECONDS = 24 * 60 * 60
"""How long a condition may take to pass before the delivery counts as one that never succeeds."""
MAX_DELAY_SECONDS = 300
METRICS = {"retry later": "MessagesRetried", "dead letter": "MessagesDeadLettered", "dropped": "MessagesDropped"}
"""What becomes of a message → the metric that counts it. What is done counts by its result alone."""


class Result(Protocol):
    """What came of the work on a message."""

    def log_fields(self) -> Mapping[str, Any]:
        """Return the fields of its log line."""

    def metrics(self) -> Mapping[str, float]:
        """Return metric name → value."""


@dataclass(frozen=True)
class Settlement:
    """What becomes of a message, and what is logged and counted of it."""

    fate: Literal["done", "retry later", "dead letter", "dropped"]
    result: Result | None = None
    reason: str = ""
    """Why it is not done."""
    delivery: Delivery | None = None
    """The delivery that it asks for, where it can be read."""
    owner: Team | None = None
    """The team that owns the mapping."""
    unexpected: bool = False
    """Whether an error that nobody foresaw is among the reasons."""

    @property
    def stays(self) -> bool:
        """Whether the message stays on its queue."""
        return self.fate == "retry later"

    @property
    def log_level(self) -> Literal["info", "warning", "error"]:
        """The level of the log line."""
        if self.fate == "done":
            return "info"
        return "warning" if self.stays and not self.unexpected else "error"

    def log_fields(self) -> dict[str, Any]:
        """Return the fields of the log line."""
        reason = {"reason": self.reason} if self.reason else {}
        return {**reason, **(self.result.log_fields() if self.result else {})}

    def metrics(self) -> dict[str, float]:
        """Return metric name → value."""
        counted = {METRICS[self.fate]: 1.0} if self.fate in METRICS else {}
        return {**counted, **(self.result.metrics() if self.result else {})}

    def kept(self, why: str) -> "Settlement":
        """Return that the message stays on its queue after all: what was to be done with it failed."""
        return replace(self, fate="retry later", reason=f"{self.reason}; {why}")


def settle_delivery(message: Message, deliver: Callable[[Delivery], Report]) -> Settlement:
    """Carry out the delivery that a message asks for, and decide what becomes of the message.

    Args:
        message: what was received.
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
        if message.age_seconds > UNKNOWN_SECONDS:
            return Settlement("dropped", report, str(error), delivery)
    except KeyferryError as error:
        report = Report(delivery, error=error)
    except Exception as error:
        report = Report(delivery, error=Unexpected(error))
    return _settle_report(message, delivery, report)


def settle_error(error: Exception) -> Settlement:
    """Return what becomes of a message whose work ended in an error: it comes back.

    Of an error that nobody foresaw neither text nor traceback is told: both can quote a value.
    """
    known = error if isinstance(error, KeyferryError) else Unexpected(error)
    return Settlement("retry later", reason=reason([known]), unexpected=isinstance(known, Unexpected))


def _settle_report(message: Message, delivery: Delivery, report: Report) -> Settlement:
    if not report.errors:
        return Settlement("done", report, delivery=delivery)
    may_pass = report.comes_back or _may_be_early(message, report)
    fate: Literal["retry later", "dead letter"] = (
        "retry later" if may_pass and message.age_seconds < GIVE_UP_SECONDS else "dead letter"
    )
    unexpected = any(isinstance(error, Unexpected) for error in report.errors)
    return Settlement(fate, report, reason(report.errors), delivery, report.owner, unexpected)


def _may_be_early(message: Message, report: Report) -> bool:
    """Return whether a source may not exist yet: an event can be ahead of what reads show."""
    return message.attempt == 1 and any(isinstance(error, SourceUnavailable) for error in report.errors)


def delay_seconds(attempt: int) -> int:
    """Return how many seconds to wait after a failed attempt: few at first, five minutes at most, jittered.

    Args:
        attempt: how often the message was received; from 1.
    """
    longest = min(MAX_DELAY_SECONDS, 2 * 2 ** min(attempt, 10))
    return random.randint(longest // 2, longest)  # noqa: S311  # jitter, no secret


def reason(errors: list[KeyferryError]) -> str:
    """Return one text for all errors, those that need repair first, each once."""
    ordered = sorted(errors, key=lambda error: not isinstance(error, NeedsRepair))
    texts = list(dict.fromkeys(f"{type(error).__name__}: {error}" for error in ordered))
    more = f" (and {len(texts) - 3} more)" if len(texts) > 3 else ""
    return "; ".join(texts[:3]) + more
