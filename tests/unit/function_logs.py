"""The logs of route, deliver and reconcile, as the functions write them about a world of clusters with memory."""

import io
import itertools
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from keyferry.delivery.passes import deliver
from keyferry.delivery.report import Report
from keyferry.delivery.work import Work
from keyferry.errors import KeyferryError
from keyferry.model import Delivery, Message
from keyferry.pipeline.reconcile import reconcile, settle_report
from keyferry.pipeline.route import route
from keyferry.pipeline.settle import Settlement, settle_delivery
from keyferry.pipeline.sweep import Sweep
from keyferry.runtime.telemetry import Environment, LambdaFunction
from keyferry.testing import Calls
from tests.unit.clusters import World
from tests.unit.fake_queues import FakeQueue
from tests.unit.samples import envelope

CONTEXT: Any = SimpleNamespace(
    get_remaining_time_in_millis=lambda: 60_000, function_name="test", aws_request_id="request-1"
)
ARN = "arn:aws:sqs:eu-west-1:111122223333:deliveries.fifo"
_numbers = itertools.count()

type Line = dict[str, Any]


class FunctionLogs:
    """A stack at work on a world: what its functions do with messages, and what they write of it."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.queue = world, FakeQueue()
        self.functions = {name: _create(name, monkeypatch) for name in ("route", "deliver", "reconcile")}
        control = SimpleNamespace(retry_later=lambda *_: None, dead_letter=lambda *_: None)
        fields = {"control": control, "queue": self.queue, "choose_dimension": lambda metric: metric}
        self.environment = cast("Environment", SimpleNamespace(**fields))

    @property
    def lines(self) -> dict[str, list[Line]]:
        """The end of a function's name → its lines, oldest first."""
        return {name: list(map(json.loads, log.getvalue().splitlines())) for name, (_, log) in self.functions.items()}

    def move(self, event_id: str, name: str = "prod/payments/db", *, label: str = "AWSCURRENT", **more: Any) -> str:  # noqa: ANN401
        """Let route take the event of a label that has moved a second ago; return its id."""
        detail = {"name": name, "labelUpdated": label, "versionId": "version-2"}
        moment = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
        event = envelope("Secret Label Updated", "aws.secretsmanager", detail, id=event_id, time=moment, **more)
        done = lambda message: Settlement("done", route(message.document, self.world.catalog, self.queue.send))  # noqa: E731
        self._handle("route", json.dumps(event), done, "routed")
        return event_id

    def deliver_all(self, *, attempt: int = 1, error: KeyferryError | None = None, calls: Calls | None = None) -> None:
        """Let deliver take every message that waits; with an error, each fails by it."""
        waiting, self.queue.sent = self.queue.sent, []
        for asked in waiting:
            self.deliver(asked, attempt=attempt, error=error, calls=calls)

    def deliver(
        self, asked: Delivery, *, attempt: int = 1, error: KeyferryError | None = None, calls: Calls | None = None
    ) -> None:
        """Let deliver take one message."""

        def work(delivery: Delivery) -> Report:
            if error:
                return Report(delivery, error=error)
            return deliver(self._prepare(delivery, calls))

        def settle(message: Message) -> Settlement:
            message = replace(message, attempt=attempt)
            self.functions["deliver"][0].log_begun(message, asked)
            return settle_delivery(message, work)

        self._handle("deliver", asked.to_json(), settle, "delivered", attempt)

    def _prepare(self, delivery: Delivery, calls: Calls | None) -> Work:
        mapping, cluster = self.world.catalog.get(delivery.mapping, delivery.cluster)
        client = self.world.clusters[cluster.name].client(calls or Calls())
        read = lambda _sources: self.world.sources.create_reader()  # noqa: E731
        deadline, clock = self.world.clock.deadline(100), self.world.clock
        work = Work(delivery, mapping, client, cluster.restart_kinds, read, deadline, sleep=clock.sleep)
        return replace(work, audit=self.functions["deliver"][0].log_audit)

    def sweep(self, request_id: str, origin: str = "schedule") -> None:
        """Let reconcile take a message that asks for a sweep."""
        services = replace(self.world.services(), send=self.queue.send, event_id=f"sweep-{request_id}")
        services = replace(services, now=lambda: datetime.now(UTC))
        done = lambda _message: settle_report(reconcile(Sweep(reason=origin), self.world.catalog, services))  # noqa: E731
        self._handle("reconcile", "{}", done, "swept")

    def _handle(
        self, name: str, body: str, settle: Callable[[Message], Settlement], done_text: str, attempt: int = 1
    ) -> None:
        attributes = {
            "ApproximateReceiveCount": str(attempt),
            "SentTimestamp": str(int(datetime.now().timestamp() * 1000)),
        }
        record = {"eventSource": "aws:sqs", "eventSourceARN": ARN, "receiptHandle": "r", "messageId": "m0"}
        event = {"Records": [record | {"attributes": attributes, "body": body}]}
        self.functions[name][0].handle_messages(event, CONTEXT, settle, lambda: self.environment, done_text=done_text)


def _create(name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[LambdaFunction, io.StringIO]:
    """Return a function whose log is text. A logger of the same name would keep the output of the test before."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", f"{name}-logs-{next(_numbers)}")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Keyferry")
    monkeypatch.setenv("POWERTOOLS_DEV", "false")
    function, log = LambdaFunction(), io.StringIO()
    for handler in function.logger.handlers:
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(log)
    return function, log
