"""Killed anywhere, the next delivery finishes: the function is killed at each request that changes the cluster.

Who dies between two requests that only read leaves what they leave who die after the write before these.
"""

import itertools
import secrets
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from keyferry.delivery.observed import RESTART_DUE
from keyferry.model import Delivery
from keyferry_local.cloud import Cloud
from keyferry_local.direct import Direct, delivery
from keyferry_local.world import deployment, env_from, volume
from tests.integration.history import History, check_right
from tests.integration.outages.killed import Functions, Kill, When, environment
from tests.integration.scene import CLUSTER, Scene

MODES: tuple[When, ...] = ("before", "sent")
"""Of the rotation. Whether a request is carried out whose sender dies before its answer is left to chance, so both are
tried. Of all else, who is killed dies "after" an answer, so before the next request: each state is left for sure."""


@dataclass(frozen=True)
class Killing:
    """A scene whose deliveries are made by the function."""

    scene: Scene
    direct: Direct
    functions: Functions
    namespaces: tuple[str, ...]
    numbers: Iterator[int]

    def rotate(self) -> tuple[str, str]:
        """Give the source a new value, and return it with its version."""
        password = f"canary-killed-{next(self.numbers)}"
        return password, self.scene.put({"password": password})

    def delivery(self, version: str) -> Delivery:
        """Return the delivery for a version."""
        return delivery(self.scene.namespace, versions={"db": version})

    def trial(self, kill: Kill, prepare: Callable[[], object]) -> bool:
        """Rotate, kill the function, let its message come back, and return whether it was killed."""
        password, version = self.rotate()
        prepare()
        history, message = History(self.scene.admin, *self.namespaces), self.delivery(version)
        killed = False
        answer = self.functions.invoke(message, kill)
        if answer is None:
            answer = self.functions.invoke(message, attempt=2)
            killed = True
        assert answer == {"batchItemFailures": []}
        self.check(history, password, version)
        return killed

    def check(self, history: History, password: str, version: str) -> None:
        """Fail unless there was one write and one rollout of each workload, and there is nothing left to do."""
        check_right(self.scene, history, password, version)
        assert [len(history.writes(namespace)) for namespace in self.namespaces] == [1] * len(self.namespaces)
        rollouts = history.rollouts()
        assert rollouts == dict.fromkeys(rollouts, 1)
        assert {history.new_replica_sets(namespace) for namespace in self.namespaces} == {1}
        again = History(self.scene.admin, *self.namespaces)
        assert not self.direct.deliver(self.scene.namespace, versions={"db": version}).errors
        assert again.quiet()

    def delete_the_secrets(self) -> None:
        """Delete what is there: the next delivery creates it."""
        for namespace in self.namespaces:
            self.scene.admin.delete("Secret", "db", namespace)

    def everywhere(self, when: When, prepare: Callable[[], object] = lambda: None) -> int:
        """Kill at each request that writes in turn, and after the last one, and return how many there were."""
        numbers = itertools.takewhile(
            lambda number: self.trial(Kill(number, when, is_write=True), prepare), itertools.count(1)
        )
        count = len(list(numbers))
        if when != "after":
            assert self.trial(Kill(count, "after", is_write=True), prepare)
        return count


@pytest.fixture(scope="module")
def stage(cloud: Cloud, place: Path) -> Iterator[Killing]:
    """Two namespaces with a Deployment and a StatefulSet each that use the Secret."""
    admin = cloud.admins[CLUSTER]
    namespaces = tuple(f"killed-{uuid.uuid4().hex[:8]}" for _ in range(2))
    scene = Scene(cloud, namespaces[0])
    scene.create({"password": "canary-killed-0"})
    for namespace in namespaces:
        stateful = deployment("queue", namespace, volume("db")) | {"kind": "StatefulSet"}
        admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        admin.apply(deployment("api", namespace, env_from("db")), stateful)
    direct = scene.grant(namespaces=list(namespaces))
    assert not direct.deliver(scene.namespace).errors
    with Functions(environment(direct, place / scene.namespace), place / scene.namespace) as functions:
        yield Killing(scene, direct, functions, namespaces, itertools.count(1))


@pytest.mark.parametrize("when", MODES)
def test_a_rotation_that_is_killed_is_finished_by_the_next_delivery(stage: Killing, when: When) -> None:
    assert stage.everywhere(when) >= 8


def test_a_creation_that_is_killed_is_finished_by_the_next_delivery(stage: Killing) -> None:
    assert stage.everywhere("after", stage.delete_the_secrets) >= 8


def test_a_key_of_somebody_else_is_removed_and_restarted_for_once_wherever_it_is_killed(
    cloud: Cloud, place: Path, scene: Scene
) -> None:
    scene.create({"password": "canary-killed-0"})
    scene.admin.apply(deployment("api", scene.namespace, env_from("db")))
    direct = scene.grant(policies={"keys": "exclusive"})
    assert not direct.deliver(scene.namespace).errors
    History(scene.admin, scene.namespace).new_replica_sets(scene.namespace)  # the controller has caught up
    with Functions(environment(direct, place / scene.namespace), place / scene.namespace) as functions:
        for number in itertools.count(1):
            scene.admin.edit("Secret", "db", scene.namespace, {"data": {"theirs": "eA=="}})
            history = History(scene.admin, scene.namespace)
            killed = functions.invoke(delivery(scene.namespace), Kill(number, "after", is_write=True)) is None
            assert functions.invoke(delivery(scene.namespace), attempt=2) == {"batchItemFailures": []}
            assert scene.data() == {"password": b"canary-killed-0"}
            assert RESTART_DUE not in scene.secret()["metadata"]["annotations"]
            assert history.new_replica_sets(scene.namespace) == 1
            if not killed:
                break
    assert number >= 4


def test_a_restart_that_is_asked_for_and_killed_comes_back_and_restarts_once(stage: Killing) -> None:
    password, version = stage.rotate()
    assert not stage.direct.deliver(stage.scene.namespace, versions={"db": version}).errors
    for number in itertools.count(1):
        message = delivery(stage.scene.namespace, restart=secrets.token_hex(8))
        history = History(stage.scene.admin, *stage.namespaces)
        killed = stage.functions.invoke(message, Kill(number, "after", is_write=True)) is None
        for attempt in (2, 3):
            assert stage.functions.invoke(message, attempt=attempt) == {"batchItemFailures": []}
        stage.check(history, password, version)
        assert {len(history.data(namespace)) for namespace in stage.namespaces} == {1}
        if not killed:
            break
    assert number >= 8
