"""What `keyferry status` shows."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.shown import NOW, Case, FakeStack, deploy
from tests.unit.test_cli_status import row
from tests.unit.test_suspensions import suspension


def deliver(monkeypatch: pytest.MonkeyPatch, _folder: Path) -> None:
    """Let a stack have targets in every state."""
    stale = row("stale", namespace="shop", since="2026-11-24T14:58:00+00:00", why="a source has another version")
    stale["sources"] = [stale["sources"][0] | {"wanted": "0123456789abcdef"}]
    forbidden = "Forbidden: the cluster forbids to patch secrets/checkout-stripe: grant the verb patch by RBAC"
    line = {
        "mapping": "checkout-stripe",
        "cluster": "prod-eu",
        "message": "retry later",
        "timestamp": "2026-11-24T14:59:00+00:00",
        "next_try_seconds": 300,
        "namespaces": [{"namespace": f"checkout-{name}", "error": forbidden} for name in ("eu", "staging")],
    }
    failed = [
        row("stale", mapping="checkout-stripe", secret="stripe-credentials", namespace=f"checkout-{name}")
        for name in ("eu", "staging")
    ]
    away = row("unknown", cluster="prod-us", namespace="", why="ClusterUnreachable: cluster prod-us: no answer in time")
    deploy(monkeypatch, "status", FakeStack([row(), stale, *failed, row("restart due"), away], [line]))


def agree(monkeypatch: pytest.MonkeyPatch, _folder: Path) -> None:
    """Let a stack have nothing that is not right."""
    deploy(monkeypatch, "status", FakeStack([row(), row("held", cluster="prod-us")]))


def suspend(monkeypatch: pytest.MonkeyPatch, _folder: Path) -> None:
    """Let two things be suspended, and a target differ."""
    far: dict[str, Any] = {"since": NOW, "until": NOW + timedelta(days=1000)}
    held = [suspension("payments-db", **far), suspension(on="prod-us", **far | {"reason": "upgrade, OPS-1234"})]
    deploy(monkeypatch, "status", FakeStack([row(), row("stale", namespace="shop")], suspended=held))


CASES = {
    "suspended": Case("status", 1, suspend),
    "table": Case("status", 1, deliver),
    "report": Case("status", prepare=agree),
    "error": Case("status payment-db", 1, agree),
}
