"""A rotation of the master password that RDS manages, event by event: one write of content, one rollout."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from keyferry_local.install import Installation
from keyferry_local.world import deployment, env_from
from tests.integration.deployed import Deployed, now

EVENTS = Path(__file__).resolve().parents[2] / "events"
NAME = "rds!cluster-2f1e4c6a-0b7d-4c55-9a37-6d1f0c9b8e21"
MANAGED_SAMPLE = json.loads((EVENTS / "secret-label-updated-managed.json").read_text())
TEXT = '{{"username": "postgres", "password": "canary-{}"}}'


@pytest.fixture(scope="module")
def stack(installed: Installation) -> Deployed:
    """The stack, with the password in the cluster and a workload that uses it."""
    stack, since = Deployed(installed), now()
    stack.eu.apply(deployment("api", "managed", env_from("managed")))
    stack.put(NAME, TEXT.format("before"))
    stack.deliveries("managed", since, message="delivered")
    stack.rest("managed")
    return stack


def play(stack: Deployed, sample: str) -> None:
    """Put a sample on the changes queue, with the ARN of the secret instead of its own."""
    text = (EVENTS / f"{sample}.json").read_text()
    event: dict[str, Any] = json.loads(text)
    arn = stack.secrets.describe_secret(SecretId=NAME)["ARN"]
    for part in ("additionalEventData", "serviceEventDetails", "requestParameters"):
        fields = event["detail"].get(part) or {}
        for key in [key for key in fields if key.lower() == "secretid"]:
            fields[key] = arn
    event |= {"id": str(uuid.uuid4())}
    stack.send("ChangesQueueUrl", json.dumps(event))


def test_its_name_is_that_of_the_sample() -> None:
    assert MANAGED_SAMPLE["detail"]["name"] == NAME


def test_a_rotation_by_rds_is_one_write_and_one_rollout(stack: Deployed) -> None:
    before, since = stack.rollouts("prod-eu", "managed"), now()
    stamped = stack.eu.get("Secret", "managed", "managed")

    version = str(uuid.uuid4())
    play(stack, "rotation-started")
    stack.secrets.put_secret_value(
        SecretId=NAME, SecretString=TEXT.format("after"), VersionStages=["AWSPENDING"], ClientRequestToken=version
    )
    play(stack, "put-secret-value-in-a-rotation")
    stack.routed(since, 2, ignored="no change")
    assert stack.eu.get("Secret", "managed", "managed") == stamped  # what is pending is never pushed

    old = stack.current(NAME)
    stack.secrets.update_secret_version_stage(
        SecretId=NAME, VersionStage="AWSCURRENT", MoveToVersionId=version, RemoveFromVersionId=old
    )
    stack.deliveries("managed", since, message="delivered")
    play(stack, "managed-rotation-succeeded")
    lines = stack.deliveries("managed", since, 2, message="delivered")
    stack.rest("managed")
    assert sorted(done for line in lines for done in line["targets"]) == ["unchanged", "updated"]
    data = stack.eu.data("managed", "managed") or {}
    assert (data["username"], data["password"]) == (b"postgres", b"canary-after")
    assert data["url"] == b"postgres://postgres:canary-after@payments.internal:5432/app"
    content_and_mark_taken_off = 2
    assert stack.writes("prod-eu", "managed", "secrets", since) == content_and_mark_taken_off
    assert stack.writes("prod-eu", "managed", "deployments", since) == 1
    assert len(stack.rollouts("prod-eu", "managed") - before) == 1
