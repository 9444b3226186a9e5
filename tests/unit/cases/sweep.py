"""What `keyferry sweep` shows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.shown import Case
from tests.unit.test_cli_status import row
from tests.unit.test_cli_suspend import FakeSteered

FOUND: dict[str, Any] = {
    "event_id": "sweep-6a7e8feb",
    "origin": "by hand",
    "checked": 40,
    "count": 2,
    "sent": [
        {"mapping": "payments-db", "cluster": "prod-eu", "why": "payments: a source has another version"},
        {"mapping": "checkout-stripe", "cluster": "prod-us", "why": "checkout: the Secret is missing"},
    ],
    "not_compared": 3,
    "reasons": [
        {
            "mapping": "shop-session",
            "cluster": "prod-us",
            "targets": 3,
            "why": "Forbidden: the cluster forbids to get secrets/shop-session: grant the verb get by RBAC",
            "at": "mappings/shop.yaml:4",
        }
    ],
    "contested": [
        {
            "mapping": "ledger",
            "cluster": "prod-eu",
            "namespace": "ledger",
            "why": "argocd has the key password again",
            "at": "mappings/ledger.yaml:9",
        }
    ],
    "suspended": [
        {
            "mapping": "audit-log",
            "cluster": "prod-eu",
            "why": "mapping audit-log is suspended until 2026-11-25T12:00:00+00:00 by ada: the database moves",
        }
    ],
    "suspended_count": 1,
    "finished": False,
    "continued": True,
}
RIGHT: dict[str, Any] = {
    "checked": 40,
    "count": 0,
    "sent": [],
    "not_compared": 0,
    "reasons": [],
    "finished": True,
    "continued": False,
}


def answer(swept: Any, failure: str = "") -> Callable[[pytest.MonkeyPatch, Path], None]:  # noqa: ANN401
    """Let the function answer so."""

    def prepare(monkeypatch: pytest.MonkeyPatch, _folder: Path) -> None:
        FakeSteered(answer=json.dumps(swept), failure=failure).deploy(monkeypatch, "sweep")

    return prepare


def foresee(monkeypatch: pytest.MonkeyPatch, _folder: Path) -> None:
    """Let some targets differ."""
    rows = [row(), row("stale", namespace="shop", why="a source has another version"), row("gone", mapping="ledger")]
    rows.append(row("unknown", namespace="", why="ClusterUnreachable: cluster prod-us: no answer in time"))
    FakeSteered(rows).deploy(monkeypatch, "sweep")


UNKNOWN = {"errorType": "UnknownName", "errorMessage": "no mapping of this deployment has mapping payment-db"}
CASES = {
    "table": Case("sweep --yes", 1, answer(FOUND)),
    "report": Case("sweep --yes", prepare=answer(RIGHT)),
    "foreseen": Case("sweep --dry-run", 1, foresee),
    "error": Case("sweep --mapping payment-db --yes", 1, answer(UNKNOWN, "Unhandled")),
    "no-answer": Case("sweep", 2, answer(RIGHT)),
}
