"""What every integration test has: AWS settings of the local cloud, and a namespace of its own."""

import os
import uuid
from collections.abc import Iterator

import pytest

from local.cloud import Cloud
from tests.integration.scene import Scene


@pytest.fixture(scope="session", autouse=True)
def _no_aws_but_the_local_one(cloud: Cloud) -> Iterator[None]:
    """Every client that a test makes in this process talks to the local cloud, with keys of no use anywhere else."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in cloud.aws.environment().items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def namespace(cloud: Cloud) -> Iterator[str]:
    """A new namespace in both clusters."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    for admin in cloud.admins.values():
        admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    for admin in cloud.admins.values():
        admin.delete("Namespace", name)


@pytest.fixture
def scene(cloud: Cloud, namespace: str) -> Scene:
    """A new namespace, and names in AWS of its own."""
    return Scene(cloud, namespace)
