"""Two environments of one repository, each with a stack, mappings and a prefix; a mapping moves between them."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from keyferry_local import world
from keyferry_local.cloud import Cloud
from keyferry_local.watch import until
from tests.install.repository import ROOT, Repository, read_commands

ONE, TWO = "keyferry-one", "keyferry-staging"
SPACE, CLUSTER = "environments", "prod-eu"
[DEPLOY] = [text for text in read_commands("docs/deploy/index.md") if "--config-env staging generate" in text]
DEPLOY = DEPLOY.replace("--context staging", f"--context {CLUSTER}").replace("clusters/staging", f"clusters/{CLUSTER}")
"""The commands of the guide; its cluster of that environment is called as the local one."""
STACK = "apiVersion: keyferry.dev/v1\nkind: Stack\nprefix: "
MAPPING = """\
apiVersion: keyferry.dev/v1
kind: SecretMapping
metadata: {{name: {0}}}
spec:
  sources: {{db: {{secretsManager: environments/db}}}}
  clusters: [prod-eu]
  namespaces: [environments]
  secret: {{name: {0}, data: {{password: {{from: db, path: password}}}}}}
"""


def put(cloud: Cloud, password: str) -> None:
    text = json.dumps({"password": password})
    cloud.aws.client("secretsmanager").put_secret_value(SecretId="environments/db", SecretString=text)


def expect(cloud: Cloud, name: str, password: str) -> None:
    """Wait until a Secret has a value."""
    until(f"{name} has it", partial(_has, cloud, name, password), seconds=90)


def _has(cloud: Cloud, name: str, password: str) -> bool:
    return cloud.admins[CLUSTER].data(name, SPACE) == {"password": password.encode()}


@pytest.fixture
def repository(cloud: Cloud, tmp_path: Path) -> Iterator[Repository]:
    """A repository with two environments, both deployed."""
    repository, admin = Repository(cloud, tmp_path), cloud.admins[CLUSTER]
    cloud.aws.client("secretsmanager").create_secret(Name="environments/db", SecretString='{"password": "canary-1"}')
    admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
    admin.apply(world.deployment("web", SPACE, world.env_from("moving")))
    clusters = (ROOT / "examples/mappings/clusters.yaml").read_text()
    repository.write(
        {
            "mappings/clusters.yaml": clusters,
            "mappings/stack.yaml": f"{STACK}{ONE}\n",
            "mappings/stays.yaml": MAPPING.format("stays"),
            "mappings/moving.yaml": MAPPING.format("moving"),
            "staging/mappings/clusters.yaml": clusters,
            "staging/mappings/stack.yaml": f"{STACK}{TWO}\npreviousPrefixes: [{ONE}]\n",
            "staging/mappings/own.yaml": MAPPING.format("own"),
        }
    )
    repository.add_environment(ONE)
    repository.add_environment(TWO, "staging/mappings", "staging")
    repository.run("keyferry generate")
    repository.run(f"kubectl --context {CLUSTER} apply --server-side -f generated/clusters/{CLUSTER}/")
    repository.run("keyferry build && sam deploy")
    repository.run(f"sh generated/stack/access-entries.sh {ONE}")
    repository.run(DEPLOY)
    repository.run(f"sh staging/generated/stack/access-entries.sh {TWO}")
    yield repository
    for stack in (ONE, TWO):
        cloud.aws.client("cloudformation").delete_stack(StackName=stack)


def look(cloud: Cloud) -> tuple[dict[str, Any], int]:
    """Return the Secret that moves, and how often what uses it was changed."""
    admin = cloud.admins[CLUSTER]
    secret, web = admin.get("Secret", "moving", SPACE), admin.get("Deployment", "web", SPACE)
    assert secret
    assert web
    return secret, web["metadata"]["generation"]


def list_managers(cloud: Cloud) -> set[str]:
    """Return who owns fields of the Secret that moves: it is taken over by one write, and released by the next."""
    return {each["manager"] for each in look(cloud)[0]["metadata"]["managedFields"]}


def test_both_deliver_and_a_mapping_moves_from_one_to_the_other(cloud: Cloud, repository: Repository) -> None:
    for name in ("stays", "moving", "own"):
        expect(cloud, name, "canary-1")
    assert (repository.folder / "build/template.yaml").is_file()
    assert (repository.folder / "build/staging/template.yaml").is_file()
    until("it has restarted", lambda: look(cloud)[1] == 2)
    before = look(cloud)

    (repository.folder / "mappings/moving.yaml").rename(repository.folder / "staging/mappings/moving.yaml")
    repository.run("keyferry generate && keyferry --config-env staging generate")
    repository.run(f"kubectl --context {CLUSTER} apply --server-side -f staging/generated/clusters/{CLUSTER}/")
    repository.run("keyferry build && sam deploy")
    said = json.loads(repository.run("keyferry orphans --output json", 0, 1))
    assert said["moved"] == [{"cluster": CLUSTER, "namespace": SPACE, "name": "moving", "prefix": TWO}]
    assert not [row for row in said["orphans"] if row["kind"] == "Secret"]
    repository.run(DEPLOY)
    owner = f"{TWO}:moving"
    until("all fields are taken over", lambda: list_managers(cloud) == {owner})

    after = look(cloud)
    assert after[0]["metadata"]["annotations"]["keyferry.dev/mapping"] == owner
    assert (after[0]["data"], after[0]["metadata"]["uid"]) == (before[0]["data"], before[0]["metadata"]["uid"])
    assert after[1] == before[1], "nothing restarts"
    repository.run(f"sh generated/clusters/{CLUSTER}/remove-stale.sh")
    put(cloud, "canary-2")
    for name in ("stays", "moving", "own"):
        expect(cloud, name, "canary-2")
    until("it has restarted for the change", lambda: look(cloud)[1] == before[1] + 1)
