"""Tell of deliveries on the event bus, after it is decided what becomes of their messages."""

import time
from collections.abc import Callable, Mapping

from keyferry.aws.event_bus import EventBus
from keyferry.aws.sessions import Sessions
from keyferry.errors import MappingsUnreadable
from keyferry.mapping.mapping import SecretMapping
from keyferry.pipeline.kubernetes_events import add_note
from keyferry.pipeline.notifications import Notification, list_notifications
from keyferry.pipeline.settle import Settlement, settle_error

METRIC = "NotificationsFailed"
"""Counts the deliveries of which not all was told."""
AGAIN_SECONDS = 3600.0
"""How long an environment does not tell the same failure again: a message can be tried 2,000 times in a day."""
MAX_TOLD = 1000
"""How many failures an environment remembers."""


class Announcer:
    """Tells of deliveries: of what was written each time, and of the same failure once an hour."""

    def __init__(self, bus: EventBus, stack: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Have told nothing yet.

        Args:
            bus: the event bus.
            stack: the name of the stack.
            clock: returns a time in seconds.
        """
        self._bus, self._stack, self._clock = bus, stack, clock
        self._told: dict[tuple[str, ...], float] = {}

    def announce(
        self,
        settlement: Settlement,
        get_mapping: Callable[[str], SecretMapping | None],
        count: Callable[[Mapping[str, float]], object],
    ) -> Settlement:
        """Tell of a delivery what there is to tell.

        Args:
            settlement: what became of its message.
            get_mapping: returns a mapping by its name; None for one that is gone.
            count: counts a failure.

        Returns:
            The settlement, with a note if not all was told. No error is raised.
        """
        try:
            mapping = get_mapping(settlement.delivery.mapping) if settlement.delivery else None
            told = list_notifications(settlement, mapping, self._stack) if mapping else []
            new = [each for each in told if not self._is_told(each)]
            if new:
                self._bus.put(new)
                self._remember(new)
        except MappingsUnreadable:  # the delivery says it, and has an alarm for it
            return settlement
        except Exception as error:
            count({METRIC: 1})
            return add_note(settlement, f"not told on the event bus: {settle_error(error).reason}")
        return settlement

    def _is_told(self, notification: Notification) -> bool:
        cause = notification.cause
        return cause is not None and self._clock() < self._told.get(cause, float("-inf")) + AGAIN_SECONDS

    def _remember(self, notifications: list[Notification]) -> None:
        for cause in filter(None, (each.cause for each in notifications)):
            self._told.pop(cause, None)
            self._told[cause] = self._clock()
        while len(self._told) > MAX_TOLD:
            del self._told[next(iter(self._told))]


def create_announcer(sessions: Sessions, environment: Mapping[str, str]) -> Announcer:
    """Return what tells of the deliveries of an environment, whose variables name the stack."""
    bus = EventBus(lambda: sessions.client("events", fail_fast=True))
    return Announcer(bus, environment.get("KEYFERRY_STACK", ""))
