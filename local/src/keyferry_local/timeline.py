"""The hops of a change, as the function logs and the audit logs of the API servers have them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from keyferry.identity import IDENTITY
from keyferry_local.install import Installation
from keyferry_local.watch import Call, calls, log_lines, when


@dataclass(frozen=True)
class Hop:
    """One step of a change's way."""

    cluster: str
    name: str
    seconds: float
    """Since the change."""
    since_last: float


def hops(installed: Installation, since: datetime) -> list[Hop]:
    """Return the hops of the change that was made then, cluster by cluster.

    Args:
        installed: where it happened.
        since: the time right before the change.
    """
    routed = [
        when(line["timestamp"])
        for line in log_lines(installed.cloud.aws, installed.outputs["RouteFunction"], since=since)
        if line.get("count")
    ]
    told: list[Hop] = []
    for name, plane in installed.cloud.clusters.items():
        ours = [
            call for call in calls(plane, since=since) if call.user.startswith(IDENTITY.prefix) and call.status < 400
        ]
        points = [
            ("event routed: delivery sent", min(routed, default=None)),
            ("delivery begun: Secret observed", _first(ours, lambda c: (c.verb, c.resource) == ("get", "secrets"))),
            ("Secret written", _first(ours, lambda c: (c.verb, c.resource) == ("patch", "secrets"))),
            (
                "rollout begun: pod template stamped",
                _first(ours, lambda c: (c.verb, c.resource) == ("patch", "deployments")),
            ),
        ]
        last = since
        for title, at in points:
            if at:
                told.append(Hop(name, title, seconds(since, at), seconds(last, at)))
                last = at
    return told


def seconds(begin: datetime, end: datetime) -> float:
    """Return how long it took: two clocks can differ by a millisecond, which is no time below 0."""
    return max(0.0, (end - begin).total_seconds())


def _first(found: list[Call], chosen: Callable[[Call], bool]) -> datetime | None:
    return min((call.at for call in found if chosen(call)), default=None)
