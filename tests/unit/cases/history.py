"""What `keyferry history` shows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keyferry.cli.history.versions import SecretVersion
from tests.unit.cases.trace import LoggingStack, line
from tests.unit.shown import NOW, Case, deploy
from tests.unit.test_cli_status import row

OLD, NEW = "01234567-89ab-cdef-0123-456789abcdef", "a1b2c3d4-5678-90ab-cdef-1234567890ab"
SOURCE: dict[str, Any] = {"alias": "db", "store": "secretsmanager", "name": "prod/payments/db"}


class RememberingStack(LoggingStack):
    """A deployed stack that says how long it keeps its log."""

    session, parameters = SimpleNamespace(), {"LogRetentionDays": "30"}


def audit(second: float, cluster: str, version: str, event_id: str, origin: str) -> dict[str, Any]:
    """Return the line of a write, so many seconds after 14:40."""
    sources = {"db": {"store": "secretsmanager", "name": "prod/payments/db", "version": version}}
    where = {"mapping": "payments-db", "cluster": cluster, "namespace": "payments", "secret": "payments-db"}
    done = {"did": "updated", "why": "new content in password", "sources": sources, "origin": origin}
    return line(second, "audit", **where, **done) | {"event_id": event_id}


def change(monkeypatch: pytest.MonkeyPatch, _folder: Path) -> None:
    """Let a secret have changed, which reached one cluster by its event, and the other by a sweep."""
    event, sweep = "6a7e8feb-b491-4cf7-a9f1-bf3703467711", "sweep-0d4b9f6e-7b58-4d0c-9a3e-2f1f4a0c9b7d"
    routed = line(1, "routed", names=["prod/payments/db"], version=NEW, by="arn:aws:iam::111122223333:user/ana")
    writes = [audit(1.9, "prod-eu", NEW, event, "event"), audit(52, "prod-us", NEW, sweep, "sweep")]
    sources = [SOURCE | {"held": NEW}]
    rows = [row(sources=sources), row(cluster="prod-us", sources=sources)]
    versions = [
        SecretVersion(NEW, datetime(2026, 11, 24, 14, 40, tzinfo=UTC), frozenset({"AWSCURRENT"})),
        SecretVersion(OLD, NOW - timedelta(days=90), frozenset({"AWSPREVIOUS"})),
    ]
    show(monkeypatch, RememberingStack(rows, route=[routed], deliver=writes), versions)


def rest(monkeypatch: pytest.MonkeyPatch, _folder: Path) -> None:
    """Let a parameter not have changed for a week."""
    source = {"alias": "tls", "store": "parameterstore", "name": "/prod/payments/tls"}
    show(monkeypatch, RememberingStack([row(sources=[source | {"held": "3@2026-09-01T00:00:00+00:00"}])]), [])


def show(monkeypatch: pytest.MonkeyPatch, stack: RememberingStack, versions: list[SecretVersion]) -> None:
    """Let a stack be there, and Secrets Manager have these versions."""
    deploy(monkeypatch, "history", stack)
    monkeypatch.setattr("keyferry.cli.commands.look.history.open_client", lambda *_: None)
    monkeypatch.setattr("keyferry.cli.commands.look.history.list_versions", lambda *_: versions)


CASES = {
    "table": Case("history prod/payments/db", prepare=change),
    "report": Case("history /prod/payments/tls --since 12h", prepare=rest),
    "error": Case("history prod/paymnts/db", 1, change),
}
