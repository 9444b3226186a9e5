"""What happened in the local cloud, and when: function logs, audit logs of the API servers, queues."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from keyferry_local.aws import Aws
from keyferry_local.controlplane import ControlPlane

STEP_SECONDS = 0.05


class NotSeenError(Exception):
    """Something that should have happened did not."""


def until[T](what: str, look: Callable[[], T | None], *, seconds: float = 30.0) -> T:
    """Look again and again until there is something to see, and return it.

    Raises:
        NotSeenError: there was nothing in that time.
    """
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise NotSeenError(f"{what}: not seen within {seconds:.0f} s")
        time.sleep(STEP_SECONDS)


def log_lines(aws: Aws, function: str, *, since: datetime) -> list[dict[str, Any]]:
    """Return the JSON lines that a function has logged since then, metrics among them, oldest first."""
    pages = aws.client("logs").get_paginator("filter_log_events")
    start = since.replace(microsecond=since.microsecond // 1000 * 1000)  # lines tell no more than milliseconds
    found = (
        _json(event["message"])
        for page in pages.paginate(logGroupName=f"/aws/lambda/{function}", startTime=int(start.timestamp() * 1000))
        for event in page["events"]  # whose time is that of the end of the invocation
    )
    return [line for line in found if line and ("timestamp" not in line or when(line["timestamp"]) >= start)]


def _json(text: str) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def when(text: str) -> datetime:
    """Return the time of a log line of Powertools, or of an audit event."""
    return datetime.fromisoformat(text.replace(",", ".")).astimezone(UTC)


@dataclass(frozen=True)
class Call:
    """One call to an API server, as its audit log has it."""

    at: datetime
    """When it was answered."""
    user: str
    verb: str
    resource: str
    namespace: str
    name: str
    status: int


def calls(cluster: ControlPlane, *, since: datetime) -> list[Call]:
    """Return the calls that an API server has answered since then."""
    found = (_call(json.loads(line)) for line in cluster.audit_log.read_text().splitlines() if line.endswith("}"))
    return [call for call in found if call.at >= since]


def _call(event: dict[str, Any]) -> Call:
    reference = event.get("objectRef") or {}
    return Call(
        at=when(event["stageTimestamp"]),
        user=event["user"].get("username", ""),
        verb=event["verb"],
        resource=reference.get("resource", ""),
        namespace=reference.get("namespace", ""),
        name=reference.get("name", ""),
        status=(event.get("responseStatus") or {}).get("code", 0),
    )


def depth(aws: Aws, url: str) -> int:
    """Return how many messages a queue holds, those under way included."""
    names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    ]
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(attributes.get(name, 0)) for name in names)
