"""AWS that accepts and never answers: a read ends within 15 seconds, and after the deadline none begins."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import boto3
import pytest

from keyferry.aws.sessions import Sessions
from keyferry.aws.sources import Sources
from keyferry.errors import OutOfTime, Unreachable
from keyferry.runtime.wiring import Runtime
from keyferry.stores.source import Source
from keyferry_local.direct import deadline, delivery
from tests.integration.scene import Scene, error

READ_SECONDS = 15
"""No read may take longer, whatever the network does."""
CALL_SECONDS = 8
"""What functions/deliver keeps for calls that have begun."""
CHAIN = ["arn:aws:iam::444455556666:role/hub", "arn:aws:iam::777788889999:role/spoke"]


class Silence:
    """A server on loopback that accepts connections and never answers."""

    def __init__(self) -> None:
        self.accepted: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                self.accepted.append(self._server.accept()[0])

    def close(self) -> None:
        """Close every connection."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()
        for connection in self.accepted:
            connection.close()


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[Silence]:
    """The stores and STS, which never answer."""
    server = Silence()
    for service in ("SECRETS_MANAGER", "SSM", "STS"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", server.url)
    yield server
    server.close()


def test_a_read_that_is_never_answered_ends(silence: Silence) -> None:
    sources = Sources(Sessions(boto3.Session("AKIAEXAMPLE", "canary-key", region_name="eu-west-1")))
    began = time.monotonic()
    with pytest.raises(Unreachable):
        sources.read(Source.model_validate({"secretsManager": "db"}))
    assert time.monotonic() - began < READ_SECONDS
    assert len(silence.accepted) == 2


@pytest.mark.parametrize(
    "source",
    [{"secretsManager": "db"}, {"parameterStore": "/db"}, {"secretsManager": "db", "role": CHAIN}],
    ids=["secret", "parameter", "roles"],
)
def test_a_delivery_whose_call_hangs_beyond_its_deadline_begins_no_other(
    scene: Scene, silence: Silence, source: dict[str, Any]
) -> None:
    direct = scene.grant(sources={"db": source}, secret={"name": "db", "data": {"value": {"from": "db"}}})
    runtime = Runtime({}, direct.catalog, scene.cloud.aws.session(direct.role))
    began = time.monotonic()
    report = runtime.deliver(delivery(scene.namespace), deadline(2))
    assert isinstance(error(report), OutOfTime)
    assert report.can_retry
    assert len(silence.accepted) == 1
    assert time.monotonic() - began < 2 + CALL_SECONDS
