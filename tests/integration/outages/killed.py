"""The function `deliver`, each time in a process of its own that can die or wait at a request to the API server.

As a program it imports all that the function needs, reads what describes AWS's services, and then forks for each
invocation, so that a process costs neither. A child shares nothing else with another: settings, clients and connections
are made in it, and end with it.
"""

import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, Self

import boto3
import pytest
from botocore.loaders import Loader
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

from keyferry.model import Delivery
from keyferry_local.direct import Direct

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 60

type When = Literal["before", "sent", "after"]


@dataclass(frozen=True)
class Kill:
    """Where a process kills itself: at which request to the API server, counted from 1."""

    number: int
    when: When
    """Before the request; when it is sent, its answer not read; or when its answer has come, nothing done with it."""
    is_write: bool = False
    """Whether requests that only read are not counted: they leave the cluster as it was before them."""


@dataclass(frozen=True)
class Hold:
    """Where a process waits until it is let go: before which request to the API server, counted from 1."""

    number: int
    place: str
    """A folder of its own."""

    def reached(self) -> bool:
        """Return whether it waits."""
        return (Path(self.place) / "reached").exists()

    def release(self) -> None:
        """Let it go."""
        (Path(self.place) / "released").touch()

    def wait(self) -> None:
        """Wait, in the process itself."""
        (Path(self.place) / "reached").touch()
        ends = time.monotonic() + SECONDS / 2
        while not (Path(self.place) / "released").exists() and time.monotonic() < ends:
            time.sleep(0.01)


