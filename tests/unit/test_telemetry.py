"""What a function logs and counts, and what it says of an error that nobody foresaw."""

import io
import json
import logging
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from aws_lambda_powertools.utilities.batch.exceptions import UnexpectedBatchTypeError
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from urllib3 import HTTPResponse

from keyferry.errors import AccessDenied, Unreachable
from keyferry.model import Message
from keyferry.runtime.telemetry import Function, NotDone

CONTEXT = cast("LambdaContext", SimpleNamespace(function_name="test", aws_request_id="request-1"))
ARN = "arn:aws:sqs:eu-west-1:111122223333:deliveries.fifo"


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Function:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "deliver")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Keyferry")
    monkeypatch.setenv("POWERTOOLS_DEV", "false")
    return Function()


@pytest.fixture
def log(function: Function) -> io.StringIO:
    stream = io.StringIO()
    for handler in function.logger.handlers:
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(stream)
    return stream


def event(*bodies: str) -> dict[str, Any]:
    record: dict[str, Any] = {"eventSource": "aws:sqs", "eventSourceARN": ARN, "receiptHandle": "r"}
    record["attributes"] = {"ApproximateReceiveCount": "1", "SentTimestamp": "1792800000000"}
    return {"Records": [record | {"messageId": f"m{number}", "body": body} for number, body in enumerate(bodies)]}


postponed: list[tuple[str, int]] = []


def postpone(message: Message, seconds: int) -> None:
    postponed.append((message.id, seconds))


def failures(function: Function, work: Callable[[Message], None], *bodies: str) -> list[str]:
    postponed.clear()
    answer = function.each_record(event(*bodies), CONTEXT, work, postpone)
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def test_every_record_is_worked_on_and_those_that_are_not_done_stay(function: Function, log: io.StringIO) -> None:
    seen = []

    def work(message: Message) -> None:
        seen.append(message.body)
        if message.body == "b":
            raise NotDone

    assert failures(function, work, "a", "b", "c") == ["m1"]
    assert seen == ["a", "b", "c"]
    assert (log.getvalue(), postponed) == ("", [])


def test_a_batch_of_which_nothing_is_done_is_no_failure_of_the_function(function: Function) -> None:
    def work(message: Message) -> None:
        raise NotDone

    assert failures(function, work, "a", "b") == ["m0", "m1"]


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


def fail(secret: str) -> None:
    try:
        int(secret)
    except ValueError as error:
        raise Loud from error


def test_an_error_that_nobody_foresaw_is_logged_by_type_and_place_alone(
    function: Function, log: io.StringIO, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert failures(function, lambda _message: fail("canary-value"), "canary-body") == ["m0"]
    line = json.loads(log.getvalue())
    assert (line["level"], line["message"], line["error"], line["service"]) == (
        "ERROR",
        "unexpected error",
        "Loud",
        "deliver",
    )
    assert line["at"].startswith("test_telemetry.py:")
    assert re.fullmatch(r"[-\d]{10}T[:\d]{8}\.\d{3}\+00:00", line["timestamp"])  # RFC 3339, or Lambda forgets the level
    out, err = capfd.readouterr()
    everything = log.getvalue() + out + err + caplog.text
    everything += "".join(str(vars(record)) for record in caplog.records)
    assert "canary" not in everything


def test_a_message_that_fails_for_a_passing_reason_is_postponed_counted_and_told(
    function: Function, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(_message: Message) -> None:
        raise Unreachable("no answer from SQS")

    assert failures(function, work, "a") == ["m0"]
    ((message, seconds),) = postponed
    assert (message, 2 <= seconds <= 4) == ("m0", True)
    line = json.loads(log.getvalue())
    assert (line["level"], line["message"], line["reason"]) == (
        "WARNING",
        "comes back",
        "Unreachable: no answer from SQS",
    )
    assert json.loads(capsys.readouterr().out)["MessagesPostponed"] == [1.0]


def test_a_message_that_cannot_be_postponed_stays_all_the_same(function: Function) -> None:
    def cannot(_message: Message, _seconds: int) -> None:
        raise AccessDenied("AWS refuses sqs:ChangeMessageVisibility")

    def work(_message: Message) -> None:
        raise ZeroDivisionError

    answer = function.each_record(event("a"), CONTEXT, work, cannot)
    assert answer["batchItemFailures"] == [{"itemIdentifier": "m0"}]


def test_an_error_of_one_record_does_not_stop_the_next(function: Function, log: io.StringIO) -> None:
    def work(message: Message) -> None:
        if message.body == "a":
            raise RuntimeError("canary")

    assert failures(function, work, "a", "b") == ["m0"]
    assert log.getvalue().count("\n") == 1


def test_counts_and_seconds_are_metrics_whose_only_dimension_is_the_service(
    function: Function, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(message: Message) -> None:
        function.count({"Deliveries": 1, "EventToWriteSeconds": 1.5})

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
    function: Function, capsys: pytest.CaptureFixture[str]
) -> None:
    function.count({"Deliveries": 1})
    with pytest.raises(UnexpectedBatchTypeError):
        function.each_record({}, CONTEXT, lambda _message: None, postpone)
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
