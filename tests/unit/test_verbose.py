"""With --verbose each call is shown on stderr: who is asked for what, what the answer was, and never a value."""

import json
import logging
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from click.testing import CliRunner

from keyferry.aws.sessions import open_client
from keyferry.cli import main
from keyferry.cli.output.calls import show_calls
from keyferry.errors import ClusterUnreachable
from tests.unit.test_connection import Server, died, says

SESSION = boto3.Session("AKIAEXAMPLE", "canary-key", region_name="eu-west-1")
SECONDS = r"\d+\.\d{3} s"


@pytest.fixture(autouse=True)
def _logger() -> Iterator[None]:
    """Let nobody listen afterwards."""
    yield
    logger = logging.getLogger("keyferry.calls")
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


def shown(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines that were shown; none has a canary."""
    said = capsys.readouterr()
    assert (said.out, "canary" in said.err) == ("", False)
    return said.err.splitlines()


CALLS: list[tuple[Any, str, dict[str, Any], dict[str, Any], str]] = [
    (
        *("secretsmanager", "get_secret_value", {"SecretId": "prod/db"}),
        *({"SecretString": "canary-value"}, "secretsmanager:GetSecretValue prod/db"),
    ),
    (
        *("ssm", "get_parameter", {"Name": "/prod/db", "WithDecryption": True}),
        *({"Parameter": {"Value": "canary-value"}}, "ssm:GetParameter /prod/db"),
    ),
    (
        *("lambda", "invoke", {"FunctionName": "keyferry-report", "Payload": b'"canary-question"'}),
        *({"StatusCode": 200}, "lambda:Invoke keyferry-report"),
    ),
    (
        *("sqs", "send_message", {"QueueUrl": "https://sqs.example/q", "MessageBody": "canary-body"}),
        *({}, "sqs:SendMessage https://sqs.example/q"),
    ),
    (
        *("logs", "filter_log_events", {"logGroupName": "/aws/lambda/x", "filterPattern": "canary-pattern"}),
        *({"events": [{"message": "canary-line"}]}, "logs:FilterLogEvents /aws/lambda/x"),
    ),
]


@pytest.mark.parametrize(("service", "operation", "asked", "answered", "said"), CALLS, ids=lambda part: str(part)[:20])
def test_a_call_to_aws_is_shown_by_name_and_code_without_what_it_carries(
    service: Any,  # noqa: ANN401  # a literal
    operation: str,
    asked: dict[str, Any],
    answered: dict[str, Any],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_calls()
    if service == "lambda":
        answered = answered | {"Payload": StreamingBody(BytesIO(b'"canary-answer"'), 15)}
    client = open_client(SESSION, service)
    with Stubber(client) as stubber:
        stubber.add_response(operation, answered, asked)
        stubber.add_client_error(operation, "AccessDenied", "canary-text", 403)
        getattr(client, operation)(**asked)
        with pytest.raises(client.exceptions.ClientError):
            getattr(client, operation)(**asked)
    first, second = shown(capsys)
    assert re.fullmatch(rf"{re.escape(said)} in eu-west-1: 200, {SECONDS}", first)
    assert re.fullmatch(rf"{re.escape(said)} in eu-west-1: 403 AccessDenied, {SECONDS}", second)


def test_a_call_that_gets_no_answer_is_shown_by_the_type_of_its_error(capsys: pytest.CaptureFixture[str]) -> None:
    show_calls()
    client = open_client(SESSION, "sts")

    def fail(**_: object) -> None:
        raise ConnectionError("canary-text")

    client.meta.events.register("before-send", fail)
    with pytest.raises(ConnectionError):
        client.get_caller_identity()
    [line] = shown(capsys)
    assert re.fullmatch(rf"sts:GetCallerIdentity in eu-west-1: ConnectionError, {SECONDS}", line)


def test_a_call_to_a_cluster_is_shown_by_verb_path_and_code(capsys: pytest.CaptureFixture[str]) -> None:
    show_calls()
    body = {"metadata": {"name": "db"}, "data": {"password": "canary-value"}}
    server = Server(reply=says(200, body=json.dumps(body).encode()))
    client = server.client()
    client.read_secret("payments", "db")
    client.apply_secret("payments", body, "canary-manager", force=False)
    server.reply = died
    with pytest.raises(ClusterUnreachable):
        client.read_secret("payments", "db")
    path = "/api/v1/namespaces/payments/secrets/db on prod-eu"
    assert shown(capsys) == [
        f"get {path}: 200, 0.000 s",
        f"patch {path}: 200, 0.000 s",
        f"get {path}: no answer, 0.000 s",
        f"get {path}: no answer, 0.000 s",
    ]


def test_nothing_is_shown_unless_somebody_asks(capsys: pytest.CaptureFixture[str]) -> None:
    client = open_client(SESSION, "sts")
    with Stubber(client) as stubber:
        stubber.add_response("get_caller_identity", {})
        client.get_caller_identity()
    Server().client().read_secret("payments", "db")
    assert shown(capsys) == []


@pytest.mark.parametrize("args", [["-v", "validate"], ["validate", "--verbose"], ["validate", "-v"]], ids=" ".join)
def test_it_can_be_asked_before_and_after_the_command(args: list[str], tmp_path: Path) -> None:
    CliRunner().invoke(main, ["--mappings", str(tmp_path), *args])
    assert logging.getLogger("keyferry.calls").isEnabledFor(logging.DEBUG)


def test_asking_twice_shows_each_call_once(capsys: pytest.CaptureFixture[str]) -> None:
    show_calls()
    show_calls()
    Server().client().read_secret("payments", "db")
    assert len(shown(capsys)) == 1
