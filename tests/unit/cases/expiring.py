"""What `keyferry expiring` shows."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.shown import NOW, Case, FakeStack, deploy
from tests.unit.test_expiring import row


def day(days: int) -> str:
    """Return the time so many days from NOW."""
    return (NOW + timedelta(days=days)).isoformat()


def expire(monkeypatch: pytest.MonkeyPatch, _folder: Path) -> None:
    """Let a stack have certificates, rotations and values that are old."""
    overdue = {"name": "prod/payments/db", "changed": day(-40), "rotation": {"on": True, "next": day(-9)}}
    off = {"name": "prod/checkout/stripe/credentials", "changed": day(-400), "rotation": {"on": False}}
    rows = [
        row("payments", overdue, certificateExpires=day(-1)),
        row("shop", overdue, certificateExpires=day(20)),
        row("checkout-staging", off),
    ]
    deploy(monkeypatch, "expiring", FakeStack(rows))


def keep(monkeypatch: pytest.MonkeyPatch, _folder: Path) -> None:
    """Let a stack have nothing that expires, or whose age is known."""
    deploy(monkeypatch, "expiring", FakeStack([row("payments")]))


CASES = {
    "table": Case("expiring", 1, expire),
    "report": Case("expiring", prepare=keep),
    "error": Case("expiring --within 30", 2, keep),
}
