"""`keyferry migrate --from-cluster` on a real API server, by the rights to look alone."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from keyferry_local.cloud import Cloud
from keyferry_local.world import deployment, env_from
from tests.integration.migrate.stand_ins import DRIVER, OPERATOR
from tests.integration.operators import ALIAS, USES, Operator
from tests.integration.scene import CLUSTER, Scene

READS = [
    {"apiGroups": [OPERATOR, DRIVER], "resources": ["*"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]},
]
"""What it takes beside looking at workloads."""


@pytest.fixture
def operator(cloud: Cloud, tmp_path: Path) -> Operator:
    """Somebody who may do nothing in the cluster yet."""
    return Operator.join(cloud, tmp_path)


def write(scene: Scene, version: str, kind: str, name: str, spec: Any) -> None:  # noqa: ANN401
    metadata = {"name": name, "namespace": scene.namespace}
    body = {"apiVersion": version, "kind": kind, "metadata": metadata, **spec}
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = f"{kind.lower()}{'es' if kind.endswith('s') else 's'}"
    scene.admin.send("POST", f"{base}/namespaces/{scene.namespace}/{plural}", body, "application/json")


def migrate(operator: Operator, scene: Scene, folder: Path) -> tuple[int, dict[str, Any], str]:
    """Run the command, and return its exit code, its answer and what it says."""
    words = ("migrate", "--from-cluster", ALIAS, "-n", scene.namespace, "--cluster", CLUSTER, "--region", "eu-west-1")
    code, answer, said = operator.run(folder, "--output", "json", *words)
    return code, json.loads(answer or "{}"), said


def test_a_cluster_that_has_none_of_it_is_no_error(scene: Scene, operator: Operator, tmp_path: Path) -> None:
    operator.grant(USES)
    code, answer, said = migrate(operator, scene, tmp_path)
    assert (code, answer["manifests"]) == (0, []), said


@pytest.mark.usefixtures("_kinds")
def test_what_a_cluster_has_becomes_mappings_by_lists_and_gets_alone(
    scene: Scene, operator: Operator, tmp_path: Path
) -> None:
    operator.grant([*USES, *READS])
    template = {"engineVersion": "v2", "templateFrom": [{"target": "Data", "configMap": _template("tpl", "url")}]}
    external = {
        "secretStoreRef": {"name": "aws", "kind": "ClusterSecretStore"},
        "target": {"name": "db", "template": template},
        "data": [{"secretKey": "user", "remoteRef": {"key": "prod/db", "property": "username"}}],
    }
    write(scene, f"{OPERATOR}/v1beta1", "ExternalSecret", "db", {"spec": external})
    write(scene, "v1", "ConfigMap", "tpl", {"data": {"url": "postgres://{{ .user }}@db"}})
    parameters = {"objects": "- {objectName: prod/api, objectType: secretsmanager, objectAlias: key}\n"}
    secrets = [{"secretName": "api", "type": "Opaque", "data": [{"objectName": "key", "key": "key"}]}]
    driver = {"provider": "aws", "parameters": parameters, "secretObjects": secrets}
    write(scene, f"{DRIVER}/v1", "SecretProviderClass", "api", {"spec": driver})
    workload = deployment("web", scene.namespace, env_from("db"))
    workload["metadata"]["annotations"] = {"reloader.stakater.com/auto": "true"}
    scene.admin.apply(workload)

    code, answer, said = migrate(operator, scene, tmp_path)

    assert code == 0, (answer, said)
    made = {path.name: yaml.safe_load(path.read_text()) for path in (tmp_path / scene.namespace).glob("*.yaml")}
    assert made["db.yaml"]["spec"]["sources"] == {"db": {"secretsManager": "prod/db", "region": "eu-west-1"}}
    assert made["db.yaml"]["spec"]["secret"]["data"].keys() == {"url"}
    assert "restart" not in made["db.yaml"]["spec"]
    assert made["api.yaml"]["spec"]["secret"]["data"] == {"key": {"from": "api"}}
    assert made["api.yaml"]["spec"]["restart"] == "none"
    again, _, _ = migrate(operator, scene, tmp_path)
    assert again == 0


def _template(name: str, key: str) -> dict[str, Any]:
    return {"name": name, "items": [{"key": key, "templateAs": "Values"}]}


@pytest.mark.usefixtures("_kinds")
def test_a_right_that_is_missing_is_named(scene: Scene, operator: Operator, tmp_path: Path) -> None:
    code, _, said = migrate(operator, scene, tmp_path)
    assert code == 1
    assert f"may not list externalsecrets.{OPERATOR}" in said
