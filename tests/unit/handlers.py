"""The real handlers of `functions/`, as Lambda calls them, with AWS faked below botocore."""

import functools
import itertools
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError

from keyferry.runtime import wiring
from tests.unit.incident import build_event, load_app

QUEUES = {
    f"KEYFERRY_{name}_QUEUE_URL": f"https://sqs.eu-west-1.amazonaws.com/111122223333/{name.lower()}"
    for name in ("INBOX", "DELIVERIES", "DEAD_LETTERS")
}
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "canary-key",
    "AWS_DEFAULT_REGION": "eu-west-1",
    **QUEUES,
}

_numbers = itertools.count()


@dataclass
class FakeAws:
    """AWS below botocore: it remembers each request, and some of its services accept requests and never answer."""

    wait: Callable[[float], object]
    """Lets time pass, in seconds."""
    silent: set[str] = field(default_factory=set)
    """Services that do not answer, by the name in their host."""
    answers: Mapping[str, Callable[[int], str]] = field(default_factory=dict)
    """Operation → its answer, given how many requests came before. An empty object where absent."""
    throttles: bool = False
    """Whether every request is asked to come more slowly."""
    requests: list[str] = field(default_factory=list)
    """The operation of each request."""

    def send(self, request: Any) -> AWSResponse:  # noqa: ANN401  # botocore's
        """Answer a request of whatever client, or let the time pass that a read may take."""
        service = re.sub(r"^https://(\w+)\..*", r"\1", request.url)
        target = _text(request.headers.get("X-Amz-Target", b""))
        operation = target.rpartition(".")[2] or parse_qs(_text(request.body))["Action"][0]
        self.requests.append(operation)
        if service in self.silent:
            self.wait(5)
            raise ReadTimeoutError(endpoint_url=request.url)
        self.wait(0.5)
        build = self.answers.get(operation)
        status, answer = 200, build(len(self.requests) - 1) if build else "{}"
        if self.throttles:
            status, answer = 400, '{"__type": "ThrottlingException", "message": "canary"}'
        return AWSResponse(request.url, status, HTTPHeaders(), _Body(answer.encode()))


@dataclass
class _Body:
    """What is read of an answer."""

    content: bytes

    def stream(self, **_: object) -> Iterator[bytes]:
        """Yield all of it."""
        yield self.content


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def load_handler(
    name: str, monkeypatch: pytest.MonkeyPatch, **environment: str
) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """Return the handler of a function in an environment that has just begun."""
    monkeypatch.setattr(wiring, "get_runtime", functools.cache(lambda: wiring.Runtime(os.environ)))
    # A logger of the same name would keep the output of the test before.
    service = {"POWERTOOLS_SERVICE_NAME": f"{name}-{next(_numbers)}"}
    handler: Callable[[dict[str, Any], Any], dict[str, Any]] = load_app(
        name, monkeypatch, **(ENVIRONMENT | service | environment)
    ).handler
    return handler


def context(seconds: float) -> SimpleNamespace:
    """Return the context of an invocation that has so many seconds left."""
    return SimpleNamespace(
        function_name="test", aws_request_id="request-1", get_remaining_time_in_millis=lambda: seconds * 1000
    )


def event(*bodies: str, attempt: int = 1) -> dict[str, Any]:
    """Return the event that Lambda makes of messages, which are called m0, m1 and so on."""
    [record] = build_event("", attempt)["Records"]
    return {
        "Records": [
            record | {"messageId": f"m{number}", "receiptHandle": f"r{number}", "body": body}
            for number, body in enumerate(bodies)
        ]
    }


def failed(answer: dict[str, Any]) -> list[str]:
    """Return the messages that come back."""
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
