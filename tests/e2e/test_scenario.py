"""Create, deliver, rotate, restart, clean up: on any stack that is given by its name, or on the local one.

`make test ARGS='tests/e2e --stack NAME --region REGION --kubeconfig FILE'` runs it against a deployed stack that has
mapping.yaml among its mappings, with the namespace keyferry-e2e and the generated RBAC in the cluster.
"""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import boto3
import pytest

from keyferry.identity import IDENTITY
from keyferry_local.admin import Admin, Object
from keyferry_local.cloud import Cloud
from keyferry_local.install import STACK, Installation
from keyferry_local.watch import until
from keyferry_local.world import deployment, env_from

NAME = "keyferry-e2e"
SOURCE = "keyferry/e2e"
SECONDS = 400.0
"""A delivery that has failed for want of the secret comes back after five minutes at most."""


@dataclass(frozen=True)
class Target:
    """A stack, and the cluster that it delivers to."""

    stack: str
    client: Callable[[str], Any]
    """Service → client."""
    cluster: Admin


@pytest.fixture
def target(request: pytest.FixtureRequest) -> Target:
    """The stack that is named on the command line; without one, the local one."""
    stack = request.config.getoption("--stack")
    if stack:
        session = boto3.Session(region_name=request.config.getoption("--region"))
        cluster = Admin(request.config.getoption("--kubeconfig"), request.config.getoption("--context"))
        return Target(stack, cast("Callable[[str], Any]", session.client), cluster)
    installed: Installation = request.getfixturevalue("installed")
    cloud: Cloud = installed.cloud
    return Target(STACK, cloud.aws.client, cloud.admins["prod-eu"])


@pytest.fixture
def workload(target: Target) -> Iterator[str]:
    """A Deployment that takes its environment from the Secret; all that the scenario makes is gone afterwards."""
    target.cluster.apply(deployment("api", NAME, env_from(NAME)))
    yield "api"
    target.cluster.delete("Deployment", "api", NAME)
    target.cluster.delete("Secret", NAME, NAME)
    target.client("secretsmanager").delete_secret(SecretId=SOURCE, ForceDeleteWithoutRecovery=True)


def test_a_secret_is_created_delivered_rotated_and_its_user_restarted(target: Target, workload: str) -> None:
    stacks = target.client("cloudformation").describe_stacks(StackName=target.stack)["Stacks"]
    assert stacks[0]["StackStatus"].endswith("_COMPLETE")
    secrets = target.client("secretsmanager")

    first = f"canary-e2e-{uuid.uuid4().hex}"
    secrets.create_secret(Name=SOURCE, SecretString=json.dumps({"password": first}))
    until("the first value in the cluster", lambda: held(target) == first, seconds=SECONDS)
    stamped = until("the restart after the first delivery", lambda: stamp(target, workload), seconds=SECONDS)
    until("its rollout", lambda: seen(target, workload), seconds=SECONDS)
    replica_sets = owned(target, workload)

    second = f"canary-e2e-{uuid.uuid4().hex}"
    secrets.put_secret_value(SecretId=SOURCE, SecretString=json.dumps({"password": second}))
    until("the second value in the cluster", lambda: held(target) == second, seconds=SECONDS)
    until("the restart after the rotation", lambda: stamp(target, workload) != stamped, seconds=SECONDS)
    until("its rollout", lambda: seen(target, workload), seconds=SECONDS)
    assert len(owned(target, workload) - replica_sets) == 1


def held(target: Target) -> str | None:
    """Return the password that the cluster holds."""
    data = target.cluster.data(NAME, NAME)
    return data["password"].decode() if data else None


def stamp(target: Target, workload: str) -> str | None:
    """Return the mark of the last restart that a Deployment's pod template carries."""
    metadata = _deployment(target, workload)["spec"]["template"]["metadata"]
    return (metadata.get("annotations") or {}).get(IDENTITY.stamp_key(NAME))


def seen(target: Target, workload: str) -> bool:
    """Return whether the controller has made what the Deployment asks for."""
    found = _deployment(target, workload)
    return bool(found["status"].get("observedGeneration") == found["metadata"]["generation"])


def owned(target: Target, workload: str) -> set[str]:
    """Return the ReplicaSets of a Deployment."""
    uid = _deployment(target, workload)["metadata"]["uid"]
    return {
        each["metadata"]["name"]
        for each in target.cluster.list("ReplicaSet", NAME)
        if uid in {owner["uid"] for owner in each["metadata"].get("ownerReferences", ())}
    }


def _deployment(target: Target, name: str) -> Object:
    found = target.cluster.get("Deployment", name, NAME)
    assert found is not None
    return found
