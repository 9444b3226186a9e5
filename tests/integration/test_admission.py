"""The admission policy: whatever RBAC allows the pipeline, it changes nothing of a workload but its own stamps."""

import itertools
from typing import Any

import pytest

from keyferry.errors import Forbidden
from keyferry.identity import IDENTITY
from keyferry.kinds import KINDS, WorkloadKind
from keyferry.kube import Connection
from keyferry.kube.transport import Request
from local.admin import Object
from local.direct import apply_rbac, deadline
from local.watch import until
from local.world import deployment, env_from
from tests.integration.scene import CUSTOM, Scene, connection

MERGE = "application/merge-patch+json"
STAMP = {"keyferry.dev/db": "nonce-0"}


def in_template(**annotations: Any) -> Object:  # noqa: ANN401
    """Return a patch of a pod template's annotations."""
    return {"spec": {"template": {"metadata": {"annotations": annotations}}}}


FORBIDDEN: dict[str, Object] = {
    "another image": {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "example/other:1"}]}}}},
    "a service account": {"spec": {"template": {"spec": {"serviceAccountName": "admin"}}}},
    "a host network": {"spec": {"template": {"spec": {"hostNetwork": True}}}},
    "a label of the pods": {"spec": {"template": {"metadata": {"labels": {"other": "x"}}}}},
    "somebody's annotation of the pods": in_template(**{"example.com/inject": "true"}),
    "somebody's annotation beside its own": in_template(**STAMP, **{"example.com/inject": "true"}),
    "an annotation of the pods taken away": in_template(**{"example.com/kept": None}),
    "an annotation of the pods changed": in_template(**{"example.com/kept": "other"}),
    "an annotation that only looks like its own": in_template(**{"keyferry.dev.example.com/db": "x"}),
    "how it rolls out": {"spec": {"minReadySeconds": 7}},
    "its history": {"spec": {"revisionHistoryLimit": 3}},
    "its own annotation": {"metadata": {"annotations": {"keyferry.dev/restart": "false"}}},
    "its label": {"metadata": {"labels": {"other": "x"}}},
    "its finalizers": {"metadata": {"finalizers": ["example.com/x"]}},
    "its owner": {
        "metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "x"}]}
    },
}


@pytest.fixture
def pipeline(scene: Scene, custom_kinds: None) -> Connection:
    """The pipeline, which RBAC here allows everything with workloads."""
    spec = deployment("api", scene.namespace, env_from("db"))["spec"]
    spec["template"]["metadata"]["annotations"] = {"example.com/kept": "x"}
    del spec["replicas"]  # a DaemonSet has none
    for kind in KINDS:
        scene.make(kind, "api", spec=spec | ({"serviceName": "api"} if kind == "StatefulSet" else {}))
    role = scene.grant().role
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    metadata = {"name": "too-much", "namespace": scene.namespace}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": IDENTITY.deliver}]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": metadata["name"]}
    version = "rbac.authorization.k8s.io/v1"
    apply_rbac(
        scene.admin,
        [
            {"apiVersion": version, "kind": "Role", "metadata": metadata, "rules": rules},
            {
                "apiVersion": version,
                "kind": "RoleBinding",
                "metadata": metadata,
                "roleRef": reference,
                "subjects": subjects,
            },
        ],
    )
    made = connection(scene.cloud, role)
    tries = itertools.count()  # a patch that an earlier try has made already would change nothing, and be allowed
    until(
        "the policy is in force",
        lambda: is_refused(made, scene, "Deployment", {"metadata": {"labels": {"try": str(next(tries))}}}),
    )
    return made


def send(
    who: Connection, scene: Scene, kind: str, patch: Object | None, *, method: str = "PATCH", rest: str = ""
) -> None:
    """Change a workload."""
    known = KINDS[kind]
    path = f"/apis/{known.group}/{known.version}/namespaces/{scene.namespace}/{known.resource}/api{rest}"
    who.send(Request(method, path, method.lower(), f"{kind}/api", body=patch, content_type=MERGE), deadline(20))


def is_refused(who: Connection, scene: Scene, kind: str, patch: Object | None, **more: str) -> bool:
    """Return whether the policy refuses a change."""
    try:
        send(who, scene, kind, patch, **more)
    except Forbidden as error:
        assert IDENTITY.workloads_policy in str(error)
        return True
    return False


@pytest.mark.parametrize("kind", KINDS)
def test_the_pipeline_sets_changes_and_removes_its_own_stamps(scene: Scene, pipeline: Connection, kind: str) -> None:
    for value in ("nonce-1", "nonce-2", None):
        send(pipeline, scene, kind, in_template(**{"keyferry.dev/db": value}))
        assert scene.stamp(kind, "api") == value


def test_the_first_annotation_of_a_pod_template_may_be_its_stamp(scene: Scene, pipeline: Connection) -> None:
    scene.admin.edit("Deployment", "api", scene.namespace, {"spec": {"template": {"metadata": {"annotations": None}}}})
    send(pipeline, scene, "Deployment", in_template(**STAMP))
    assert scene.stamp("Deployment", "api") == "nonce-0"


@pytest.mark.parametrize("kind", KINDS)
def test_the_pipeline_changes_nothing_else_of_a_workload(scene: Scene, pipeline: Connection, kind: str) -> None:
    with scene.untouched(kind, "api"):
        allowed = [what for what, patch in FORBIDDEN.items() if not is_refused(pipeline, scene, kind, patch)]
    assert allowed == []


@pytest.mark.parametrize("kind", [KINDS["Deployment"], *CUSTOM], ids=str)
def test_the_pipeline_scales_deletes_and_creates_no_workload(
    scene: Scene, pipeline: Connection, kind: WorkloadKind
) -> None:
    scale, version = {"spec": {"replicas": 5}}, f"{kind.group}/{kind.version}"
    other = deployment("other", scene.namespace, env_from("db"))
    other |= {"apiVersion": version, "kind": kind.name}
    with scene.untouched(kind.name, "api", "other"):
        assert is_refused(pipeline, scene, kind.name, scale)
        assert is_refused(pipeline, scene, kind.name, scale, rest="/scale")
        assert is_refused(pipeline, scene, kind.name, {"status": {"observedGeneration": 99}}, rest="/status")
        assert is_refused(pipeline, scene, kind.name, None, method="DELETE")
        path = f"/apis/{version}/namespaces/{scene.namespace}/{kind.resource}"
        with pytest.raises(Forbidden, match=IDENTITY.workloads_policy):
            pipeline.send(
                Request("POST", path, "create", kind.resource, body=other, content_type="application/json"),
                deadline(20),
            )


def test_everybody_else_changes_workloads_as_before(scene: Scene, pipeline: Connection) -> None:
    for patch in FORBIDDEN.values():
        if "ownerReferences" not in str(patch) and "finalizers" not in str(patch):
            scene.admin.edit("Deployment", "api", scene.namespace, patch)
    scene.admin.delete("Deployment", "api", scene.namespace)


def test_the_api_server_finds_nothing_to_warn_of_in_the_policy(scene: Scene, pipeline: Connection) -> None:
    def checked() -> Object | None:
        found = scene.admin.get("ValidatingAdmissionPolicy", IDENTITY.workloads_policy) or {}
        return dict(found.get("status", {})) if "observedGeneration" in found.get("status", {}) else None

    assert until("the policy is checked", checked).get("typeChecking", {}).get("expressionWarnings", []) == []
