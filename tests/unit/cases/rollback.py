"""What `keyferry rollback` shows."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keyferry.cli.trace.pages import LogLines
from tests.unit.cases.history import NEW, OLD, SOURCE
from tests.unit.cases.trace import LoggingStack, line
from tests.unit.shown import Case, deploy
from tests.unit.test_cli_status import row
from tests.unit.test_rollback import Labels


class RollingStack(LoggingStack):
    """A deployed stack, with credentials."""

    session = SimpleNamespace()


def rotate(monkeypatch: pytest.MonkeyPatch, _folder: Path) -> None:
    """Let a secret have been rotated, which two clusters read; one of them is away."""
    workloads = [{"workload": f"Deployment/{name}", "reason": "restarted"} for name in ("api", "worker")]
    written = {"namespace": "payments", "did": "updated", "restart": "done", "workloads": workloads}
    deliver = [line(1.9, "delivered", mapping="payments-db", cluster="prod-eu", namespaces=[written])]
    routed: dict[str, Any] = {"change": "updated", "names": ["prod/payments/db"], "label": "AWSCURRENT", "version": OLD}
    sent: dict[str, Any] = {"deliveries": ["payments-db/prod-eu"], "count": 1}
    rows = [row(sources=[SOURCE | {"held": NEW}]), row("unknown", cluster="prod-us", sources=[SOURCE])]
    secrets = Labels()
    secrets.labels = {OLD: ["AWSPREVIOUS"], NEW: ["AWSCURRENT"]}
    secrets.more = {"RotationEnabled": True}

    def arrive() -> None:
        rows[0]["sources"] = [SOURCE | {"held": OLD}]
        deliver[0] |= {"message": "delivered", "versions": {"db": OLD}, "targets": {"updated": 1}, "seconds": 0.8}
        stack.logs = {"deliver": deliver, "route": [line(1.0, "routed", **routed, **sent)]}

    secrets.after_move, stack = arrive, RollingStack(rows, deliver=deliver)
    monkeypatch.setattr(stack, "list_attempts", lambda *_, **__: [LogLines(deliver)])
    monkeypatch.setattr(stack, "ask", lambda *_, **__: iter([{"rows": rows}]))
    deploy(monkeypatch, "rollback", stack)
    monkeypatch.setattr("keyferry.cli.commands.steer.rollback.PATIENCE_SECONDS", 0)
    monkeypatch.setattr("keyferry.cli.rollback.intent.open_client", lambda *_: secrets)


CASES = {
    "table": Case("rollback prod/payments/db --to AWSPREVIOUS --dry-run", prepare=rotate),
    "report": Case("rollback prod/payments/db --to 01234567 --yes", 1, rotate),
    "error": Case("rollback prod/payments/db --to AWSPREVIOS --yes", 1, rotate),
}
