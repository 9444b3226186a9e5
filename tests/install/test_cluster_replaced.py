"""A cluster takes the place of another by the commands of the runbook, and back."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

from keyferry.cli.clusters.generated import GENERATED
from keyferry_local import cloud as clouds
from keyferry_local import world
from keyferry_local.cloud import ACCOUNT, Cloud, Site
from keyferry_local.watch import until
from tests.install.repository import Repository, read_commands

BLUE, GREEN = "prod-eu-blue", "prod-eu-green"
PLAN, DEPLOY, ENTRIES, STATUS, CLEAN = read_commands("docs/runbooks/cluster-replaced.md")
MAPPING = """\
apiVersion: keyferry.dev/v1
kind: SecretMapping
metadata: {name: db}
spec:
  sources: {db: {secretsManager: replaced/db}}
  clusters: [prod-eu]
  namespaces: [payments]
  secret: {name: db, data: {password: {from: db, path: password}}}
"""


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Cloud]:
    """A local cloud with an old and a new cluster."""
    sites = [Site(name, "eu-west-1") for name in (BLUE, GREEN)]
    with clouds.running(tmp_path / "cloud", print, sites=sites) as running:
        for admin in running.admins.values():
            admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments"}})
            admin.apply(world.deployment("web", "payments", world.env_from("db")))
        yield running


@pytest.fixture
def repository(pair: Cloud, tmp_path: Path) -> Repository:
    """The repository of a stack that delivers to the old cluster."""
    repository = Repository(pair, tmp_path / "repository")
    repository.write({"mappings/db.yaml": MAPPING})
    repository.add_environment("keyferry")
    pair.aws.client("secretsmanager").create_secret(Name="replaced/db", SecretString='{"password": "canary-1"}')
    call_prod_eu(repository, BLUE)
    repository.run("keyferry generate")
    repository.run(DEPLOY.replace(GREEN, BLUE))
    repository.run(ENTRIES)
    return repository


def call_prod_eu(repository: Repository, name: str) -> None:
    """Let prod-eu be a cluster of this name in EKS."""
    eks = {"name": name, "region": "eu-west-1", "account": ACCOUNT}
    document = {"apiVersion": "keyferry.dev/v1", "kind": "Clusters", "clusters": [{"name": "prod-eu", "eks": eks}]}
    repository.write({"mappings/clusters.yaml": yaml.safe_dump(document)})


def put(cloud: Cloud, password: str) -> None:
    cloud.aws.client("secretsmanager").put_secret_value(
        SecretId="replaced/db", SecretString=f'{{"password": "{password}"}}'
    )


def expect(cloud: Cloud, cluster: str, password: str) -> None:
    """Wait until a cluster has a value."""
    data = {"password": password.encode()}
    until(f"{cluster} has it", partial(_has, cloud, cluster, data), seconds=90)


def _has(cloud: Cloud, cluster: str, data: dict[str, bytes]) -> bool:
    return cloud.admins[cluster].data("db", "payments") == data


def test_a_cluster_is_replaced_and_back_by_the_commands_of_the_runbook(pair: Cloud, repository: Repository) -> None:
    expect(pair, BLUE, "canary-1")

    call_prod_eu(repository, GREEN)
    assert "prod-eu is another cluster now" in repository.run(f"exec 2>&1; {PLAN}")
    repository.run(DEPLOY)
    repository.run(ENTRIES)
    expect(pair, GREEN, "canary-1")
    put(pair, "canary-2")
    expect(pair, GREEN, "canary-2")
    assert "right" in repository.run(STATUS)
    assert _has(pair, BLUE, {"password": b"canary-1"}), "it stays as it was"

    call_prod_eu(repository, BLUE)
    repository.run(PLAN)
    repository.run(DEPLOY.replace(GREEN, BLUE))
    repository.run(ENTRIES)
    expect(pair, BLUE, "canary-2")

    call_prod_eu(repository, GREEN)
    repository.run(f"{PLAN}{DEPLOY}{ENTRIES}")
    put(pair, "canary-3")
    expect(pair, GREEN, "canary-3")
    assert "db" in repository.run(CLEAN)
    left = [each for kind in GENERATED for each in pair.admins[BLUE].list(kind.kind)]
    assert [each for each in left if "keyferry.dev/generated" in each["metadata"].get("labels", {})] == []
    assert _has(pair, BLUE, {"password": b"canary-2"})
