"""The sweep of the deployed stack: what no event told of is put right."""

import uuid
from functools import partial

import pytest

from local.install import Installation
from local.watch import until
from local.world import SECRETS, deployment, env_from
from tests.integration.deployed import Deployed, now


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
    assert stack.sweep(mapping="swept") == {"checked": 1, "count": 0, "sent": []}


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
