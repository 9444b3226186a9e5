"""A deployed stack over a world of clusters with memory, as AWS shows it to a terminal.

Its functions work only while somebody waits: a test says how far they come.
"""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from typing import Any

import pytest
from botocore.credentials import Credentials

from keyferry.cli.stack import Stack
from keyferry.errors import KeyferryError, ServerError, UnknownName
from keyferry.model import Delivery
from keyferry.pipeline.comparison import Scope
from keyferry.pipeline.status import list_status
from keyferry.testing import Calls
from tests.unit.clusters import World
from tests.unit.fake_queues import FakeSqs
from tests.unit.function_logs import FunctionLogs

URL = "https://sqs.eu-west-1.amazonaws.com/111122223333/keyferry-deliveries.fifo"
ARN = "arn:aws:cloudformation:eu-west-1:111122223333:stack/keyferry/0000-1111"


class DeployedStack:
    """CloudFormation, SQS, Lambda, CloudWatch Logs and Parameter Store of a stack; also the session that has them."""

    region_name = "eu-west-1"

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.logs, self.sqs, self.calls = world, FunctionLogs(world, monkeypatch), FakeSqs(), Calls()
        self.failures: dict[str, KeyferryError] = {}
        """Cluster → by what each attempt there fails."""
        self.cluster_calls = Calls()
        """The requests of deliver to clusters."""
        self.attempts = 0
        self.after_work: Callable[[], object] = lambda: None
        """What happens after each time that deliver has worked."""
        self.suspended: dict[str, str] = {}
        """Parameter → value."""

    @property
    def stack(self) -> Stack:
        """The stack as the commands know it."""
        return Stack(self, "keyferry", {"DeliveriesQueueUrl": URL}, arn=ARN)  # type: ignore[arg-type]

    @property
    def waiting(self) -> list[Delivery]:
        """The deliveries on the queue."""
        return [Delivery.model_validate_json(entry["MessageBody"]) for entry in self.sqs.kept.get(URL, ())]

    def work(self, _seconds: float = 0) -> None:
        """Let deliver take each message that is on the queue, once."""
        with redirect_stdout(io.StringIO()):  # where Lambda takes metrics from
            self._work()
        self.after_work()

    def _work(self) -> None:
        taken, self.sqs.kept[URL] = self.waiting, []
        self.attempts += 1
        for delivery in taken:
            error = self.failures.get(delivery.cluster)
            self.logs.deliver(delivery, attempt=self.attempts, error=error, calls=self.cluster_calls)
            last = self.logs.lines["deliver"][-1]["message"]
            if last == "retry later":
                self._put(delivery)
            for follow_up in self.logs.queue.sent:
                self._put(follow_up)
            self.logs.queue.sent.clear()

    def fail_reads(self, place: str, *, attempts: int) -> None:
        """Let no attempt at first read a Secret, as `shop/payments-db`: the cluster answers 500."""
        is_broken = True

        def fail(_number: int, call: str) -> None:
            if is_broken and call == f"read {place}":
                raise ServerError("500")

        def mend() -> None:
            nonlocal is_broken
            is_broken = self.attempts < attempts

        self.cluster_calls.before, self.after_work = fail, mend

    def _put(self, delivery: Delivery) -> None:
        self.sqs.kept[URL].append({"MessageBody": delivery.to_json()})

    # What AWS is asked

    def client(self, *_: object, **_more: object) -> "DeployedStack":
        """Return the client of a service."""
        return self

    def get_credentials(self) -> Credentials:
        """Return some credentials."""
        return Credentials("AKIAEXAMPLE", "canary-key")

    def describe_stacks(self, **_: object) -> dict[str, Any]:
        """Describe the one stack that there is."""
        outputs = {"DeliveriesQueueUrl": URL, "ReportFunction": "keyferry-report"}
        listed = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
        return {"Stacks": [{"StackStatus": "UPDATE_COMPLETE", "Outputs": listed, "StackId": ARN}]}

    def send_message_batch(self, **asked: Any) -> dict[str, Any]:  # noqa: ANN401
        """Put messages on the queue."""
        with self.calls.call("sqs:SendMessage"):
            return self.sqs.send_message_batch(**asked)

    def invoke(self, **asked: Any) -> dict[str, Any]:  # noqa: ANN401
        """Answer as report does."""
        fields = json.loads(asked["Payload"])
        with self.calls.call("lambda:InvokeFunction"):
            return {"Payload": io.BytesIO(json.dumps(self._answer(fields)).encode())}

    def _answer(self, fields: dict[str, Any]) -> dict[str, Any]:
        fields.pop("question")
        try:
            return list_status(Scope.model_validate(fields), self.world.catalog, self.world.services())
        except UnknownName as error:
            return {"error": {"kind": "UnknownName", "text": str(error)}}

    def filter_log_events(self, **asked: Any) -> dict[str, Any]:  # noqa: ANN401
        """Answer with all lines of a function, as the emulated CloudWatch Logs does."""
        with self.calls.call("logs:FilterLogEvents"):
            lines = self.logs.lines[asked["logGroupName"].rpartition("-")[2]]
            return {"events": [{"message": json.dumps(line)} for line in lines]}

    def get_paginator(self, _operation: str) -> "DeployedStack":
        """Return what pages the parameters."""
        return self

    def paginate(self, **_: object) -> Iterator[dict[str, Any]]:
        """Yield the parameters of suspensions."""
        with self.calls.call("ssm:GetParametersByPath"):
            yield {"Parameters": [{"Name": name, "Value": value} for name, value in self.suspended.items()]}
