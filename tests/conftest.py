"""One local cloud for the whole run, and Keyferry installed in it. Nothing of it starts for tests that do not ask."""

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.loaders import Loader

from keyferry_local import aws, world
from keyferry_local import cloud as clouds
from keyferry_local.cloud import ACCOUNT, Cloud
from keyferry_local.install import Installation, install

ROOT = Path(__file__).resolve().parent.parent
E2E = "keyferry-e2e"
FIRST, LAST = "test_scenario.py", "test_leaks.py"
"""Creates a secret, whose mapping has failed since the deployment: soon, while the failures are few. Searches what all
others have made the cloud write."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("keyferry", "a stack to test end to end; the local one where none is named")
    group.addoption("--stack", help="name of a deployed stack")
    group.addoption("--region", help="its region")
    group.addoption("--kubeconfig", help="kubeconfig of a cluster that it delivers to")
    group.addoption("--context", help="context of the kubeconfig; the current one where none is named")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let `-m stack` choose what needs the installed stack."""
    if "installed" in getattr(item, "fixturenames", ()) or item.path.name == FIRST:
        item.add_marker(pytest.mark.stack)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: (item.path.name == LAST) - (item.path.name == FIRST))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the garbage collector leave alone what lasts as long as the run: it would look through it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _services_are_described_once() -> Iterator[None]:
    """Let all sessions share what botocore reads from its files: most of the time that it takes to make a client."""
    loader = Loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", lambda _path: loader)
        yield


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
def local_aws(cloud: Cloud) -> Iterator[None]:
    """Every client that is made in this process talks to the local cloud, with keys of no use anywhere else."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in cloud.aws.environment().items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def installed(cloud: Cloud, place: Path) -> Installation:
    """Keyferry, deployed with the mappings of the examples and of the tests; sources and workloads are there."""
    mappings = place / "mappings"
    shutil.copytree(ROOT / "examples/mappings", mappings)
    shutil.copytree(ROOT / "tests/integration/mappings", mappings / "tests")
    shutil.copy(ROOT / "tests/e2e/mapping.yaml", mappings / "e2e.yaml")
    _ask_for_events(mappings / "clusters.yaml", "prod-eu")
    specs = list(_specs(mappings / "tests"))
    world.create_sources(cloud.aws)
    for admin in cloud.admins.values():
        world.create_namespaces(admin)
        world.create_workloads(admin)
        for name in {name for spec in specs for name in _namespaces(spec)} | {E2E}:
            admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for name in {name for spec in specs for name in _secrets(spec)}:
        cloud.aws.client("secretsmanager").create_secret(Name=name, SecretString='{"password": "canary-before"}')
    _lose_a_cluster(cloud)
    parameters = {"PushPrincipals": f"arn:aws:iam::{ACCOUNT}:root"}  # whom their own policies let push
    return install(cloud, mappings, lambda text: print(text, flush=True), parameters=parameters)


def _ask_for_events(path: Path, name: str) -> None:
    """Let failures be told by Kubernetes Events, too, in one of the clusters."""
    line = f"  - name: {name}\n"
    path.write_text(path.read_text().replace(line, f"{line}    events: true\n"))


def _specs(directory: Path) -> Iterator[dict[str, Any]]:
    """Yield the specs of the tests' mappings."""
    for path in sorted(directory.glob("*.yaml")):
        yield from (document["spec"] for document in yaml.safe_load_all(path.read_text()) if "spec" in document)


def _namespaces(spec: dict[str, Any]) -> list[str]:
    chosen = spec["namespaces"]
    return chosen if isinstance(chosen, list) else []


def _secrets(spec: dict[str, Any]) -> list[str]:
    written = [source["secretsManager"] for source in spec["sources"].values() if "secretsManager" in source]
    return [name.replace("${namespace}", each) for name in written for each in _namespaces(spec) or [""]]


def _lose_a_cluster(cloud: Cloud) -> None:
    """EKS knows the cluster `lost`, and nothing listens at its address."""
    authority = cloud.clusters["prod-eu"].certificate_authority
    aws.register_cluster(
        cloud.aws, name="lost", region="eu-west-1", endpoint="https://127.0.0.1:1", certificate_authority=authority
    )