class Functions:
    """Runs the function, as often as is asked for."""

    def __init__(self, environment: Mapping[str, str], directory: Path) -> None:
        """Start the program.

        Args:
            environment: the function's; without AWS settings of the user.
            directory: what the function logs is written there.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._log = (directory / "deliver.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.outages.killed"],
            cwd=ROOT,
            env={**environment, "POWERTOOLS_METRICS_NAMESPACE": "Keyferry", "POWERTOOLS_SERVICE_NAME": "deliver"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()
        self._log.close()

    def begin(self, delivery: Delivery, at: Kill | Hold | None = None, *, attempt: int = 1) -> None:
        """Begin an invocation with the message of a delivery."""
        assert self._process.stdin
        asked = {"event": event(delivery, attempt)} | ({type(at).__name__: asdict(at)} if at else {})
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()

    def end(self) -> dict[str, Any] | None:
        """Return what the function answers; None where it was killed."""
        assert self._process.stdout
        ended = json.loads(self._process.stdout.readline())
        assert ended["code"] in (0, -signal.SIGKILL)
        return dict(ended["answer"]) if ended["code"] == 0 else None

    def invoke(self, delivery: Delivery, kill: Kill | None = None, *, attempt: int = 1) -> dict[str, Any] | None:
        """Run the function, and return what it answers; None where it was killed."""
        self.begin(delivery, kill, attempt=attempt)
        return self.end()


def environment(direct: Direct, directory: Path) -> dict[str, str]:
    """Return the function's environment, with queues of its own."""
    sqs, name = direct.cloud.aws.client("sqs"), direct.role.rpartition("/")[2]
    urls = [
        sqs.create_queue(QueueName=f"{name}-{queue}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        for queue in ("deliveries", "dead")
    ]
    allowed = {"Effect": "Allow", "Action": "sqs:*", "Resource": f"arn:aws:sqs:*:*:{name}-*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    direct.cloud.aws.client("iam").put_role_policy(RoleName=name, PolicyName="queues", PolicyDocument=document)
    settings = dict(zip(("KEYFERRY_INBOX_QUEUE_URL", "KEYFERRY_DEAD_LETTERS_QUEUE_URL"), urls, strict=True))
    return direct.environment(directory) | settings


def event(delivery: Delivery, attempt: int) -> dict[str, Any]:
    """Return what SQS sends to the function for a message of the FIFO queue."""
    body = delivery.model_dump_json(by_alias=True, exclude_none=True)
    now = str(int(time.time() * 1000))
    record = {
        "messageId": str(uuid.uuid4()),
        "receiptHandle": uuid.uuid4().hex,
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": str(attempt),
            "SentTimestamp": now,
            "SequenceNumber": "18850000000000000000",
            "MessageGroupId": delivery.group,
            "SenderId": "AROAEXAMPLEEXAMPLEEXA:keyferry-route",
            "MessageDeduplicationId": delivery.deduplication_id,
            "ApproximateFirstReceiveTimestamp": now,
        },
        "messageAttributes": {},
        "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:111122223333:keyferry-deliveries.fifo",
        "awsRegion": "eu-west-1",
    }
    return {"Records": [record]}


class _Context:
    function_name = "deliver"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-west-1:111122223333:function:deliver"

    def __init__(self) -> None:
        self.aws_request_id, self._end = str(uuid.uuid4()), time.monotonic() + SECONDS

    def get_remaining_time_in_millis(self) -> int:
        return int((self._end - time.monotonic()) * 1000)


def _arm(kill: Kill) -> None:
    """Kill this process at a request to the API server: the only one it speaks TLS to here."""
    numbers, current = itertools.count(1), threading.local()
    exchange, read_answer = HTTPSConnectionPool.urlopen, HTTPSConnection.getresponse

    def urlopen(pool: HTTPSConnectionPool, method: str, *args: Any, **more: Any) -> Any:  # noqa: ANN401
        counts = method != "GET" or not kill.is_write
        current.hit = counts and next(numbers) == kill.number
        if current.hit and kill.when == "before":
            _die()
        answer = exchange(pool, method, *args, **more)
        if current.hit:
            _die()
        return answer

    def getresponse(connection: HTTPSConnection) -> Any:  # noqa: ANN401
        if current.hit and kill.when == "sent":
            _die()
        return read_answer(connection)

    patch = pytest.MonkeyPatch()  # never undone: the process ends
    patch.setattr(HTTPSConnectionPool, "urlopen", urlopen)
    patch.setattr(HTTPSConnection, "getresponse", getresponse)


def _arm_hold(hold: Hold) -> None:
    """Let this process wait before a request to the API server."""
    numbers, exchange = itertools.count(1), HTTPSConnectionPool.urlopen

    def urlopen(pool: HTTPSConnectionPool, *args: Any, **more: Any) -> Any:  # noqa: ANN401
        if next(numbers) == hold.number:
            hold.wait()
        return exchange(pool, *args, **more)

    pytest.MonkeyPatch().setattr(HTTPSConnectionPool, "urlopen", urlopen)


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _child(asked: Mapping[str, Any], answer_to: int) -> None:
    from functions.deliver.app import handler  # noqa: PLC0415  # imported before: the program must not need it

    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if "Kill" in asked:
        _arm(Kill(**asked["Kill"]))
    if "Hold" in asked:
        _arm_hold(Hold(**asked["Hold"]))
    answer = handler(asked["event"], _Context())  # type: ignore[arg-type]
    sys.stdout.flush()
    os.write(answer_to, json.dumps(answer).encode())


def _fork(asked: Mapping[str, Any]) -> dict[str, Any]:
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            _child(asked, write)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {"code": code, "answer": json.loads(answer) if answer else None}


def _serve() -> None:
    import functions.deliver.app  # noqa: F401, PLC0415
    import keyferry.kube  # noqa: F401, PLC0415

    loader = Loader()
    pytest.MonkeyPatch().setattr("botocore.session.create_loader", lambda _path: loader)
    for service in ("eks", "secretsmanager", "sqs", "sts"):
        boto3.Session().client(service)
    for line in sys.stdin:
        print(json.dumps(_fork(json.loads(line))), flush=True)


if __name__ == "__main__":
    _serve()
