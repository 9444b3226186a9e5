"""Create, deliver, rotate, restart, clean up: on any stack that is given by its name, or on the local one.

`make test ARGS='tests/e2e --stack NAME --region REGION --kubeconfig FILE'` runs it against a deployed stack that has
mapping.yaml among its mappings, with the namespace keyferry-e2e and the generated RBAC in the cluster.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from local.admin import Admin
from local.cloud import Cloud
from local.install import STACK, Installation
from local.world import deployment, env_from

NAME = "keyferry-e2e"
SOURCE = "keyferry/e2e"
SECONDS = 120.0


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
        kubeconfig = request.config.getoption("--kubeconfig")
        return Target(stack, session.client, Admin.of_kubeconfig(kubeconfig, request.config.getoption("--context")))
    installed: Installation = request.getfixturevalue("installed")
    cloud: Cloud = installed.cloud
    return Target(STACK, cloud.aws.client, cloud.admins["prod-eu"])


@pytest.fixture
def workload(target: Target) -> Iterator[str]:
    """A Deployment that takes its environment from the Secret; it and all else are gone afterwards."""
    target.cluster.apply(deployment("api", NAME, env_from(NAME)))
    yield "api"
    target.cluster.delete("Deployment", "api", NAME)
    target.cluster.delete("Secret", NAME, NAME)
    target.client("secretsmanager").delete_secret(SecretId=SOURCE, ForceDeleteWithoutRecovery=True)
