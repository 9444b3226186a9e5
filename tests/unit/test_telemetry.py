"""What a function logs and counts, and what it says of an error that nobody foresaw."""

import io
import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Literal, cast

import boto3
import pytest
from aws_lambda_powertools.utilities.batch.exceptions import UnexpectedBatchTypeError
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from urllib3 import HTTPResponse

from keyferry import __version__
from keyferry.errors import Conflict, Misconfigured, Unreachable
from keyferry.mapping.mapping import Team
from keyferry.model import Message
from keyferry.pipeline.alerts.failures import Metric
from keyferry.pipeline.settle import Settlement
from keyferry.runtime.telemetry import Environment, LambdaFunction
from tests.unit.fake_queues import FakeQueue
from tests.unit.samples import delivery

CONTEXT = cast(
    "LambdaContext",
    SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000, function_name="test", aws_request_id="r"),
)
ARN = "arn:aws:sqs:eu-west-1:111122223333:deliveries.fifo"


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> LambdaFunction:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "deliver")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Keyferry")
    monkeypatch.setenv("POWERTOOLS_DEV", "false")
    return LambdaFunction()


@pytest.fixture
def log(function: LambdaFunction) -> io.StringIO:
    stream = io.StringIO()
    for handler in function.logger.handlers:
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(stream)
    return stream


def event(*bodies: str) -> dict[str, Any]:
    record: dict[str, Any] = {"eventSource": "aws:sqs", "eventSourceARN": ARN, "receiptHandle": "r"}
    record["attributes"] = {"ApproximateReceiveCount": "1", "SentTimestamp": "1792800000000"}
    return {"Records": [record | {"messageId": f"m{number}", "body": body} for number, body in enumerate(bodies)]}


@dataclass
class Control:
    """The queue that a function reads, and what it was asked to do with messages."""

    retried: list[str] = field(default_factory=list)
    dead: list[tuple[str, str]] = field(default_factory=list)
    delays: list[int] = field(default_factory=list)
    failure: Exception | None = None

    def retry_later(self, message: Message, seconds: int) -> None:
        """Hide the message."""
        if self.failure:
            raise self.failure
        self.retried.append(message.id)
        self.delays.append(seconds)

    def dead_letter(self, message: Message, settlement: Settlement) -> None:
        """Keep the message with its reason."""
        if self.failure:
            raise self.failure
        self.dead.append((message.body, settlement.reason))


DONE = Settlement("done")


def environment(control: Control, queue: FakeQueue | None = None) -> Environment:
    def choose_dimension(metric: Metric) -> Metric:
        return replace(metric, dimension=(metric.dimension[0], metric.dimension[1].upper()))

    fields = {"control": control, "queue": queue or FakeQueue(), "choose_dimension": choose_dimension}
    return cast("Environment", SimpleNamespace(**fields))


def failures(
    function: LambdaFunction, work: Callable[[Message], Settlement], *bodies: str, control: Control | None = None
) -> list[str]:
    surroundings = environment(control or Control())
    answer = function.handle_messages(event(*bodies), CONTEXT, work, lambda: surroundings, done_text="worked")
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_every_message_is_worked_on_and_those_that_come_back_stay(function: LambdaFunction, log: io.StringIO) -> None:
    bodies, control = [], Control()

    def work(message: Message) -> Settlement:
        bodies.append(message.body)
        return Settlement("retry later" if message.body == "b" else "done")

    assert failures(function, work, "a", "b", "c", control=control) == ["m1"]
    assert (bodies, control.retried, control.dead) == (["a", "b", "c"], ["m1"], [])
    assert [json.loads(line)["message"] for line in log.getvalue().splitlines()] == ["worked", "retry later", "worked"]


def test_a_batch_of_which_nothing_is_done_is_no_failure_of_the_function(function: LambdaFunction) -> None:
    assert failures(function, lambda _message: Settlement("retry later"), "a", "b") == ["m0", "m1"]


def test_a_dead_letter_leaves_its_queue_once_it_is_on_the_other_one(function: LambdaFunction) -> None:
    control = Control()
    assert failures(function, lambda _message: Settlement("dead letter", reason="why"), "a", control=control) == []
    assert control.dead == [("a", "why")]


