"""What an API server says on a bad day, said by a gate before a real one: slow down, broken, no such user."""

import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace

import pytest

from keyferry.aws import eks
from keyferry.delivery.report import Report
from keyferry.errors import Throttled, Unauthorized, Unreachable
from keyferry.runtime.wiring import Runtime
from keyferry.testing import FakeClock
from keyferry_local.direct import Direct, delivery
from tests.integration.scene import CLUSTER, Scene, error
from tests.integration.wire import Fault, Gate, gate

SECRET = "/secrets/db"
BUSY = Fault(429, headers={"Retry-After": "0"})
BROKEN = Fault(503)


class Behind:
    """A scene whose cluster is behind a gate. The pauses between tries of a request move a clock: nobody waits."""

    def __init__(self, scene: Scene, server: Gate) -> None:
        self.scene, self.gate, self.clock = scene, server, FakeClock()
        authority = server.certificate_authority
        whole = scene.catalog([scene.mapping()], endpoint=server.url, certificateAuthority=authority)
        self.direct = Direct.grant(scene.cloud, whole)
        self.runtime = Runtime({}, whole, scene.cloud.aws.session(self.direct.role))

    def deliver(self, seconds: float = 60) -> Report:
        """Carry out a delivery."""
        return self.runtime.deliver(delivery(self.scene.namespace), self.clock.deadline(seconds))

    def fault(self, fault: Fault, method: str, times: int) -> None:
        """Let the first requests of a method for the Secret go wrong."""
        left = [fault] * times
        self.gate.judge = lambda m, path: left.pop() if left and m == method and SECRET in path else None


@pytest.fixture
def behind(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Behind]:
    """A secret in AWS, and the cluster behind a gate."""
    scene.create({"password": "canary-faults"})
    with gate(scene.cloud.clusters[CLUSTER], tmp_path) as server:
        behind = Behind(scene, server)
        monkeypatch.setattr("keyferry.kube.connection.time", SimpleNamespace(sleep=behind.clock.sleep))
        yield behind


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_server_that_is_busy_is_asked_again(behind: Behind, method: str) -> None:
    behind.fault(BUSY, method, times=3)
    assert not behind.deliver().errors
    assert behind.scene.data() == {"password": b"canary-faults"}


@pytest.mark.parametrize(
    "written", [str, lambda seconds: formatdate(time.time() + seconds, usegmt=True)], ids=["seconds", "a date"]
)
def test_a_server_that_stays_busy_for_longer_than_there_is_time_is_left_for_the_message_to_come_back(
    behind: Behind, written: Callable[[int], str]
) -> None:
    behind.fault(Fault(429, headers={"Retry-After": written(30)}), "GET", times=100)
    assert isinstance(error(behind.deliver(seconds=20)), Throttled)
    assert behind.gate.requests("GET", SECRET) == 1
    assert behind.scene.data() is None


@pytest.mark.parametrize(
    ("asked", "least"),
    [("2", 2), (formatdate(time.time() - 60, usegmt=True), 0), ("soon", 0), ("9" * 5000, 0)],
    ids=["seconds", "a date that is past", "no number", "no number that anybody reads"],
)
def test_a_server_that_is_busy_is_waited_for_as_long_as_it_asks_where_that_is_well_formed(
    behind: Behind, asked: str, least: float
) -> None:
    behind.fault(Fault(429, headers={"Retry-After": asked}), "GET", times=1)
    assert not behind.deliver().errors
    [pause] = behind.clock.slept
    assert least <= pause < 2.5


def test_where_the_server_says_nothing_the_pauses_grow_and_none_outlasts_the_time(behind: Behind) -> None:
    behind.fault(Fault(429), "GET", times=100)
    assert isinstance(error(behind.deliver(seconds=2.5)), Throttled)
    assert len(behind.clock.slept) == 4  # a fifth pause would be of 1.6 seconds at least
    for number, pause in enumerate(behind.clock.slept):
        assert 0.1 * 2**number <= pause <= 0.1 * 2**number + 0.2
    assert behind.gate.requests("GET", SECRET) == 5


def test_a_read_that_fails_is_tried_again_and_given_up_in_the_end(behind: Behind) -> None:
    behind.fault(BROKEN, "GET", times=2)
    assert not behind.deliver().errors
    before = behind.gate.requests("GET", SECRET)
    behind.fault(BROKEN, "GET", times=100)
    found = error(behind.deliver())
    assert isinstance(found, Unreachable)
    assert "503" in str(found)
    assert behind.gate.requests("GET", SECRET) - before == 3


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_write_of_which_nobody_knows_whether_it_took_effect_is_looked_for_and_done_once(
    behind: Behind, *, carried_out: bool
) -> None:
    behind.fault(Fault(504, carried_out=carried_out), "PATCH", times=1)
    assert not behind.deliver().errors
    assert behind.scene.data() == {"password": b"canary-faults"}
    with behind.scene.untouched("Secret", "db"):
        assert not behind.deliver().errors


def test_a_token_that_is_refused_is_made_anew_once(behind: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eks, "NEW_SECONDS", 0)
    behind.fault(Fault(401, silence=1.1), "GET", times=1)  # two tokens of the same second are the same
    assert not behind.deliver().errors


def test_a_new_token_that_is_refused_is_an_error_that_says_what_to_check(behind: Behind) -> None:
    behind.fault(Fault(401), "GET", times=100)
    found = error(behind.deliver())
    assert isinstance(found, Unauthorized)
    assert behind.gate.requests("GET", SECRET) == 1
    for part in ("access entry", CLUSTER, "role", "clusters.yaml"):
        assert part in str(found)
