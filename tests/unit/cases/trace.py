"""What `keyferry trace` shows."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from keyferry.cli.trace.pages import LogLines
from tests.unit.shown import Case, FakeStack, deploy
from tests.unit.test_cli_status import row

EVENT = {"event_id": "6a7e8feb-b491-4cf7-a9f1-bf3703467711", "event_time": "2026-11-24T14:40:00.000+00:00"}
FORBIDDEN = "Forbidden: the cluster forbids to patch secrets/payments-db: grant the verb patch by RBAC"


class LoggingStack(FakeStack):
    """A deployed stack whose functions have logged these lines."""

    name = "keyferry"

    def __init__(self, rows: Sequence[dict[str, Any]], **logs: Sequence[dict[str, Any]]) -> None:
        super().__init__(rows)
        self.logs = logs

    def read_logs(self, function: str, _pattern: str, _since: datetime) -> LogLines:
        return LogLines(self.logs.get(function, ()), is_whole=True)

    def list_attempts(self, _since: datetime, **_more: object) -> list[LogLines]:
        return [LogLines([line for line in self.logs.get("deliver", ()) if line["message"] == "retry later"])]


def line(second: float, message: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    """Return a line of the event, so many seconds after it."""
    known = {"message": message, "timestamp": f"2026-11-24T14:40:{second:06.3f}+00:00", **EVENT, "attempt": 1}
    return known | more


def change(monkeypatch: pytest.MonkeyPatch, _folder: Path) -> None:
    """Let a secret have changed, which reached one cluster, and failed on the other."""
    workloads = [
        {"workload": "Deployment/web", "reason": "opted out", "why": "left alone: keyferry.dev/restart is false"},
        {"workload": "Deployment/api", "reason": "restarted", "by": ["envFrom"]},
    ]
    written = {"did": "updated", "why": "new content in password", "keys": ["password"], "restart": "done"}
    outcome = {"namespace": "payments", **written, "workloads": workloads, "seen": {"Deployment": 4, "StatefulSet": 0}}
    routed: dict[str, Any] = {
        "change": "updated",
        "names": ["prod/payments/db"],
        "label": "AWSCURRENT",
        "version": "0123456789",
    }
    sent: dict[str, Any] = {"deliveries": ["payments-db/prod-eu", "payments-db/prod-us"], "count": 2}
    target: dict[str, Any] = {"mapping": "payments-db", "versions": {"db": "0123456789"}}
    failed = {"namespace": "payments", "did": "failed", "error": FORBIDDEN}
    deliver = [
        line(1.1, "begun", mapping="payments-db", cluster="prod-eu"),
        line(1.9, "delivered", **target, cluster="prod-eu", seconds=0.8, namespaces=[outcome], targets={"updated": 1}),
        line(1.2, "begun", mapping="payments-db", cluster="prod-us"),
        line(1.7, "retry later", **target, cluster="prod-us", namespaces=[failed], next_try_seconds=4),
    ]
    sources = [{"alias": "db", "store": "secretsmanager", "name": "prod/payments/db"}]
    late = "a source has another version"
    rows = [row(sources=sources), row("stale", cluster="prod-us", why=late, sources=sources)]
    stack = LoggingStack(rows, route=[line(1.0, "routed", **routed, **sent)], deliver=deliver)
    deploy(monkeypatch, "trace", stack)


def stay(monkeypatch: pytest.MonkeyPatch, _folder: Path) -> None:
    """Let nothing have changed for hours."""
    deploy(monkeypatch, "trace", LoggingStack([row()]))


CASES = {
    "table": Case("trace prod/payments/db", 1, change),
    "report": Case("trace deployment/web -n payments --cluster prod-eu", 0, change),
    "answers": Case("trace deployment/apii -n payments", 1, change),
    "silence": Case("trace prod-eu/payments/payments-db", 0, stay),
    "error": Case("trace prod/paymnts/db", 1, stay),
}