@pytest.mark.parametrize("decision", ["dead letter", "retry later"])
def test_a_message_that_the_queue_refuses_to_take_stays(
    function: LambdaFunction, log: io.StringIO, decision: Literal["dead letter", "retry later"]
) -> None:
    control = Control(failure=Unreachable("no answer from SQS"))
    assert failures(function, lambda _message: Settlement(decision, reason="why"), "a", control=control) == ["m0"]
    line = json.loads(log.getvalue())
    assert (line["message"], line["reason"]) == (
        "retry later",
        "why; and the queue refuses it: Unreachable: no answer from SQS",
    )


def test_what_carries_on_is_on_its_queue_before_the_message_leaves(function: LambdaFunction) -> None:
    queue = FakeQueue()
    settlement = Settlement("replaced", follow_ups=(delivery(namespace="n0"),))

    def handle() -> dict[str, Any]:
        surroundings = environment(Control(), queue)
        return function.handle_messages(event("a"), CONTEXT, lambda _: settlement, lambda: surroundings, done_text="")

    assert handle()["batchItemFailures"] == []
    assert queue.sent == [delivery(namespace="n0")]
    queue.failure = Unreachable("no answer from SQS")
    assert handle()["batchItemFailures"] == [{"itemIdentifier": "m0"}]


def test_a_message_that_is_retried_is_hidden_for_as_long_as_was_decided(function: LambdaFunction) -> None:
    control = Control()
    failures(function, lambda _message: Settlement("retry later", delay_seconds=40), "a", control=control)
    failures(function, lambda _message: Settlement("retry later"), "a", control=control)
    assert control.delays[0] == 40
    assert 2 <= control.delays[1] <= 4


