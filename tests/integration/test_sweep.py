"""The sweep of the deployed stack: what no event told of is put right."""

import json
import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from keyferry.pipeline.comparison import Position
from keyferry.pipeline.reconcile import MAX_HOPS
from keyferry.pipeline.sweep import Sweep
from keyferry_local.controlplane import ControlPlane
from keyferry_local.install import Installation
from keyferry_local.watch import until
from keyferry_local.world import SECRETS, deployment, env_from
from tests.integration.deployed import Deployed, now
from tests.integration.scene import Scene, sweep, swept


@pytest.fixture(scope="module")
def stack(installed: Installation) -> Deployed:
    """The stack, with a secret in place on prod-eu and a workload that uses it."""
    stack, since = Deployed(installed), now()
    stack.eu.apply(deployment("api", "swept", env_from("swept")))
    stack.put("tests/swept", "canary-swept")
    stack.routed(since, names=["tests/swept"])
    stack.rest("swept")
    return stack


def test_the_deployment_itself_delivers_what_was_there_before_it(stack: Deployed) -> None:
    for name, admin in stack.cloud.admins.items():
        for secret, namespace in SECRETS:
            until(f"{name}: Secret {namespace}/{secret}", partial(admin.data, secret, namespace))


def test_a_secret_edited_by_hand_is_put_right_and_what_may_have_read_it_restarted(stack: Deployed) -> None:
    before, since = stack.rollouts("prod-eu", "swept"), now()
    stack.eu.edit("Secret", "swept", "swept", {"data": {"password": "b29wcw=="}})
    assert stack.sweep(mapping="swept")["count"] == 1
    stack.deliveries("swept", since, message="delivered")
    assert stack.eu.data("swept", "swept") == {"password": b"canary-swept"}
    assert len(stack.rollouts("prod-eu", "swept") - before) == 1


def test_a_secret_deleted_by_hand_is_made_again(stack: Deployed) -> None:
    before, since = stack.rollouts("prod-eu", "swept"), now()
    stack.eu.delete("Secret", "swept", "swept")
    assert stack.sweep(mapping="swept", cluster="prod-eu")["count"] == 1
    stack.deliveries("swept", since, message="delivered")
    assert stack.eu.data("swept", "swept") == {"password": b"canary-swept"}
    assert len(stack.rollouts("prod-eu", "swept") - before) == 1


def test_what_is_right_is_left_alone(stack: Deployed) -> None:
    answer = stack.sweep(mapping="swept")
    assert (answer["checked"], answer["count"], answer["not_compared"], answer["finished"]) == (1, 0, 0, True)


def test_a_cluster_that_nobody_answers_for_is_told_and_holds_nothing_up(stack: Deployed) -> None:
    stack.eu.delete("Secret", "swept", "swept")
    answer = stack.sweep()
    assert {"mapping": "swept", "cluster": "prod-eu", "why": "swept: the Secret is missing"} in answer["sent"]
    assert "lost" not in {sent["cluster"] for sent in answer["sent"]}
    assert answer["finished"]
    lost = [(reason["mapping"], reason["at"]) for reason in answer["reasons"] if reason["cluster"] == "lost"]
    assert (lost, answer["not_compared"] >= 1) == ([("far", "mappings/tests/clusters.yaml:5")], True)
    until("the Secret", lambda: stack.eu.data("swept", "swept") == {"password": b"canary-swept"})


def continued(stack: Deployed) -> list[dict[str, Any]]:
    """Return the sweeps on the queue that have run out of time; others wait for a cluster, or their time."""
    bodies = [json.loads(message["Body"]) for message in stack.messages("SweepsQueueUrl")]
    return [body for body in bodies if "hops" in body and "waits" not in body]


def test_a_sweep_without_time_goes_on_by_its_own_messages_until_it_has_some_and_nothing_is_lost(
    stack: Deployed,
) -> None:
    stack.eu.delete("Secret", "swept", "swept")
    with stack.by_hand("ReconcileFunction", timeout=60):  # all of which is kept in reserve
        answer = stack.sweep()
        assert (answer["checked"], answer["finished"], answer["continued"]) == (0, False, True)
        [body] = continued(stack)
        answer = stack.invoke("ReconcileFunction", body)
        assert (answer["checked"], answer["continued"]) == (0, True)
        assert sorted(body["hops"] for body in continued(stack)) == [1, 2]
    until("the Secret", lambda: stack.eu.data("swept", "swept") == {"password": b"canary-swept"})
    until("nothing left of the sweep", lambda: not continued(stack))


def test_a_sweep_that_never_has_time_ends_with_the_reason(stack: Deployed) -> None:
    rest = Sweep(reason="schedule", begun=now(), hops=MAX_HOPS, cursor={"prod-eu": Position(mapping="swept")})
    with stack.by_hand("ReconcileFunction", timeout=60):
        answer = stack.invoke("ReconcileFunction", json.loads(rest.to_json()))
        assert (answer["finished"], answer["continued"]) == (False, False)
        assert "1 clusters are not finished, the first one is prod-eu" in answer["reason"]
        assert continued(stack) == []


def test_a_frozen_cluster_takes_no_delivery_and_no_time_of_another(scene: Scene) -> None:
    direct = scene.grant(clusters=["prod-eu", "prod-us"])
    scene.create({"password": "canary-frozen"})
    for name in ("prod-eu", "prod-us"):
        assert not direct.deliver(scene.namespace, name).errors
    assert swept(direct) == []
    for admin in scene.cloud.admins.values():
        admin.delete("Secret", "db", scene.namespace)
    with frozen(scene.cloud.clusters["prod-us"]):
        report = sweep(direct)
    assert [each.cluster for each, _ in report.sent] == ["prod-eu"]
    assert [(each.cluster, each.targets) for each in report.not_compared] == [("prod-us", 1)]
    assert report.is_finished
    another = replace(direct)  # this environment remembers for a while that the cluster did not answer
    assert swept(another) == [scene.namespace] * 2


@contextmanager
def frozen(cluster: ControlPlane) -> Iterator[None]:
    """Stop an API server for a while: it takes connections, and answers nothing."""
    _, server, _ = cluster.processes
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_a_namespace_that_gets_its_label_later_is_delivered_to_when_reconcile_is_told_of_it(stack: Deployed) -> None:
    name = f"late-{uuid.uuid4().hex[:8]}"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    stack.eu.apply(namespace)
    assert "chosen" not in {sent["mapping"] for sent in stack.sweep(namespace=name)["sent"]}
    stack.eu.apply({**namespace, "metadata": {"name": name, "labels": {"tests": "chosen"}}})

    since = now()
    sent = {sent["mapping"]: sent["why"] for sent in stack.sweep(namespace=name)["sent"]}

    assert sent["chosen"] == f"{name}: the Secret is missing"
    stack.deliveries("chosen", since, message="delivered")
    assert stack.eu.data("chosen", name) == {"password": b"canary-swept"}


def test_a_message_of_the_schedule_starts_a_sweep(stack: Deployed) -> None:
    since = now()
    stack.eu.delete("Secret", "swept", "swept")
    stack.send("SweepsQueueUrl", '{"reason": "schedule"}')
    stack.deliveries("swept", since, message="delivered")
    assert stack.eu.data("swept", "swept") == {"password": b"canary-swept"}
