"""What a cluster has is read as somebody would have written it, by lists and gets alone, and never a Secret."""

import json
from pathlib import Path
from typing import Any

import pytest

from keyferry.cli.clusters.client import OperatorClient
from keyferry.cli.clusters.contexts import Context
from keyferry.cli.clusters.resource import SECRETS
from keyferry.cli.migrate import live
from keyferry.cli.migrate.model import Estate, Manifest, Options
from keyferry.cli.migrate.reloader import decide_restart
from keyferry.errors import Forbidden, InvalidInput
from keyferry.kube.transport import Answer, Request
from tests.unit.test_connection import Server

CONTEXT = Context("prod-eu", "cluster", "https://one.example")
ESO, CSI = "/apis/external-secrets.io", "/apis/secrets-store.csi.x-k8s.io"
POD = {
    "containers": [
        {
            "name": "c",
            "image": "api",
            "env": [{"name": "A", "value": "canary-env"}],
            "envFrom": [{"secretRef": {"name": "db"}}],
        }
    ]
}


def named(name: str, namespace: str = "shop", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return an object as a list has it."""
    return {"metadata": {"name": name, "namespace": namespace, "uid": "u", "resourceVersion": "1"}} | more


def workload(name: str, annotations: dict[str, str]) -> dict[str, Any]:
    body = named(name, spec={"replicas": 1, "template": {"metadata": {}, "spec": POD}})
    body["metadata"]["annotations"] = {"other": "x"} | annotations
    return body


class Cluster(Server):
    """An API server that has objects: path → its resources, its list, or an object."""

    def __init__(self, **paths: dict[str, Any]) -> None:
        super().__init__()
        self.paths: dict[str, Any] = dict(paths)
        self.reply = self.answer

    def serve(self, version: str, plural: str, *objects: dict[str, Any], namespace: str = "") -> None:
        """Let it have a kind, with these objects."""
        self.paths.setdefault(version, {"resources": []})["resources"].append({"name": plural})
        inside = f"/namespaces/{namespace}" if namespace else ""
        self.paths[f"{version}{inside}/{plural}"] = {"items": list(objects)}

    def answer(self, request: Request) -> Answer:
        """Answer a request; 404 for what it does not have."""
        body = self.paths.get(request.path)
        return Answer(404) if body is None else Answer(200, json.dumps(body).encode())

    def read(self, namespace: str | None = None) -> list[Manifest]:
        """Return what is read."""
        return live.read_objects(OperatorClient(self.connect(), CONTEXT, self.clock.deadline(100)), namespace)


def test_a_cluster_without_any_of_it_has_nothing_and_that_is_no_error() -> None:
    assert Cluster().read() == []


def test_an_object_is_read_without_what_the_cluster_has_written_into_it() -> None:
    cluster = Cluster()
    external = named("db", spec={"data": []}, status={"conditions": []})
    last = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    external["metadata"] |= {
        "managedFields": [{}],
        "generation": 2,
        "creationTimestamp": "x",
        "labels": {"team": "shop"},
        "annotations": last | {"example.com/a": "b"},
    }
    cluster.serve(f"{ESO}/v1", "externalsecrets", external)
    (manifest,) = cluster.read()
    assert manifest.body == {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {
            "name": "db",
            "namespace": "shop",
            "labels": {"team": "shop"},
            "annotations": {"example.com/a": "b"},
        },
        "spec": {"data": []},
    }
    assert manifest.locate("spec") == "prod-eu"


@pytest.mark.parametrize(("versions", "chosen"), [(("v1", "v1beta1"), "v1"), (("v1beta1",), "v1beta1")])
def test_the_newest_version_that_is_served_counts(versions: tuple[str, ...], chosen: str) -> None:
    cluster = Cluster()
    for version in versions:
        cluster.serve(f"{ESO}/{version}", "secretstores", named("aws", spec={}))
    assert [manifest.version for manifest in cluster.read()] == [chosen]


def test_what_a_cluster_external_secret_makes_is_left_to_it() -> None:
    cluster = Cluster()
    owned = named("db")
    owned["metadata"]["ownerReferences"] = [{"kind": "ClusterExternalSecret", "name": "all"}]
    cluster.serve(f"{ESO}/v1", "externalsecrets", owned, named("other"))
    assert [manifest.name for manifest in cluster.read()] == ["other"]


def test_config_maps_that_templates_name_are_read_each_once() -> None:
    cluster = Cluster()
    template = {"template": {"templateFrom": [{"configMap": {"name": "tpl"}}, {"literal": "x"}]}}
    spec = {"target": template}
    cluster.serve(f"{ESO}/v1", "externalsecrets", named("a", spec=spec), named("b", spec=spec))
    everywhere = {"metadata": {"name": "all"}, "spec": {"externalSecretSpec": spec}}
    everywhere["status"] = {"provisionedNamespaces": ["one", "shop"]}
    cluster.serve(f"{ESO}/v1", "clusterexternalsecrets", everywhere)
    for namespace in ("shop", "one"):
        cluster.paths[f"/api/v1/namespaces/{namespace}/configmaps/tpl"] = named("tpl", namespace, data={"a": "b"})
    maps = [manifest for manifest in cluster.read() if manifest.body.get("data")]
    assert [manifest.namespace for manifest in maps] == ["shop", "one"]
    assert len([sent for sent in cluster.sent if "configmaps" in sent.path]) == 2


def test_one_namespace_is_read_with_the_stores_of_the_cluster() -> None:
    cluster = Cluster()
    cluster.serve(f"{CSI}/v1", "secretproviderclasses", named("shop", spec={}), namespace="shop")
    cluster.serve(f"{ESO}/v1", "clustersecretstores", {"metadata": {"name": "aws"}, "spec": {}})
    assert {manifest.kind for manifest in cluster.read("shop")} == {"SecretProviderClass", "ClusterSecretStore"}


def test_workloads_are_read_for_the_annotations_of_reloader_without_values() -> None:
    cluster = Cluster()
    auto = {"reloader.stakater.com/auto": "true"}
    cluster.serve("/apis/apps/v1", "deployments", workload("api", auto), workload("worker", {}))
    job = named("nightly", spec={"jobTemplate": {"spec": {"template": {"spec": POD}}}})
    cluster.serve("/apis/batch/v1", "cronjobs", job)
    manifests = cluster.read()
    assert [str(manifest) for manifest in manifests] == [
        "Deployment shop/api",
        "Deployment shop/worker",
        "CronJob shop/nightly",
    ]
    assert manifests[0].body["metadata"]["annotations"] == auto
    assert "canary" not in repr([manifest.body for manifest in manifests])
    assert decide_restart("shop", "db", Estate(manifests, Options()))[0] == [{"kind": "Deployment", "name": "api"}]


def test_workloads_are_left_out_where_none_has_an_annotation_of_reloader() -> None:
    cluster = Cluster()
    cluster.serve("/apis/apps/v1", "deployments", workload("api", {}))
    assert cluster.read() == []


def test_nothing_is_sent_but_lists_and_gets_and_no_secret_is_asked_for() -> None:
    cluster = Cluster()
    cluster.serve(f"{ESO}/v1", "externalsecrets", named("a", spec={}))
    cluster.read()
    assert {sent.method for sent in cluster.sent} == {"GET"}
    assert not [sent for sent in cluster.sent if sent.path.endswith("/secrets") or "/secrets/" in sent.path]
    with pytest.raises(ValueError, match="only the metadata"):
        OperatorClient(cluster.connect(), CONTEXT, cluster.clock.deadline(100)).read_object(SECRETS, "shop", "db")


def test_a_right_that_is_missing_is_named() -> None:
    cluster = Cluster()
    cluster.serve(f"{ESO}/v1", "externalsecrets")
    said = 'externalsecrets is forbidden: User "me" cannot list resource "externalsecrets" in API group "x"'
    forbidden = Answer(403, json.dumps({"kind": "Status", "message": said}).encode())
    cluster.reply = lambda request: forbidden if request.verb == "list" else cluster.answer(request)
    with pytest.raises(Forbidden, match=r"may not list externalsecrets\.external-secrets\.io"):
        cluster.read()


def test_steps_are_as_many_as_are_told() -> None:
    cluster, steps = Cluster(), list[int]()
    client = OperatorClient(cluster.connect(), CONTEXT, cluster.clock.deadline(100))
    live.read_objects(client, step=lambda: steps.append(1))
    assert len(steps) == live.STEPS


def test_a_context_that_is_missing_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://one.example'}}]\n"
        "users: [{name: u, user: {token: canary-token}}]\ncontexts: [{name: prod-eu, context: {cluster: c, user: u}}]\n"
    )
    environment = {"KUBECONFIG": str(config)}
    with pytest.raises(InvalidInput, match=r"no context prod-us.*prod-eu"):
        live.connect("prod-us", environment)
    assert live.connect("prod-eu", environment).context.server == "https://one.example"
