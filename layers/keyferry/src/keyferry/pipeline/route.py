"""Turn an event into deliveries on the FIFO queue."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from keyferry.delivery.report import MAX_LISTED
from keyferry.mapping.catalog import Catalog
from keyferry.model import Change, Delivery
from keyferry.stores.envelope import Ignored
from keyferry.stores.events import parse

type Send = Callable[[Iterable[Delivery]], None]
"""Sends deliveries to their queue; raises DeliverAgain if some could not be sent."""


@dataclass(frozen=True)
class RouteReport:
    """The change that an event describes, and the deliveries that it causes."""

    change: Change | Ignored
    deliveries: tuple[Delivery, ...] = ()

    def metrics(self) -> dict[str, float]:
        """Return the value of each metric, by its name."""
        if isinstance(self.change, Ignored):
            return {"ChangesIgnored": 1}
        failed = {"RotationsFailed": 1.0} if self.change.kind == "rotation failed" else {}
        return {"ChangesSeen": 1, "ChangesUnmapped": 0 if self.deliveries or failed else 1} | failed

    def log_fields(self) -> dict[str, Any]:
        """Return the fields of the event's log line."""
        if isinstance(self.change, Ignored):
            return {"ignored": self.change.reason, "detail": self.change.detail[:200]}
        return {
            "event_id": self.change.event_id,
            "change": self.change.kind,
            "store": self.change.store,
            "names": list(self.change.names),
            "deliveries": [delivery.group for delivery in self.deliveries[:MAX_LISTED]],
            "count": len(self.deliveries),
        }


def route(event: object, catalog: Catalog, send: Send) -> RouteReport:
    """Send one delivery for each (mapping, cluster) that an event concerns.

    Args:
        event: the decoded JSON of an EventBridge event; any other document is ignored, with the reason.
        catalog: the mappings and clusters of this deployment.
        send: sends deliveries to their queue.

    Returns:
        The change, or why the event is ignored, and the deliveries that were sent.

    Raises:
        DeliverAgain: not every delivery could be sent.
    """
    report = plan_deliveries(event, catalog)
    send(report.deliveries)
    return report


def plan_deliveries(event: object, catalog: Catalog) -> RouteReport:
    """Return what `route` would send for an event, without sending it.

    A failed rotation leaves the current value as it was, so it causes no deliveries; it is only logged and counted.
    """
    change = parse(event)
    if isinstance(change, Ignored) or change.kind == "rotation failed":
        return RouteReport(change)
    return RouteReport(change, tuple(catalog.deliveries_of(change)))
