"""One message of the deliveries queue: carry it out, and decide what becomes of the message.

A message leaves the queue only when the cluster has accepted the result, or when it lies on the dead-letter queue
with its reason.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
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


class Box(Protocol):
    """What can be done with a message, other than to let it go."""

    def postpone(self, message: Message, seconds: int) -> None:
        """Hide the message for so long."""
        ...

    def bury(self, message: Message, reason: str, delivery: Delivery | None, owner: Team | None) -> None:
        """Put the message on the dead-letter queue with its reason, and who answers for the mapping."""
        ...


@dataclass(frozen=True)
class Consumed:
    """What became of a message."""

    fate: Literal["delivered", "comes back", "dead letter", "dropped"]
    reason: str = ""
    report: Report | None = None

    @property
    def comes_back(self) -> bool:
        """Whether the message must stay on its queue."""
        return self.fate == "comes back"

    @property
    def log_level(self) -> Literal["info", "warning", "error"]:
        """How loud the log line is."""
        return "info" if self.fate == "delivered" else "warning" if self.fate == "comes back" else "error"

    def log_fields(self) -> dict[str, Any]:
        """Return the fields of the one log line of a delivery."""
        told = {"reason": self.reason} if self.reason else {}
        return told | (self.report.log_fields() if self.report else {})

    def metrics(self) -> dict[str, float]:
        """Return metric name → value."""
        fates = {"comes back": "DeliveriesPostponed", "dead letter": "DeliveriesBuried", "dropped": "DeliveriesDropped"}
        counted = {fates[self.fate]: 1.0} if self.fate in fates else {}
        return counted | (self.report.metrics() if self.report else {})


def consume(message: Message, deliver: Callable[[Delivery], Report], box: Box) -> Consumed:
    """Carry out the delivery of a message, and postpone or bury the message where it fails.

    Args:
        message: what was received.
        deliver: carries out a delivery; may raise any KeyferryError.
        box: the queue.
    """
    try:
        delivery = Delivery.model_validate_json(message.body)
    except ValidationError:
        return _bury(message, "not a delivery: the body does not follow the form of this version", None, None, box)
    try:
        report = deliver(delivery)
    except UnknownName as error:
        if message.age_seconds > UNKNOWN_SECONDS:
            return Consumed("dropped", str(error), Report(delivery, error=error))
        report = Report(delivery, error=error)
    except KeyferryError as error:
        report = Report(delivery, error=error)
    except Exception as error:
        report = Report(delivery, error=Unexpected(error))
    return _settle(message, delivery, report, box)


def _settle(message: Message, delivery: Delivery, report: Report, box: Box) -> Consumed:
    if not report.errors:
        return Consumed("delivered", report=report)
    if (report.comes_back or _may_be_early(message, report)) and message.age_seconds < GIVE_UP_SECONDS:
        return _postpone(message, reason(report.errors), report, box)
    return _bury(message, reason(report.errors), delivery, report, box)


def _may_be_early(message: Message, report: Report) -> bool:
    """Return whether a source may not be there yet: an event can be ahead of what reads show."""
    return message.attempt == 1 and any(isinstance(error, SourceUnavailable) for error in report.errors)


def _postpone(message: Message, why: str, report: Report, box: Box) -> Consumed:
    try:
        box.postpone(message, delay_seconds(message.attempt))
    except KeyferryError as error:  # it comes back all the same, when its visibility ends
        why = f"{why}; not postponed: {error}"
    return Consumed("comes back", why, report)


def _bury(message: Message, why: str, delivery: Delivery | None, report: Report | None, box: Box) -> Consumed:
    try:
        box.bury(message, why, delivery, report.owner if report else None)
    except KeyferryError as error:  # it must not leave its queue before it lies on the other one
        return Consumed("comes back", f"{why}; not put on the dead-letter queue: {error}", report)
    return Consumed("dead letter", why, report)


def delay_seconds(attempt: int) -> int:
    """Return how long to wait after a failed attempt: seconds at first, five minutes at most, jittered.

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
