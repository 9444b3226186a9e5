"""What `keyferry dead-letters` shows."""

import importlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from keyferry.cli.stack import Stack
from keyferry.model import Delivery
from tests.unit.fake_queues import FakeLetters
from tests.unit.samples import envelope
from tests.unit.shown import NOW, Case, freeze

ARN = "arn:aws:sqs:eu-west-1:111122223333:keyferry-"
OUTPUTS = {f"{name}{kind}QueueUrl": f"{name}{kind}" for name in ("Changes", "Deliveries", "Sweeps") for kind in
           ("", "DeadLetters")} | {"EventsDeadLettersQueueUrl": "EventsDeadLetters"}  # fmt: skip
ARNS = {f"{name}QueueArn": f"{ARN}{name.lower()}" for name in ("Changes", "Sweeps")}
ARNS |= {"DeliveriesQueueArn": f"{ARN}deliveries.fifo"}
IDS = [f"3fa85f64-5717-4562-b3fc-2c963f66afa{number}" for number in range(10)]
MISSING_KEY = "mappings/payments.yaml:14: SourceUnusable: source db: the value has no `passwd`; it has: password, user"
AWAY = "ClusterUnreachable: cluster prod-us does not answer: timed out"
MOVED = envelope(
    "Secret Label Updated",
    "aws.secretsmanager",
    {"name": "prod/payments/db", "labelUpdated": "AWSCURRENT", "versionId": "version-2"},
)


def fill(sqs: FakeLetters) -> None:
    """Let a few letters lie on each queue."""
    for number in range(14):
        sent = Delivery(mapping="payments-db", cluster="prod-eu", event_id=f"event-{number}", time=NOW)
        told = {"reason": MISSING_KEY, "team": "payments", "contact": "#payments", "attempt": "1"}
        name = IDS[number] if number < 7 else f"{number}"
        at = NOW - timedelta(hours=30 - number)
        sqs.lay("DeliveriesDeadLetters", name, sent.to_json(), at, "payments-db/prod-eu", **told)
    away = Delivery(mapping="shop-session", cluster="prod-us", event_id="event-20", time=NOW, deleted=["session"])
    told = {"reason": AWAY, "attempt": "593"}
    sqs.lay("DeliveriesDeadLetters", IDS[7], away.to_json(), NOW - timedelta(minutes=5), "shop/prod-us", **told)
    refused = {"ERROR_CODE": "NO_PERMISSIONS", "ERROR_MESSAGE": "not authorized to perform: sqs:SendMessage"}
    told = refused | {"TARGET_ARN": f"{ARN}changes", "RULE_ARN": "arn:aws:events:eu-west-1:111122223333:rule/moved"}
    sqs.lay("EventsDeadLetters", IDS[8], json.dumps(MOVED), NOW - timedelta(seconds=40), **told)
    sqs.lay("EventsDeadLetters", IDS[9], json.dumps(MOVED), NOW - timedelta(seconds=30), **refused)


def deploy(monkeypatch: pytest.MonkeyPatch, sqs: FakeLetters) -> None:
    """Let the commands find a stack with these queues, at the time NOW."""
    session = SimpleNamespace(region_name="eu-west-1")
    arn = "arn:aws:cloudformation:eu-west-1:111122223333:stack/keyferry/1"
    stack = Stack(session, "keyferry", OUTPUTS | ARNS, arn=arn)  # type: ignore[arg-type]
    folder = "keyferry.cli.commands.steer.dead_letters"
    importlib.import_module(folder)
    monkeypatch.setattr("keyferry.cli.dead_letters.options.open_stack", lambda *_: stack)
    monkeypatch.setattr("keyferry.cli.dead_letters.listing.open_client", lambda *_: sqs.client)
    monkeypatch.setattr(f"{folder}.replay.open_client", lambda *_: sqs.client)
    monkeypatch.setattr(f"{folder}.replay.check_not_suspended", lambda *_: None)
    for module in ("look", "replay"):
        freeze(monkeypatch, f"{folder}.{module}")


def lay(fill_queues: Callable[[FakeLetters], None]) -> Callable[[pytest.MonkeyPatch, Path], None]:
    """Let these letters be there."""

    def prepare(monkeypatch: pytest.MonkeyPatch, _folder: Path) -> None:
        sqs = FakeLetters()
        fill_queues(sqs)
        deploy(monkeypatch, sqs)

    return prepare


CASES = {
    "table": Case("dead-letters list", 1, lay(fill)),
    "none": Case("dead-letters list", prepare=lay(lambda _sqs: None)),
    "show": Case(f"dead-letters show {IDS[0]} {IDS[8]}", prepare=lay(fill)),
    "report": Case("dead-letters replay --yes", 1, lay(fill)),
    "dropping": Case("dead-letters drop --dry-run", prepare=lay(fill)),
    "dropped": Case("dead-letters drop --queue events --yes", prepare=lay(fill)),
    "error": Case("dead-letters show gone", 1, lay(fill)),
}
