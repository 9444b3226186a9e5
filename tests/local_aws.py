"""What the tests of the local AWS work with: roles, functions, a queue of events, and calls that are refused."""

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from keyferry_local.aws import Aws

Event = dict[str, Any]

ENVELOPE = {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}


class Bus:
    """A queue that lets one rule in."""

    def __init__(self, cloud: Aws, rule: str) -> None:
        self._sqs = cloud.client("sqs")
        self._url = self._sqs.create_queue(QueueName=f"events-{uuid.uuid4().hex}")["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]
        self.arn = attributes["QueueArn"]
        letting_in = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": self.arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
        }
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy(letting_in)})

    def events(self, wanted: int, *, seconds: float = 10) -> list[Event]:
        """Wait for so many events, and take them; where none is wanted, give one a moment to arrive."""
        found: list[Event] = []
        deadline = time.monotonic() + (seconds if wanted else 0.3)
        while time.monotonic() < deadline and (not wanted or len(found) < wanted):
            answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                found.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
            time.sleep(0.02)
        assert len(found) == wanted, [event["detail-type"] for event in found]
        return found

    def event(self) -> Event:
        """Wait for one event that has the envelope of all events."""
        (event,) = self.events(1)
        assert set(event) == ENVELOPE
        assert (event["account"], event["region"]) == ("111122223333", "eu-west-1")
        return event


def role(cloud: Aws, *statements: dict[str, Any]) -> str:
    """Make a role for Lambda that may do what the statements say."""
    iam, name = cloud.client("iam"), f"role-{uuid.uuid4().hex}"
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="may", PolicyDocument=policy(*statements))
    return str(arn)


def function(cloud: Aws, source: str, **more: Any) -> str:  # noqa: ANN401 - settings of a function
    """Make a function of a source text, whose role may do everything."""
    answer = cloud.client("lambda").create_function(
        FunctionName=f"function-{uuid.uuid4().hex}",
        Runtime="python3.13",
        Role=role(cloud, {"Effect": "Allow", "Action": "*", "Resource": "*"}),
        Handler="app.handler",
        Code={"ZipFile": zipped("app.py", source)},
        Timeout=10,
        **more,
    )
    return str(answer["FunctionArn"])


def zipped(name: str, text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def denied(call: Callable[[], object]) -> str:
    """Make a call that is refused, and name the refusal."""
    with pytest.raises(ClientError) as refusal:
        call()
    return str(refusal.value.response["Error"]["Code"])
