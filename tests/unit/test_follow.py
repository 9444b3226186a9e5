"""What is sent through a stack is followed until it has ended, and what it says is left is what is left."""

import itertools
from base64 import b64decode
from datetime import timedelta

import pytest

from keyferry.cli.steer.course import Followed
from keyferry.cli.steer.follow import PATIENCE, send_and_follow
from keyferry.cli.steer.interrupt import Interrupt
from keyferry.errors import ClusterUnreachable, Conflict, KeyferryError
from keyferry.model import Delivery
from keyferry.testing import FakeClock, FakeCluster
from tests.unit.clusters import SOURCE, World
from tests.unit.deployed_stack import DeployedStack
from tests.unit.interrupts import interrupting
from tests.unit.samples import WHEN, mapping

EVENT = "push-1"
DATA = {"password": {"from": "db", "path": "password"}}


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> DeployedStack:
    """A stack whose secret has changed, and that has not seen it yet."""
    deployed = DeployedStack(World(), monkeypatch)
    deployed.world.sources.put(SOURCE, '{"username": "me", "password": "canary-2"}')
    return deployed


def deliveries(*namespaces: str | None) -> list[Delivery]:
    """Return a delivery to each cluster, and to each namespace if there are some."""
    return [
        Delivery(mapping="payments-db", cluster=cluster, namespace=namespace, event_id=EVENT, time=WHEN)
        for cluster in ("prod-eu", "prod-us")
        for namespace in namespaces or (None,)
    ]


def create_interrupt(deployed: DeployedStack, pace: int = 1) -> Interrupt:
    """Return what keeps the time, that many times too fast: while somebody waits, deliver works."""
    clock = FakeClock()

    def wait(seconds: float) -> None:
        clock.jump(seconds * pace)
        deployed.work()

    return Interrupt(clock, wait)


def follow(deployed: DeployedStack, *sent: Delivery, patience: timedelta = PATIENCE) -> Followed:
    return send_and_follow(deployed.stack, sent or deliveries(), patience, create_interrupt(deployed))


def states(followed: Followed) -> dict[str, str]:
    """Return where a delivery goes → how far it is."""
    return {"/".join(filter(None, key[1:])): course.state for key, course in followed.courses.items()}


def passwords(deployed: DeployedStack, namespace: str = "payments") -> dict[str, str]:
    """Return cluster → what the Secret there holds."""
    return {name: read(cluster, namespace, "payments-db") for name, cluster in deployed.world.clusters.items()}


def read(cluster: FakeCluster, namespace: str, name: str) -> str:
    return b64decode(cluster.data(namespace, name)["password"]).decode()


def test_deliveries_are_followed_until_all_have_ended(deployed: DeployedStack) -> None:
    followed = follow(deployed)
    assert states(followed) == {"prod-eu": "delivered", "prod-us": "delivered"}
    assert (followed.has_ended, followed.error, followed.is_interrupted) == (True, None, False)
    ends = [course.end or {} for course in followed.courses.values()]
    assert {each["did"] for end in ends for each in end["namespaces"]} == {"updated"}
    assert passwords(deployed) == {"prod-eu": "canary-2", "prod-us": "canary-2"}


