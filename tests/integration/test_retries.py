"""A delivery that fails for a passing reason comes back by itself, and what the functions say of their work."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from keyferry.identity import IDENTITY, role_name
from keyferry_local.install import Installation
from keyferry_local.world import deployment, env_from
from tests.integration.deployed import Deployed, now

OLD_SECONDS = 11 * 60
ROLE = role_name(IDENTITY.deliver, "returning")


@pytest.fixture(scope="module")
def stack(installed: Installation) -> Deployed:
    """The stack, with a secret in place on prod-eu and a workload that uses it."""
    stack, since = Deployed(installed), now()
    stack.put("tests/returning", "canary-returning-1")
    stack.routed(since, names=["tests/returning"])
    stack.rest("returning")
    stack.eu.apply(deployment("api", "returning", env_from("returning")))
    return stack


@pytest.fixture
def forbidden(stack: Deployed) -> Iterator[dict[str, Any]]:
    """The cluster lets the pipeline do nothing in the namespace; what is yielded lets it again."""
    binding = stack.eu.get("RoleBinding", ROLE, "returning")
    assert binding is not None
    metadata = {"name": ROLE, "namespace": "returning"}
    again = {key: binding[key] for key in ("apiVersion", "kind", "roleRef", "subjects")} | {"metadata": metadata}
    stack.eu.delete("RoleBinding", ROLE, "returning")
    yield again
    stack.eu.apply(again)


def old(body: str) -> dict[str, Any]:
    """Return the event with which SQS hands over a message that was sent long ago."""
    sent = int((time.time() - OLD_SECONDS) * 1000)
    attributes = {"ApproximateReceiveCount": "9", "SentTimestamp": str(sent)}
    record = {"messageId": "old", "receiptHandle": "old", "body": body, "attributes": attributes}
    return {"Records": [record | {"eventSource": "aws:sqs", "messageAttributes": {}}]}


def test_a_delivery_that_the_cluster_forbids_comes_back_and_brings_the_newest_value(
    stack: Deployed, forbidden: dict[str, Any]
) -> None:
    before, since = stack.rollouts("prod-eu", "returning"), now()
    stack.put("tests/returning", "canary-returning-2")
    (failed, *_) = stack.deliveries("returning", since, message="retry later")
    assert "Forbidden: the cluster forbids to get secrets/returning in namespace returning" in failed["reason"]
    stack.put("tests/returning", "canary-returning-3")
    stack.eu.apply(forbidden)

    first, second = stack.deliveries("returning", since, 2, message="delivered")

    assert first["event_id"] == failed["event_id"] != second["event_id"]  # in a row
    assert (first["targets"], second["targets"]) == ({"updated": 1}, {"unchanged": 1})
    assert stack.eu.data("returning", "returning") == {"password": b"canary-returning-3"}
    assert len(stack.rollouts("prod-eu", "returning") - before) == 1


def test_a_namespace_that_fails_goes_on_alone_and_the_others_never_wait_for_it(stack: Deployed) -> None:
    begun = now()
    stack.put("tests/split", "canary-split-1")
    stack.deliveries("split", begun, message="delivered")
    stack.rest("split")
    role = role_name(IDENTITY.deliver, "split")
    binding = stack.eu.get("RoleBinding", role, "split-bad")
    assert binding is not None
    again = {key: binding[key] for key in ("apiVersion", "kind", "roleRef", "subjects")}
    again["metadata"] = {"name": role, "namespace": "split-bad"}
    stack.eu.delete("RoleBinding", role, "split-bad")
    try:
        since = now()
        stack.put("tests/split", "canary-split-2")
        (first,) = stack.deliveries("split", since, message="replaced")
        assert first["sent_on"] == ["split-bad"]
        stack.deliveries("split", since, message="retry later")
        stack.put("tests/split", "canary-split-3")
        stack.deliveries("split", since, 2, message="replaced")
        assert stack.eu.data("split", "split-good") == {"password": b"canary-split-3"}
        assert stack.eu.data("split", "split-bad") == {"password": b"canary-split-1"}
    finally:
        stack.eu.apply(again)
    stack.deliveries("split", since, message="delivered", seconds=60)
    assert stack.eu.data("split", "split-bad") == {"password": b"canary-split-3"}


def test_a_delivery_of_an_unknown_mapping_comes_back_for_ten_minutes_and_is_dropped_then(stack: Deployed) -> None:
    body = json.dumps({"mapping": "never-was", "cluster": "prod-eu", "eventId": "e", "time": "2026-11-24T12:00:00Z"})
    since = now()
    stack.send("DeliveriesQueueUrl", body, group="never-was/prod-eu")
    stack.deliveries("never-was", since, message="retry later")

    assert stack.invoke("DeliverFunction", old(body)) == {"batchItemFailures": []}

    (line,) = stack.deliveries("never-was", since, message="dropped")
    assert line["reason"] == "mapping never-was is not among this deployment's mappings"
    assert stack.counted(*stack.metrics("DeliverFunction", since))["MessagesDropped"] == 1


def test_one_line_tells_of_a_delivery_and_metrics_count_it_without_a_name(stack: Deployed) -> None:
    since = now()
    version = stack.put("tests/returning", "canary-returning-4")
    (line,) = stack.deliveries("returning", since)
    (routed,) = stack.routed(since, names=["tests/returning"])

    assert line["event_id"] == routed["event_id"]
    assert (line["message"], line["mapping"], line["cluster"]) == ("delivered", "returning", "prod-eu")
    assert line["versions"] == {"db": version}
    assert line["targets"] == {"updated": 1}
    (namespace,) = line["namespaces"]
    assert (namespace["namespace"], namespace["did"]) == ("returning", "updated")
    assert [each["workload"] for each in namespace["workloads"]] == ["Deployment/api"]
    assert 0 < line["seconds"] < 60

    told = {"DeliverFunction": line, "RouteFunction": routed}
    deliver, route = (stack.counted(stack.metrics_after(of, name, since)) for name, of in told.items())
    assert {
        name: deliver[name] for name in ("Deliveries", "TargetsUpdated", "WorkloadsRestarted", "TargetsFailed")
    } == {
        "Deliveries": 1,
        "TargetsUpdated": 1,
        "WorkloadsRestarted": 1,
        "TargetsFailed": 0,
    }
    assert 0 < deliver["EventToWriteSeconds"] < 60
    assert (route["ChangesSeen"], route["ChangesUnmapped"]) == (1, 0)
    for name in told:
        for metrics in stack.metrics(name, since):
            (directive,) = metrics["_aws"]["CloudWatchMetrics"]
            assert (directive["Namespace"], directive["Dimensions"]) == ("Keyferry", [["service"]])
            assert "returning" not in json.dumps(metrics)
