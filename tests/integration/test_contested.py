"""Somebody keeps writing a key of ours: what becomes of it on a real API server."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from keyferry.delivery.observed import RESTART_DUE, TAKEN_BACK, Observed
from keyferry.delivery.passes import deliver
from keyferry.delivery.work import Work
from keyferry.errors import Conflict
from keyferry.kube import KubeClient
from keyferry.model import Place
from keyferry.pipeline.compare import compare_secret
from keyferry_local.direct import Direct, deadline, delivery
from keyferry_local.world import deployment, env_from
from tests.integration.history import History
from tests.integration.scene import CLUSTER, Scene, connection, error


@pytest.fixture
def delivered(scene: Scene) -> Direct:
    """The role of a mapping whose Secret a Deployment uses."""
    scene.create({"password": "canary-contested-1"})
    scene.admin.apply(deployment("api", scene.namespace, env_from("db")))
    direct = scene.grant()
    assert not direct.deliver(scene.namespace).errors
    return direct


def write(scene: Scene, text: str, manager: str) -> None:
    """Apply the key as a GitOps tool does, with force."""
    metadata = {"name": "db", "namespace": scene.namespace}
    data = {"password": base64.b64encode(text.encode()).decode()}
    path = f"/api/v1/namespaces/{scene.namespace}/secrets/db?fieldManager={manager}&force=true"
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
    scene.admin.send("PATCH", path, body, "application/apply-patch+yaml")


def sweep(scene: Scene, direct: Direct, now: datetime) -> str:
    """Return what a sweep at that time would send a delivery for; empty for nothing."""
    mapping = direct.catalog.mappings[scene.namespace]
    client = KubeClient(connection(scene.cloud, direct.role), deadline())
    raw = client.read_secret_metadata(scene.namespace, "db")
    assert raw is not None
    seen = Observed.from_object(raw)
    return compare_secret(
        mapping, dict(seen.get_journal_versions()), seen, Place(CLUSTER, scene.namespace), now
    ).difference


def at(work: Work, now: datetime) -> Work:
    """Return the same work at another time of day."""
    return replace(work, now=lambda: now)


def test_a_writer_every_three_minutes_costs_one_rollout_in_ten_sweeps(scene: Scene, delivered: Direct) -> None:
    history, start = History(scene.admin, scene.namespace), datetime.now(UTC)
    told = []
    for minute in range(0, 10 * 60, 3):
        write(scene, f"from git {minute}", "argocd-controller")
        if minute % 60 == 0:
            now = start + timedelta(minutes=minute)
            told.append(sweep(scene, delivered, now))
            if told[-1]:
                work = delivered.runtime.prepare(delivery(scene.namespace), deadline())
                assert not deliver(at(work, now)).errors
    assert told == ["somebody else has written a key", *[""] * 9]
    assert history.new_replica_sets(scene.namespace) == 1
    assert list(Observed.from_object(scene.secret()).get_taken_back()) == ["argocd-controller"]

    found = error(delivered.deliver(scene.namespace))
    assert isinstance(found, Conflict)
    assert "field manager argocd-controller has written password again" in str(found)
    assert (scene.data() or {})["password"] == b"from git 597"
    assert RESTART_DUE not in scene.secret()["metadata"]["annotations"]

    assert sweep(scene, delivered, start + timedelta(days=1, minutes=1)) == "somebody else has written a key"
    assert not delivered.deliver(scene.namespace, takes_back=True).errors
    assert scene.data() == {"password": b"canary-contested-1"}
    assert history.new_replica_sets(scene.namespace) == 2
    assert sweep(scene, delivered, datetime.now(UTC)) == ""


def test_a_note_goes_on_while_it_counts_and_is_removed_by_the_first_apply_after_that(
    scene: Scene, delivered: Direct
) -> None:
    write(scene, "from git", "argocd-controller")
    assert not delivered.deliver(scene.namespace).errors
    note = scene.secret()["metadata"]["annotations"][TAKEN_BACK]
    scene.put({"password": "canary-contested-2"})
    assert not delivered.deliver(scene.namespace).errors
    assert scene.secret()["metadata"]["annotations"][TAKEN_BACK] == note
    scene.put({"password": "canary-contested-3"})
    work = delivered.runtime.prepare(delivery(scene.namespace), deadline())
    assert not deliver(at(work, datetime.now(UTC) + timedelta(days=1, minutes=1))).errors
    assert TAKEN_BACK not in scene.secret()["metadata"]["annotations"]
    with scene.untouched("Secret", "db"):
        assert not delivered.deliver(scene.namespace).errors