def test_what_comes_back_is_followed_to_its_end_and_each_cause_is_told_once(
    deployed: DeployedStack, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.failures = dict.fromkeys(("prod-eu", "prod-us"), ClusterUnreachable("no answer in time"))
    deployed.after_work = lambda: deployed.failures.clear() if deployed.attempts == 20 else None
    followed = follow(deployed)
    assert states(followed) == {"prod-eu": "delivered", "prod-us": "delivered"}
    said = capsys.readouterr().err
    assert said.count("ClusterUnreachable: no answer in time; next try ") == 1
    assert "payments-db to prod-eu and 1 more: " in said


def test_what_needs_repair_has_ended_with_its_error(deployed: DeployedStack) -> None:
    deployed.failures["prod-us"] = Conflict("helm has it")
    followed = follow(deployed)
    assert states(followed) == {"prod-eu": "delivered", "prod-us": "dead letter"}
    assert (followed.courses["payments-db", "prod-us", ""].end or {})["error"] == "Conflict: helm has it"


def test_a_namespace_that_goes_on_alone_is_followed_too(deployed: DeployedStack) -> None:
    deployed.fail_reads("shop/payments-db", attempts=2)
    followed = follow(deployed)
    assert states(followed) == {
        "prod-eu": "replaced",
        "prod-us": "replaced",
        "prod-eu/shop": "delivered",
        "prod-us/shop": "delivered",
    }
    assert passwords(deployed, "shop") == {"prod-eu": "canary-2", "prod-us": "canary-2"}


def test_namespaces_that_a_line_has_no_room_for_are_waited_for() -> None:
    followed = Followed.begin(deliveries()[:1])
    place = {"mapping": "payments-db", "cluster": "prod-eu"}
    followed.take([{**place, "message": "replaced", "follow_ups": 3, "sent_on": ["a", "b"]}])
    for name in ("a", "b"):
        followed.take([{**place, "namespace": name, "message": "delivered"}])
    assert (followed.has_ended, followed.count_unnamed()) == (False, 1)
    followed.take([{**place, "namespace": "c", "message": "delivered"}])
    assert (followed.has_ended, followed.count_unnamed()) == (True, 0)


@pytest.mark.parametrize("namespace", [None, "prod-eu"])
def test_a_copy_of_a_message_is_the_same_delivery(namespace: str | None) -> None:
    followed = Followed.begin([deliveries(namespace)[0]])
    place = {"mapping": "payments-db", "cluster": "prod-eu"} | ({"namespace": namespace} if namespace else {})
    followed.take([{**place, "message": "replaced", "follow_ups": 1, "sent_on": ["prod-eu"], "error": "it died"}])
    assert list(states(followed).values()) == ["sent"]
    followed.take([{**place, "message": "delivered"}, {**place, "message": "begun"}])
    assert list(states(followed).values()) == ["delivered"]


def test_a_namespace_that_is_called_as_its_cluster_goes_on_alone() -> None:
    followed = Followed.begin(deliveries()[:1])
    failed = [{"namespace": "prod-eu", "did": "failed", "error": "ServerError: 500"}]
    line = {"mapping": "payments-db", "cluster": "prod-eu", "message": "replaced", "namespaces": failed}
    followed.take([line | {"follow_ups": 1, "sent_on": ["prod-eu"]}])
    assert states(followed) == {"prod-eu": "replaced", "prod-eu/prod-eu": "sent"}


def test_lines_of_others_are_no_ones_end() -> None:
    followed = Followed.begin(deliveries("payments")[:1])
    followed.take([{"mapping": "payments-db", "cluster": "prod-eu", "namespace": "shop", "message": "delivered"}])
    assert states(followed) == {"prod-eu/payments": "sent" if followed.has_ended else "not sent"}


def test_patience_ends_and_what_is_under_way_is_told(deployed: DeployedStack) -> None:
    deployed.failures["prod-us"] = ClusterUnreachable("no answer in time")
    followed = follow(deployed, patience=timedelta(minutes=1))
    assert states(followed) == {"prod-eu": "delivered", "prod-us": "retry later"}
    assert [course.key for course in followed.list_under_way()] == [("payments-db", "prod-us", "")]
    assert not followed.is_interrupted


def test_without_patience_deliveries_are_only_sent(deployed: DeployedStack) -> None:
    followed = follow(deployed, patience=timedelta(0))
    assert (states(followed), deployed.calls.recorded) == (
        {"prod-eu": "sent", "prod-us": "sent"},
        ["sqs:SendMessage"],
    )


@pytest.mark.parametrize("call", ["sqs:SendMessage", "logs:FilterLogEvents"])
def test_an_error_of_aws_is_told_with_how_far_each_delivery_is(deployed: DeployedStack, call: str) -> None:
    def fail(_number: int, made: str) -> None:
        if made == call:
            raise KeyferryError("AWS is down")

    deployed.calls.before = fail
    followed = follow(deployed)
    assert str(followed.error) == "AWS is down"
    state = "sent" if call == "logs:FilterLogEvents" else "perhaps sent"
    assert states(followed) == {"prod-eu": state, "prod-us": state}


def test_whichever_request_is_interrupted_what_it_says_is_left_is_what_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 35 deliveries in four batches: what it says was not sent never arrives, and all else does, without it."""
    names = [f"m{number}" for number in range(35)]
    sent = [Delivery(mapping=name, cluster="prod-eu", event_id=EVENT, time=WHEN) for name in names]
    for number in itertools.count():
        world = World(*(mapping(name, namespaces=["payments"], secret={"name": name, "data": DATA}) for name in names))
        deployed = DeployedStack(world, monkeypatch)
        world.sources.put(SOURCE, '{"username": "me", "password": "canary-2"}')
        interrupt = create_interrupt(deployed)
        with interrupting(deployed.calls, number, lambda: interrupt.is_pressed):  # noqa: B023
            followed = send_and_follow(deployed.stack, sent, PATIENCE, interrupt)
        told = {course.delivery.mapping: course.state for course in followed.courses.values()}
        if not followed.is_interrupted:
            assert set(told.values()) == {"delivered"}
            assert number >= 5
            return
        deployed.work()
        new = {name for name in names if read(world.clusters["prod-eu"], "payments", name) == "canary-2"}
        assert {name for name, state in told.items() if state != "not sent"} == new
        assert "perhaps sent" not in told.values()