def test_failures_carry_the_owner_and_the_cluster_as_dimensions(
    function: LambdaFunction, capsys: pytest.CaptureFixture[str]
) -> None:
    settlement = Settlement(
        "dead letter", delivery=delivery(), owner=Team(team="payments"), errors=(Conflict("stop helm"),)
    )
    failures(function, lambda _message: settlement, "a")
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    [told] = [line for line in lines if "Failures" in line]
    [directive] = told["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], sorted(directive["Dimensions"][0])) == ("Keyferry", ["owner", "service"])
    assert (told["owner"], told["service"], told["Failures"]) == ("PAYMENTS", "deliver", [1.0])


def test_a_message_that_cannot_be_reported_is_settled_all_the_same(
    function: LambdaFunction, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken:
        def log_fields(self) -> dict[str, Any]:
            raise Loud

        def metrics(self) -> dict[str, float]:
            return {}

    control = Control()
    assert failures(function, lambda _message: Settlement("dead letter", Broken()), "a", control=control) == []
    assert len(control.dead) == 1
    assert json.loads(log.getvalue())["message"] == "not reported"
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["PipelineErrors"] == [1.0]
    assert "canary" not in log.getvalue()


def test_what_became_of_a_message_is_told_also_where_the_environment_is_what_is_wrong(
    function: LambdaFunction, log: io.StringIO
) -> None:
    def fail() -> Environment:
        raise Misconfigured("no AWS region is set")

    settlement = Settlement("done", reason="why", delivery=delivery())
    function.handle_messages(event("a"), CONTEXT, lambda _: settlement, fail, done_text="worked")
    assert json.loads(log.getvalue())["message"] == "worked"


def test_the_work_on_a_delivery_begins_with_a_line(function: LambdaFunction, log: io.StringIO) -> None:
    message = Message("{}", "m0", "r", 4, datetime.now(UTC))
    function.log_begun(message, delivery(namespace="n0", deaths=1))
    line = json.loads(log.getvalue())
    wanted = {"message": "begun", "mapping": "payments-db", "cluster": "prod-eu", "namespace": "n0"}
    assert line.items() >= (wanted | {"attempt": 4, "deaths": 1, "message_id": "m0"}).items()


class Loud(Exception):
    """An error that shows what it holds wherever it can."""

    def __init__(self) -> None:
        super().__init__("canary-text")
        self.add_note("canary-note")
        self.canary = "canary-attribute"

    def __str__(self) -> str:
        return "canary-str"

    def __repr__(self) -> str:
        return "canary-repr"


def test_every_line_has_the_release(function: LambdaFunction, log: io.StringIO) -> None:
    message = Message("{}", id="m1", receipt="r", attempt=1, sent=datetime.now(UTC))
    function.log_begun(message, delivery())
    failures(function, lambda _message: Settlement("dead letter", errors=(Conflict("who"),)), "1")
    function.logger.info("answered")
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["release"] for line in lines] == [__version__] * 3


def fail(secret: str) -> Settlement:
    try:
        int(secret)
    except ValueError as error:
        raise Loud from error
    return DONE


def test_an_error_that_nobody_foresaw_is_logged_by_type_and_place_alone(
    function: LambdaFunction, log: io.StringIO, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert failures(function, lambda _message: fail("canary-value"), "canary-body") == ["m0"]
    line = json.loads(log.getvalue())
    assert (line["level"], line["message"], line["service"]) == ("ERROR", "retry later", "deliver")
    assert line["reason"].startswith("Unexpected: Loud at test_telemetry.py:")
    assert re.fullmatch(r"[-\d]{10}T[:\d]{8}\.\d{3}\+00:00", line["timestamp"])  # RFC 3339, or Lambda forgets the level
    out, err = capfd.readouterr()
    everything = log.getvalue() + out + err + caplog.text
    everything += "".join(str(vars(record)) for record in caplog.records)
    assert "canary" not in everything


def test_work_that_ends_in_an_error_is_tried_again_counted_and_told(
    function: LambdaFunction, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(_message: Message) -> Settlement:
        raise Unreachable("no answer from SQS")

    control = Control()
    assert failures(function, work, "a", control=control) == ["m0"]
    assert control.retried == ["m0"]
    line = json.loads(log.getvalue())
    assert (line["level"], line["message"], line["reason"]) == (
        "WARNING",
        "retry later",
        "Unreachable: no answer from SQS",
    )
    assert json.loads(capsys.readouterr().out)["MessagesRetried"] == [1.0]


def test_an_error_of_one_message_does_not_stop_the_next(function: LambdaFunction, log: io.StringIO) -> None:
    def work(message: Message) -> Settlement:
        if message.body == "a":
            raise RuntimeError("canary")
        return DONE

    assert failures(function, work, "a", "b") == ["m0"]
    assert log.getvalue().count("\n") == 2


def test_counts_and_seconds_are_metrics_whose_only_dimension_is_the_service(
    function: LambdaFunction, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(message: Message) -> Settlement:
        function.count({"Deliveries": 1, "EventToWriteSeconds": 1.5})
        return DONE

    failures(function, work, "a")
    told = json.loads(capsys.readouterr().out)
    [directive] = told["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Keyferry"
    assert directive["Dimensions"] == [["service"]]
    assert {each["Name"]: each["Unit"] for each in directive["Metrics"]} == {
        "Deliveries": "Count",
        "EventToWriteSeconds": "Seconds",
    }
    assert (told["service"], told["Deliveries"], told["EventToWriteSeconds"]) == ("deliver", [1.0], [1.5])


def test_metrics_are_written_even_where_the_batch_is_no_batch(
    function: LambdaFunction, capsys: pytest.CaptureFixture[str]
) -> None:
    function.count({"Deliveries": 1})
    with pytest.raises(UnexpectedBatchTypeError):
        function.handle_messages({}, CONTEXT, lambda _message: DONE, lambda: environment(Control()), done_text="")
    assert "Deliveries" in capsys.readouterr().out


@pytest.mark.usefixtures("function")
def test_no_level_makes_the_sdk_log_what_it_receives(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)  # of the root logger, as Lambda does for a function whose level is DEBUG
    session = boto3.Session("AKIAEXAMPLE", "canary-key", region_name="eu-west-1")
    client = session.client("secretsmanager")
    came = HTTPResponse(io.BytesIO(b'{"SecretString": "canary-value", "VersionId": "1"}'), preload_content=False)
    answer = AWSResponse("https://example", 200, HTTPHeaders(), came)
    events = cast("Any", client.meta.events)
    events.register("before-send", lambda **_: answer)
    assert client.get_secret_value(SecretId="prod/db")["SecretString"] == "canary-value"
    everything = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert "canary" not in everything


@pytest.mark.usefixtures("function")
@pytest.mark.parametrize("name", ["boto3.resources", "botocore.parsers", "kubernetes.client", "urllib3.connectionpool"])
def test_what_writes_what_it_receives_at_debug_does_not_write_it_whatever_its_level_was(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger=name.partition(".")[0])  # set anew, and put back after the test
    assert logging.getLogger(name).isEnabledFor(logging.DEBUG)
    LambdaFunction()
    assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)
    assert logging.getLogger(name).isEnabledFor(logging.INFO)


def test_a_batch_does_not_carry_on_the_correlation_of_the_one_before(
    function: LambdaFunction, log: io.StringIO
) -> None:
    function.logger.set_correlation_id("batch-1")
    failures(function, lambda _message: DONE, "a")
    assert json.loads(log.getvalue()).get("correlation_id") is None
