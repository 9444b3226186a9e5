"""One local cloud for the whole run, and Keyferry installed in it."""

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import cloud as clouds
from local import world
from local.cloud import Cloud
from local.install import Installation, install
from tests.integration.scene import Scene

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run writes everything: a leak test searches it."""
    return tmp_path_factory.mktemp("cloud")


@pytest.fixture(scope="session")
def cloud(place: Path) -> Iterator[Cloud]:
    """AWS, the sign-in, and the clusters prod-eu and prod-us."""
    with clouds.running(place, lambda text: print(text, flush=True)) as running:
        yield running


@pytest.fixture(scope="session")
def installed(cloud: Cloud, place: Path) -> Installation:
    """Keyferry, deployed with the mappings of the examples and of the tests; sources and workloads are there."""
    mappings = place / "mappings"
    shutil.copytree(ROOT / "examples/mappings", mappings)
    shutil.copytree(ROOT / "tests/integration/mappings", mappings / "tests")
    world.create_sources(cloud.aws)
    for admin in cloud.admins.values():
        world.create_namespaces(admin)
        world.create_workloads(admin)
    return install(cloud, mappings, lambda text: print(text, flush=True))


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
