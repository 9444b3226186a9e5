"""The function reconcile itself: what it does with its messages where the deployment around it is not right."""

import importlib.util
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from keyferry.aws.sqs import MessageControl
from keyferry.errors import InvalidInput
from keyferry.mapping.catalog import Catalog
from keyferry.pipeline.settle import UNKNOWN_NAME_SECONDS
from keyferry.runtime import wiring
from keyferry.runtime.compiled import COMPILED_FILE
from tests.unit.stack import ROOT

CONTEXT = SimpleNamespace(
    function_name="reconcile", aws_request_id="request-1", get_remaining_time_in_millis=lambda: 900_000
)
ARN = "arn:aws:sqs:eu-west-1:111122223333:sweeps"


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """The function in an environment whose folder of mappings is empty."""
    settings = {
        "KEYFERRY_MAPPINGS": str(tmp_path),
        "KEYFERRY_INBOX_QUEUE_URL": "http://127.0.0.1:9/111122223333/sweeps",
        "KEYFERRY_DELIVERIES_QUEUE_URL": "http://127.0.0.1:9/111122223333/deliveries.fifo",
        "POWERTOOLS_SERVICE_NAME": "reconcile",
        "POWERTOOLS_METRICS_NAMESPACE": "Keyferry",
        "POWERTOOLS_DEV": "false",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "canary-id",
        "AWS_SECRET_ACCESS_KEY": "canary-key",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    wiring.get_runtime.cache_clear()
    monkeypatch.setattr(MessageControl, "retry_later", lambda *_: None)
    spec = importlib.util.spec_from_file_location("reconcile_app", ROOT / "functions/reconcile/app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    wiring.get_runtime.cache_clear()


@pytest.fixture
def compiled(tmp_path: Path) -> None:
    """Compiled mappings: none at all."""
    (tmp_path / COMPILED_FILE).write_text(Catalog().model_dump_json(by_alias=True))


def sqs(body: str, age: float = 0.0) -> dict[str, Any]:
    sent = int((datetime.now(UTC) - timedelta(seconds=age)).timestamp() * 1000)
    record = {"eventSource": "aws:sqs", "eventSourceARN": ARN, "receiptHandle": "r", "messageId": "m0", "body": body}
    return {"Records": [record | {"attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": str(sent)}}]}


KEPT = {"batchItemFailures": [{"itemIdentifier": "m0"}]}
GONE: dict[str, list[Any]] = {"batchItemFailures": []}


@pytest.mark.parametrize("age", [0.0, 86_400.0])
def test_a_sweep_that_cannot_read_its_mappings_stays_on_its_queue(app: ModuleType, age: float) -> None:
    assert app.handler(sqs('{"reason": "schedule"}', age), CONTEXT) == KEPT


@pytest.mark.usefixtures("compiled")
def test_a_sweep_leaves_its_queue_once_it_is_done_and_is_counted(
    app: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.handler(sqs('{"reason": "schedule"}'), CONTEXT) == GONE
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["SweepsFinished"] == [1.0]


@pytest.mark.usefixtures("compiled")
def test_a_message_with_a_field_of_a_newer_release_waits_for_a_deployment(app: ModuleType) -> None:
    body = '{"reason": "schedule", "newer": 1}'
    assert app.handler(sqs(body), CONTEXT) == KEPT
    assert app.handler(sqs(body, UNKNOWN_NAME_SECONDS + 1), CONTEXT) == GONE


@pytest.mark.usefixtures("compiled")
def test_a_wrong_message_is_dropped_at_once(app: ModuleType) -> None:
    assert app.handler(sqs("garbage"), CONTEXT) == GONE


@pytest.mark.usefixtures("compiled")
def test_a_request_by_hand_is_answered_with_what_came_of_it(
    app: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = app.handler({}, CONTEXT)
    assert (answer["checked"], answer["not_compared"], answer["finished"]) == (0, 0, True)
    assert (answer["event_id"], answer["origin"]) == ("sweep-request-1", "by hand")  # the id is that of its deliveries
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["SweepsFinished"] == [1.0]
    with pytest.raises(InvalidInput, match="not understood: cluster"):
        app.handler({"cluster": 1}, CONTEXT)
