"""Turn an event into deliveries on the FIFO queue."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from keyferry.delivery.report import MAX_LISTED
from keyferry.mapping.catalog import Catalog, Match
from keyferry.model import Change, Delivery, format_moment
from keyferry.stores.envelope import Ignored
from keyferry.stores.events import parse

type Send = Callable[[Iterable[Delivery]], None]
"""Sends deliveries to their queue; raises DeliverAgain if some could not be sent."""


@dataclass(frozen=True)
class RouteReport:
    """The change that an event describes, and the deliveries that it causes."""

    change: Change | Ignored
    deliveries: tuple[Delivery, ...] = ()
    matches: tuple[Mapping[str, str], ...] = ()
    """The sources that the change names, as `mapping` and `source`; with `not`, why no delivery follows for it."""

    def metrics(self) -> dict[str, float]:
        """Return the value of each metric, by its name."""
        if isinstance(self.change, Ignored):
            return {"ChangesIgnored": 1}
        failed = {"RotationsFailed": 1.0} if self.change.kind == "rotation failed" else {}
        return {"ChangesSeen": 1, "ChangesUnmapped": 0 if self.deliveries or failed else 1} | failed

    def log_fields(self) -> dict[str, Any]:
        """Return the fields of the event's log line."""
        if isinstance(self.change, Ignored):
            return {"ignored": self.change.reason, "detail": self.change.detail[:200], **_describe_event(self.change)}
        rejected = [match for match in self.matches if "not" in match]
        return {
            **_describe_event(self.change),
            "change": self.change.kind,
            "store": self.change.store,
            **{name: text for name in ("label", "version", "by") if (text := getattr(self.change, name))},
            "deliveries": [delivery.group for delivery in self.deliveries[:MAX_LISTED]],
            "count": len(self.deliveries),
            **({"rejected": rejected[:MAX_LISTED]} if rejected else {}),
        }


def _describe_event(change: Change | Ignored) -> dict[str, Any]:
    """Return which event it is, when and where it happened at AWS, and what it is about, as far as it says so."""
    fields = {
        "event_id": change.event_id,
        "event_time": format_moment(change.time) if change.time else "",
        "account": change.account,
        "region": change.region,
        "names": list(change.names),
    }
    return {key: value for key, value in fields.items() if value}


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
    if isinstance(change, Ignored):
        return RouteReport(change)
    matches = tuple(_list_matches(catalog, change))
    return RouteReport(
        change, () if change.kind == "rotation failed" else tuple(catalog.deliveries_of(change)), matches
    )


def _list_matches(catalog: Catalog, change: Change) -> Iterator[Mapping[str, str]]:
    for match in catalog.matches_of(change):
        why = _explain_rejection(catalog, change, match)
        yield {"mapping": match.mapping.name, "source": match.alias} | ({"not": why} if why else {})


def _explain_rejection(catalog: Catalog, change: Change, match: Match) -> str:
    """Return why no delivery follows for a source that a change names; empty if one does."""
    if change.kind == "rotation failed":
        return "a failed rotation leaves the current value as it was"
    if change.label not in (None, match.source.watched_label):
        label = match.source.label or match.source.watched_label
        return f"it reads the label {label}, and the event moves {change.label}"
    clusters = catalog.clusters_of(match.mapping)
    if not clusters:
        return "it has no cluster"
    if not any(match.concerns(cluster.name) for cluster in clusters):
        return f"it does not go to {' in '.join(filter(None, (match.namespace, match.cluster)))}"
    return ""
