"""Put events on the account's default event bus."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from keyferry.aws.errors import translate_errors
from keyferry.errors import Rejected, Unreachable
from keyferry.pipeline.notifications import Notification

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SILENT_SECONDS = 300.0
"""For how long EventBridge is not asked once it did not answer, as in a VPC without a way to it."""


class EventBus:
    """The default event bus. A failure of it is only told: nobody waits for it."""

    def __init__(
        self, create_client: "Callable[[], EventBridgeClient]", clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Do nothing yet.

        Args:
            create_client: returns a client of EventBridge, when it is first needed.
            clock: returns a time in seconds.
        """
        self._create_client, self._clock, self._silent_until = create_client, clock, 0.0

    def put(self, notifications: Sequence[Notification]) -> None:
        """Put events, ten at most.

        Raises:
            Unreachable: EventBridge does not answer, or did not a moment ago, and is not asked.
            Rejected: it did not take each of them.
            KeyferryError: as `keyferry.aws.errors.translate_errors` says.
        """
        if self._clock() < self._silent_until:
            raise Unreachable("events:PutEvents: EventBridge did not answer a moment ago, and is not asked")
        entries: Any = [notification.build_entry() for notification in notifications]
        try:
            with translate_errors("events:PutEvents on the default event bus"):
                answer = self._create_client().put_events(Entries=entries)
        except Unreachable:
            self._silent_until = self._clock() + SILENT_SECONDS
            raise
        failed = [entry["ErrorCode"] for entry in answer.get("Entries", []) if "ErrorCode" in entry]
        if failed:
            raise Rejected(f"events:PutEvents on the default event bus: {len(failed)} not taken: {failed[0]}")
