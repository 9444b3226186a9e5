"""Let the real handler of deliver work through a bad time, with a clock that jumps, and collect its metrics."""

import heapq
import importlib.util
import itertools
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest

from keyferry.aws.sqs import DeliveryQueue, MessageControl
from keyferry.delivery.report import Outcome, Report
from keyferry.errors import KeyferryError, MappingsUnreadable, UnknownName
from keyferry.mapping.catalog import build_catalog
from keyferry.mapping.mapping import Team
from keyferry.model import Delivery, Message
from keyferry.pipeline.alerts.alarms import choose_dimension
from keyferry.pipeline.alerts.failures import Metric
from keyferry.pipeline.settle import Settlement
from keyferry.runtime import telemetry
from tests.unit.cloudwatch import STACK, CloudWatch
from tests.unit.samples import cluster, mapping
from tests.unit.stack import ROOT

OWNER = Team(team="payments")
CATALOG = build_catalog([mapping(owner={"team": "payments"})], [cluster(), cluster("prod-us")])
CONTEXT = SimpleNamespace(
    function_name="test", aws_request_id="request-1", get_remaining_time_in_millis=lambda: 120_000
)


@dataclass(order=True)
class _Waiting:
    """A message on the queue, and when it is visible."""

    at: float
    number: int
    body: str = field(compare=False)
    sent: float = field(compare=False)
    attempt: int = field(default=1, compare=False)


@dataclass
class Incident:
    """A function and its queue, for a time. It stands in for the runtime of the function."""

    error: KeyferryError
    """What goes wrong."""
    until: float
    """When it is mended, in seconds."""
    cloudwatch: CloudWatch = field(default_factory=CloudWatch)
    catalog: Any = CATALOG
    announcer: Any = field(default_factory=lambda: SimpleNamespace(announce=lambda settlement, *_: settlement))
    """Tells nobody on the event bus."""
    dead: int = 0
    """How many dead letters there are."""
    _now: float = 0.0
    _delay: int = 0
    _queue: list[_Waiting] = field(default_factory=list)
    _numbers: Iterable[int] = field(default_factory=itertools.count)

    # What the handler asks of its runtime

    def deliver(self, delivery: Delivery, _deadline: object, **_: object) -> Report:
        """Carry out a delivery."""
        if self._now >= self.until:
            return Report(delivery, (Outcome("payments", "updated"),), owner=OWNER)
        if isinstance(self.error, MappingsUnreadable | UnknownName):
            raise self.error
        return Report(delivery, error=self.error, owner=OWNER)

    def limit(self, _deadline: object) -> None:
        """Let calls of AWS end by a deadline: none is made here."""

    def deliver_apart(self, delivery: Delivery, deadline: object, *_: object) -> Report:
        """Carry out a delivery in a process of its own: here in this one."""
        return self.deliver(delivery, deadline)

    def choose_dimension(self, metric: Metric) -> Metric:
        """Return the metric with the dimension that has an alarm."""
        return choose_dimension(CATALOG, metric)

    @property
    def control(self) -> MessageControl:
        """Control of the queue."""
        return cast("MessageControl", self)

    @property
    def queue(self) -> DeliveryQueue:
        """The queue itself."""
        return cast("DeliveryQueue", self)

    def retry_later(self, _message: Message, seconds: int) -> None:
        """Hide the message that is being handled."""
        self._delay = seconds

    def dead_letter(self, _message: Message, _settlement: Settlement) -> None:
        """Bury it."""
        self.dead += 1

    def send(self, deliveries: Iterable[Delivery], _deadline: object = None) -> None:
        """Put deliveries on the queue."""
        for delivery in deliveries:
            self.put(self._now + 1, delivery.to_json())

    # What a test does

    def put(self, seconds: float, body: str) -> None:
        """Put a message on the queue at a time."""
        heapq.heappush(self._queue, _Waiting(seconds, next(iter(self._numbers)), body, seconds))

    def run(self, app: ModuleType, end: float, read_output: Callable[[], str]) -> None:
        """Let the function work until a time, and collect what it counts; the depth of the dead-letter queue too."""
        for tick in range(0, int(end), 300):
            while self._queue and self._queue[0].at < tick + 300:
                self._handle(app, heapq.heappop(self._queue), read_output)
            for name in ("ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"):
                depth = self.dead if name.endswith("sVisible") else 0
                self.cloudwatch.put(tick + 299, "AWS/SQS", name, depth, QueueName="DeliveriesDeadLetters")

    def _handle(self, app: ModuleType, waiting: _Waiting, read_output: Callable[[], str]) -> None:
        self._now = waiting.at
        answer = app.handler(build_event(waiting.body, waiting.attempt, self._now - waiting.sent), CONTEXT)
        self.cloudwatch.take_log(self._now, read_output())
        if answer["batchItemFailures"]:
            waiting.at, waiting.attempt = self._now + self._delay, waiting.attempt + 1
            heapq.heappush(self._queue, waiting)


def build_event(body: str, attempt: int = 1, age: float = 0.0) -> dict[str, Any]:
    """Return the event that Lambda makes of one message of that age in seconds."""
    attributes = {"ApproximateReceiveCount": str(attempt), "SentTimestamp": str(int((time.time() - age) * 1000))}
    record = {"eventSource": "aws:sqs", "eventSourceARN": f"arn:aws:sqs:eu-west-1:111122223333:{STACK}.fifo"}
    return {"Records": [record | {"attributes": attributes, "messageId": "m0", "receiptHandle": "r", "body": body}]}


def load_app(name: str, monkeypatch: pytest.MonkeyPatch, **environment: str) -> ModuleType:
    """Return the module of a function, loaded anew, with the environment that the template gives it."""
    settings = {
        "POWERTOOLS_SERVICE_NAME": f"{STACK}-{name}",
        "POWERTOOLS_METRICS_NAMESPACE": "Keyferry",
        "POWERTOOLS_DEV": "false",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    for key, value in (settings | environment).items():
        monkeypatch.setenv(key, value)
    spec = importlib.util.spec_from_file_location(f"app_{name}", ROOT / f"functions/{name}/app.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert isinstance(module.function, telemetry.LambdaFunction)
    return module


def to_text(document: object) -> str:
    """Return the body of a message."""
    return json.dumps(document)
