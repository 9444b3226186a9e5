"""What an API server says on a bad day, said by a gate before a real one: slow down, broken, no such user."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from keyferry.delivery.report import Report
from keyferry.errors import Throttled, Unauthorized, Unreachable
from keyferry.runtime.wiring import Runtime
from local.direct import Direct, catalog, deadline, delivery
from tests.integration.scene import CLUSTER, Scene, error
from tests.integration.wire import Fault, Gate, gate

SECRET = "/secrets/db"
BUSY = Fault(429, headers={"Retry-After": "0"})
BROKEN = Fault(503)


class Behind:
    """A scene whose cluster is behind a gate."""

    def __init__(self, scene: Scene, server: Gate) -> None:
        self.scene, self.gate = scene, server
        authority = server.certificate_authority
        whole = catalog(scene.cloud, [scene.mapping()], endpoint=server.url, certificateAuthority=authority)
        self.direct = Direct.grant(scene.cloud, whole)
        self.runtime = Runtime({}, whole, scene.cloud.aws.session(self.direct.role))

    def deliver(self, seconds: float = 60) -> Report:
        """Carry out a delivery."""
        return self.runtime.deliver(delivery(self.scene.namespace), deadline(seconds))

    def fault(self, fault: Fault, method: str, times: int) -> None:
        """Let the first requests of a method for the Secret go wrong."""
        left = [fault] * times
        self.gate.judge = lambda m, path: left.pop() if left and m == method and SECRET in path else None


@pytest.fixture
def behind(scene: Scene, tmp_path: Path) -> Iterator[Behind]:
    """A secret in AWS, and the cluster behind a gate."""
    scene.create({"password": "canary-faults"})
    with gate(scene.cloud.clusters[CLUSTER], tmp_path) as server:
        yield Behind(scene, server)


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_server_that_is_busy_is_asked_again(behind: Behind, method: str) -> None:
    behind.fault(BUSY, method, times=3)
    assert not behind.deliver().errors
    assert behind.scene.data() == {"password": b"canary-faults"}


def test_a_server_that_stays_busy_for_longer_than_there_is_time_is_left_for_the_message_to_come_back(
    behind: Behind,
) -> None:
    behind.fault(Fault(429, headers={"Retry-After": "30"}), "GET", times=100)
    assert isinstance(error(behind.deliver(seconds=20)), Throttled)
    assert behind.gate.requests("GET", SECRET) == 1
    assert behind.scene.data() is None


def test_a_read_that_fails_is_tried_again_and_given_up_in_the_end(behind: Behind) -> None:
    behind.fault(BROKEN, "GET", times=2)
    assert not behind.deliver().errors
    behind.fault(BROKEN, "GET", times=100)
    found = error(behind.deliver())
    assert isinstance(found, Unreachable)
    assert "503" in str(found)


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_write_of_which_nobody_knows_whether_it_took_effect_is_looked_for_and_done_once(
    behind: Behind, *, carried_out: bool
) -> None:
    behind.fault(Fault(504, carried_out=carried_out), "PATCH", times=1)
    assert not behind.deliver().errors
    assert behind.scene.data() == {"password": b"canary-faults"}
    with behind.scene.untouched("Secret", "db"):
        assert not behind.deliver().errors


def test_a_token_that_is_refused_is_made_anew_once(behind: Behind) -> None:
    behind.fault(Fault(401), "GET", times=1)
    assert not behind.deliver().errors


def test_a_new_token_that_is_refused_too_is_an_error_that_says_what_to_check(behind: Behind) -> None:
    behind.fault(Fault(401), "GET", times=100)
    found = error(behind.deliver())
    assert isinstance(found, Unauthorized)
    assert behind.gate.requests("GET", SECRET) == 2
    for part in ("access entry", CLUSTER, "role", "clusters.yaml"):
        assert part in str(found)
