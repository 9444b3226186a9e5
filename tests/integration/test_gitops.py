"""Secrets and stamps beside those who apply the same objects: docs/deploy/gitops.md, on a real API server."""

import copy
import json
from collections.abc import Callable

import pytest

from keyferry_local.admin import Object
from keyferry_local.direct import Direct
from keyferry_local.world import deployment, env_from
from tests.integration.history import History
from tests.integration.scene import Scene

LAST = "kubectl.kubernetes.io/last-applied-configuration"
STRATEGIC = "application/strategic-merge-patch+json"


def changed(workload: Object) -> Object:
    """Return it as it is in the next commit: another number of replicas, the pod template as it was."""
    new = copy.deepcopy(workload)
    new["spec"]["replicas"] = 2
    return new


def client_side(scene: Scene, _old: Object, new: Object) -> None:
    """Apply as `kubectl apply` does: a strategic merge patch made of last applied, wanted and live.

    Only `replicas` differs between the three, so that is the patch, and the annotation; all else it leaves alone.
    """
    patch = {"metadata": {"annotations": {LAST: json.dumps(new)}}, "spec": {"replicas": new["spec"]["replicas"]}}
    path = f"/apis/apps/v1/namespaces/{scene.namespace}/deployments/api?fieldManager=kubectl-client-side-apply"
    scene.admin.send("PATCH", path, patch, STRATEGIC)


def whole_strategic_merge(scene: Scene, _old: Object, new: Object) -> None:
    path = f"/apis/apps/v1/namespaces/{scene.namespace}/deployments/api?fieldManager=helm"
    scene.admin.send("PATCH", path, new, STRATEGIC)


def server_side(scene: Scene, _old: Object, new: Object) -> None:
    scene.admin.apply(new, manager="kustomize-controller")


def server_side_with_annotations(scene: Scene, _old: Object, new: Object) -> None:
    """What is applied has annotations of its own on the pod template, which it takes away again."""
    more = copy.deepcopy(new)
    more["metadata"]["annotations"] = {"team": "shop"}
    scene.admin.apply(more, manager="kustomize-controller")
    scene.admin.apply(new, manager="kustomize-controller")


@pytest.fixture
def delivered(scene: Scene) -> Direct:
    """The role of a mapping for whose Secret a Deployment was restarted."""
    scene.create({"password": "canary-gitops-1"})
    made = deployment("api", scene.namespace, env_from("db"))
    made["metadata"]["annotations"] = {LAST: json.dumps(made)}
    scene.admin.apply(made, manager="kustomize-controller")
    direct = scene.grant()
    assert not direct.deliver(scene.namespace).errors
    assert scene.stamp("Deployment", "api")
    return direct


@pytest.mark.parametrize(
    "apply", [client_side, whole_strategic_merge, server_side, server_side_with_annotations], ids=lambda f: f.__name__
)
def test_a_stamp_survives_whoever_applies_the_workload_and_nothing_rolls_out(
    scene: Scene, delivered: Direct, apply: Callable[[Scene, Object, Object], None]
) -> None:
    stamp, history = scene.stamp("Deployment", "api"), History(scene.admin, scene.namespace)
    old = deployment("api", scene.namespace, env_from("db"))
    apply(scene, old, changed(old))
    found = scene.admin.get("Deployment", "api", scene.namespace)
    assert found is not None
    assert found["spec"]["replicas"] == 2
    assert scene.stamp("Deployment", "api") == stamp
    assert history.new_replica_sets(scene.namespace) == 0
    with scene.untouched("Secret", "db"):
        assert not delivered.deliver(scene.namespace).errors
    assert scene.stamp("Deployment", "api") == stamp


def test_a_secret_survives_labels_and_annotations_that_others_apply_and_patch(scene: Scene, delivered: Direct) -> None:
    label: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "db", "namespace": scene.namespace, "labels": {"team": "shop"}},
    }
    scene.admin.apply(label, manager="kustomize-controller")
    path = f"/api/v1/namespaces/{scene.namespace}/secrets/db?fieldManager=kubectl-client-side-apply"
    scene.admin.send("PATCH", path, {"metadata": {"annotations": {LAST: "{}", "note": "x"}}}, STRATEGIC)
    with scene.untouched("Secret", "db"):
        assert not delivered.deliver(scene.namespace).errors
    assert scene.data() == {"password": b"canary-gitops-1"}

    scene.put({"password": "canary-gitops-2"})
    assert not delivered.deliver(scene.namespace).errors
    metadata = scene.secret()["metadata"]
    assert scene.data() == {"password": b"canary-gitops-2"}
    assert (metadata["labels"]["team"], metadata["annotations"]["note"]) == ("shop", "x")

    del label["metadata"]["labels"]
    scene.admin.apply(label, manager="kustomize-controller")
    assert scene.data() == {"password": b"canary-gitops-2"}
    assert scene.secret()["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "keyferry"}
    with scene.untouched("Secret", "db"):
        assert not delivered.deliver(scene.namespace).errors
