"""What happens between a delivery that was killed and the next one, and two deliveries at once: it ends right."""

import itertools
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from keyferry.delivery.observed import RESTART_DUE
from keyferry_local.admin import Object
from keyferry_local.cloud import Cloud
from keyferry_local.direct import Direct, delivery
from keyferry_local.watch import until
from keyferry_local.world import deployment, env_from
from tests.integration.history import History, check_right
from tests.integration.outages.killed import Functions, Hold, Kill, environment
from tests.integration.scene import Scene

AFTER_THE_WRITE = 3
"""The request that follows reading and writing the Secret."""
BEFORE_THE_CLEARING = 8
"""The last request: after three lists, a look at the metadata and a stamp."""


@dataclass(frozen=True)
class Stage:
    """A scene whose deliveries are made by two programs, side by side."""

    scene: Scene
    direct: Direct
    one: Functions
    other: Functions
    numbers: Iterator[int]

    def rotate(self) -> tuple[str, str]:
        """Give the source a new value, and return it with its version."""
        password = f"canary-journal-{next(self.numbers)}"
        return password, self.scene.put({"password": password})

    def redeliver(self, version: str) -> None:
        """Let the message come back until it is done, at most a few times."""
        for attempt in range(2, 6):
            if self.one.invoke(delivery(self.scene.namespace, versions={"db": version}), attempt=attempt) == {
                "batchItemFailures": []
            }:
                return
        pytest.fail("the message is not done after five attempts")


@pytest.fixture(scope="module")
def stage(cloud: Cloud, place: Path) -> Iterator[Stage]:
    """One namespace with one Deployment that uses the Secret."""
    name = f"journal-{uuid.uuid4().hex[:8]}"
    scene = Scene(cloud, name)
    scene.create({"password": "canary-journal-0"})
    scene.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    scene.admin.apply(deployment("api", name, env_from("db")))
    direct = scene.grant()
    assert not direct.deliver(name).errors
    settings = environment(direct, place / name)
    with Functions(settings, place / name / "one") as one, Functions(settings, place / name / "other") as other:
        yield Stage(scene, direct, one, other, itertools.count(1))


@pytest.fixture(autouse=True)
def _one_workload(stage: Stage) -> Iterator[None]:
    """Leave no workload behind: requests are counted."""
    yield
    stage.scene.admin.delete("Deployment", "late", stage.scene.namespace)


def nothing(scene: Scene) -> None:
    """Change nothing."""


def delete_the_secret(scene: Scene) -> None:
    scene.admin.delete("Secret", "db", scene.namespace)


def edit_the_value(scene: Scene, data: Object | None = None) -> None:
    """Edit it, by another manager each time: from the same one it is taken back once a day."""
    patch = {"data": data or {"password": "b29wcw=="}}
    scene.admin.edit("Secret", "db", scene.namespace, patch, manager=f"edit-{uuid.uuid4().hex[:8]}")


def edit_the_value_and_back(scene: Scene) -> None:
    before = scene.secret()["data"]
    edit_the_value(scene)
    edit_the_value(scene, before)


def create_a_workload(scene: Scene) -> None:
    scene.admin.apply(deployment("late", scene.namespace, env_from("db")))


def take_the_stamp_off(scene: Scene) -> None:
    stampless = {"spec": {"template": {"metadata": {"annotations": {scene.identity.stamp_key("db"): None}}}}}
    scene.admin.edit("Deployment", "api", scene.namespace, stampless)


def roll_the_workload_back(scene: Scene) -> None:
    older = {"spec": {"template": {"metadata": {"annotations": {scene.identity.stamp_key("db"): "an-older-one"}}}}}
    scene.admin.edit("Deployment", "api", scene.namespace, older)


MEANWHILE = (
    nothing,
    delete_the_secret,
    edit_the_value,
    edit_the_value_and_back,
    create_a_workload,
    take_the_stamp_off,
    roll_the_workload_back,
)


@pytest.mark.parametrize("number", [AFTER_THE_WRITE, BEFORE_THE_CLEARING])
@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_whatever_happens_after_a_kill_the_next_delivery_ends_right(
    stage: Stage, meanwhile: Callable[[Scene], None], number: int
) -> None:
    history = History(stage.scene.admin, stage.scene.namespace)
    password, version = stage.rotate()
    message = delivery(stage.scene.namespace, versions={"db": version})
    assert stage.one.invoke(message, Kill(number, "before")) is None
    meanwhile(stage.scene)

    stage.redeliver(version)

    check_right(stage.scene, history, password, version)


@pytest.mark.parametrize("number", [AFTER_THE_WRITE, BEFORE_THE_CLEARING])
def test_a_value_that_goes_and_comes_back_is_written_and_restarted_for_each_time(stage: Stage, number: int) -> None:
    first, version = stage.rotate()
    stage.redeliver(version)
    history = History(stage.scene.admin, stage.scene.namespace)
    _, version = stage.rotate()
    message = delivery(stage.scene.namespace, versions={"db": version})
    assert stage.one.invoke(message, Kill(number, "before")) is None
    version = stage.scene.put({"password": first})

    stage.redeliver(version)

    check_right(stage.scene, history, first, version)
    assert len(history.writes(stage.scene.namespace)) == 2


def by_the_function(stage: Stage, version: str) -> None:
    assert stage.other.invoke(delivery(stage.scene.namespace, versions={"db": version})) == {"batchItemFailures": []}


def by_push(stage: Stage, _version: str) -> None:
    assert not stage.direct.deliver(stage.scene.namespace).errors


@pytest.mark.parametrize(
    ("number", "newer"),
    [*((number, by_the_function) for number in range(1, BEFORE_THE_CLEARING + 1)), (AFTER_THE_WRITE, by_push)],
)
def test_a_delivery_that_was_stuck_while_a_newer_one_was_made_brings_nothing_old(
    stage: Stage, tmp_path: Path, number: int, newer: Callable[[Stage, str], None]
) -> None:
    history = History(stage.scene.admin, stage.scene.namespace)
    _, version = stage.rotate()
    stuck = Hold(number, str(tmp_path))
    stage.one.begin(delivery(stage.scene.namespace, versions={"db": version}), stuck)
    until("the delivery stuck", stuck.reached)
    password, version = stage.rotate()
    newer(stage, version)

    stuck.release()
    assert stage.one.end() == {"batchItemFailures": []}

    values = [data["password"] for data in history.data(stage.scene.namespace)]
    assert len(values) == len(set(values)), "an older value came back"
    if number == BEFORE_THE_CLEARING - 1:  # one rollout more: between the look and the stamp, it has seen nothing
        assert stage.scene.data() == {"password": password.encode()}
        assert RESTART_DUE not in stage.scene.secret()["metadata"]["annotations"]
        assert set(history.rollouts().values()) == {2}
    else:
        check_right(stage.scene, history, password, version)


def test_two_deliveries_at_once_leave_the_newest_value_and_no_restart_undone(stage: Stage) -> None:
    for _ in range(5):
        history = History(stage.scene.admin, stage.scene.namespace)
        _, older = stage.rotate()
        stage.one.begin(delivery(stage.scene.namespace, versions={"db": older}))
        password, newer = stage.rotate()
        stage.other.begin(delivery(stage.scene.namespace, versions={"db": newer}))
        assert stage.one.end() is not None
        assert stage.other.end() is not None
        stage.redeliver(newer)
        check_right(stage.scene, history, password, newer)
        values = [data["password"] for data in history.data(stage.scene.namespace)]
        assert len(values) == len(set(values)), "an older value came back"
