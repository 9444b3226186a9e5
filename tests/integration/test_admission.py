"""The admission policy: whatever RBAC allows the pipeline, it changes nothing of a workload but its own stamps."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from keyferry.errors import Forbidden
from keyferry.errors import Refused as NotAccepted
from keyferry.kinds import KINDS, WorkloadKind
from keyferry.kube import Connection
from keyferry.kube.transport import Request
from keyferry_local.admin import Object, Refused
from keyferry_local.cloud import Cloud
from keyferry_local.direct import apply_rbac, deadline
from keyferry_local.watch import until
from keyferry_local.world import deployment, env_from
from tests.integration.scene import CUSTOM, Scene, connection, create_namespace

MERGE = "application/merge-patch+json"
NONCE = "0123456789abcdef"


def in_template(**annotations: Any) -> Object:  # noqa: ANN401
    """Return a patch of a pod template's annotations."""
    return {"spec": {"template": {"metadata": {"annotations": annotations}}}}


def list_forbidden(scene: Scene) -> dict[str, Object]:
    """Return what it is → a patch that the pipeline may not make."""
    domain, own = scene.identity.stamp_domain, {scene.identity.stamp_key("db"): NONCE}
    stamps: dict[str, dict[str, str | None]] = {
        "somebody's annotation of the pods": {"example.com/inject": "true"},
        "somebody's annotation beside its own": {**own, "example.com/inject": "true"},
        "an annotation of the pods taken away": {"example.com/kept": None},
        "an annotation of the pods changed": {"example.com/kept": "other"},
        "an annotation that only looks like its own": {f"{domain}.example.com/db": NONCE},
        "a stamp of a Secret that no mapping writes": {f"{domain}/other": NONCE},
        "a stamp of another stack": {f"other.{domain}/db": NONCE},
        "a text as a stamp": {scene.identity.stamp_key("db"): "canary-of-somebody"},
        "a long stamp": {scene.identity.stamp_key("db"): NONCE * 2},
        "an empty stamp": {scene.identity.stamp_key("db"): ""},
    }
    return {
        **CHANGES,
        **{what: in_template(**annotations) for what, annotations in stamps.items()},
        "the managers of all fields": in_template(**own) | {"metadata": {"managedFields": [{}]}},
    }


CHANGES: dict[str, Object] = {
    "another image": {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "example/other:1"}]}}}},
    "a service account": {"spec": {"template": {"spec": {"serviceAccountName": "admin"}}}},
    "a host network": {"spec": {"template": {"spec": {"hostNetwork": True}}}},
    "a label of the pods": {"spec": {"template": {"metadata": {"labels": {"other": "x"}}}}},
    "how it rolls out": {"spec": {"minReadySeconds": 7}},
    "its history": {"spec": {"revisionHistoryLimit": 3}},
    "its own annotation": {"metadata": {"annotations": {"keyferry.dev/restart": "false"}}},
    "its label": {"metadata": {"labels": {"other": "x"}}},
    "its finalizers": {"metadata": {"finalizers": ["example.com/x"]}},
    "its owner": {
        "metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "x"}]}
    },
}


@pytest.fixture(scope="module")
def scene(cloud: Cloud) -> Iterator[Scene]:
    """A scene with a stack of its own."""
    with Scene.apart(cloud, create_namespace(cloud)) as scene:
        yield scene


@pytest.fixture
def pipeline(scene: Scene, signed_in: Connection) -> Connection:
    """The pipeline, and workloads that nobody has changed yet."""
    for kind in KINDS:
        scene.admin.delete(kind, "api", scene.namespace)
    make_workloads(scene)
    return signed_in


def make_workloads(scene: Scene) -> None:
    """Make a workload of each kind."""
    spec = deployment("api", scene.namespace, env_from("db"))["spec"]
    spec["template"]["metadata"]["annotations"] = {"example.com/kept": "x"}
    del spec["replicas"]  # a DaemonSet has none
    for kind in KINDS:
        scene.make(kind, "api", spec=spec | ({"serviceName": "api"} if kind == "StatefulSet" else {}))


@pytest.fixture(scope="module")
def signed_in(scene: Scene, custom_kinds: None) -> Connection:
    """The pipeline, which RBAC here allows everything with workloads."""
    make_workloads(scene)
    role = scene.grant().role
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    metadata = {"name": "too-much", "namespace": scene.namespace}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": scene.identity.deliver}]
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
    path = f"{get_path(scene, kind)}{rest}"
    who.send(Request(method, path, method.lower(), f"{kind}/api", body=patch, content_type=MERGE), deadline(20))


def get_path(scene: Scene, kind: str) -> str:
    """Return the path of a workload."""
    known = KINDS[kind]
    return f"/apis/{known.group}/{known.version}/namespaces/{scene.namespace}/{known.resource}/api"


def is_refused(who: Connection, scene: Scene, kind: str, patch: Object | None, **more: str) -> bool:
    """Return whether the policy refuses a change."""
    try:
        send(who, scene, kind, patch, **more)
    except Forbidden as error:
        assert scene.identity.workloads_policy in str(error)
        return True
    except NotAccepted:  # Kubernetes 1.30 lets nobody change the history of a StatefulSet
        with pytest.raises(Refused):
            scene.admin.send(more.get("method", "PATCH"), get_path(scene, kind), patch, MERGE)
        return True
    return False


@pytest.mark.parametrize("kind", KINDS)
def test_the_pipeline_sets_changes_and_removes_its_own_stamps(scene: Scene, pipeline: Connection, kind: str) -> None:
    for value in (NONCE, NONCE[::-1], None):
        send(pipeline, scene, kind, in_template(**{scene.identity.stamp_key("db"): value}))
        assert scene.stamp(kind, "api") == value


def test_the_first_annotation_of_a_pod_template_may_be_its_stamp(scene: Scene, pipeline: Connection) -> None:
    scene.admin.edit("Deployment", "api", scene.namespace, {"spec": {"template": {"metadata": {"annotations": None}}}})
    send(pipeline, scene, "Deployment", in_template(**{scene.identity.stamp_key("db"): NONCE}))
    assert scene.stamp("Deployment", "api") == NONCE


def test_a_stamp_that_somebody_has_edited_is_taken_back_whatever_else_they_have_edited(
    scene: Scene, pipeline: Connection
) -> None:
    key = scene.identity.stamp_key("db")
    for rest in ({}, {"minReadySeconds": 3}):
        scene.admin.edit("Deployment", "api", scene.namespace, {"spec": in_template(**{key: "by-hand"})["spec"] | rest})
        send(pipeline, scene, "Deployment", in_template(**{key: NONCE}))
        assert scene.stamp("Deployment", "api") == NONCE
    assert "f:minReadySeconds" in str(managed(scene, "kubectl-edit"))


def test_no_manager_loses_fields_by_a_stamp_beside_it(scene: Scene, pipeline: Connection) -> None:
    key = scene.identity.stamp_key("db")
    edited = {"spec": in_template(**{key: "by-hand"})["spec"] | {"minReadySeconds": 3}}
    scene.admin.edit("Deployment", "api", scene.namespace, edited)
    (entry,) = managed(scene, "kubectl-edit")
    emptied = entry | {"fieldsV1": {"f:spec": {}}}
    for others in ([], [emptied]):
        kept = [each for each in managed(scene) if each["manager"] != "kubectl-edit"]
        patch = in_template(**{key: NONCE}) | {"metadata": {"managedFields": [*kept, *others]}}
        assert is_refused(pipeline, scene, "Deployment", patch)


def test_a_stamp_is_allowed_where_the_api_server_puts_old_entries_of_managers_together(
    scene: Scene, pipeline: Connection
) -> None:
    for number in range(12):
        patch = {"metadata": {"annotations": {f"example.com/{number}": "x"}}}
        scene.admin.edit("Deployment", "api", scene.namespace, patch, manager=f"tool-{number}")
        stamp = in_template(**{scene.identity.stamp_key("db"): f"{number:016x}"})
        send(pipeline, scene, "Deployment", stamp, rest=f"?fieldManager={scene.identity.field_manager(str(number))}")
    assert managed(scene, "ancient-changes")


def test_a_stamp_is_allowed_where_somebody_has_taken_all_managers_away(scene: Scene, pipeline: Connection) -> None:
    scene.admin.edit("Deployment", "api", scene.namespace, {"metadata": {"managedFields": [{}]}})
    for value in (NONCE, NONCE[::-1]):
        send(pipeline, scene, "Deployment", in_template(**{scene.identity.stamp_key("db"): value}))
        assert scene.stamp("Deployment", "api") == value


def managed(scene: Scene, manager: str = "", kind: str = "Deployment") -> list[Object]:
    """Return the entries of managedFields of a workload: all of them, or those of one manager."""
    found = scene.admin.get(kind, "api", scene.namespace) or {}
    return [each for each in found["metadata"]["managedFields"] if manager in ("", each["manager"])]


@pytest.mark.parametrize("kind", KINDS)
def test_the_pipeline_changes_nothing_else_of_a_workload(scene: Scene, pipeline: Connection, kind: str) -> None:
    with scene.untouched(kind, "api"):
        allowed = [
            what for what, patch in list_forbidden(scene).items() if not is_refused(pipeline, scene, kind, patch)
        ]
        assert allowed == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_list_of_managers_takes_nobody_s_fields_away(scene: Scene, pipeline: Connection, kind: str) -> None:
    patch = in_template(**{scene.identity.stamp_key("db"): NONCE}) | {"metadata": {"managedFields": []}}
    if not is_refused(pipeline, scene, kind, patch):  # of a custom resource, it counts as none given
        (entry,) = managed(scene, "kubectl", kind)
        assert "f:selector" in entry["fieldsV1"]["f:spec"]


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
        with pytest.raises(Forbidden, match=scene.identity.workloads_policy):
            pipeline.send(
                Request("POST", path, "create", kind.resource, body=other, content_type="application/json"),
                deadline(20),
            )


def test_everybody_else_changes_workloads_as_before(scene: Scene, pipeline: Connection) -> None:
    for patch in list_forbidden(scene).values():
        if not any(field in str(patch) for field in ("ownerReferences", "finalizers", "managedFields")):
            scene.admin.edit("Deployment", "api", scene.namespace, patch)
    scene.admin.delete("Deployment", "api", scene.namespace)


@pytest.mark.parametrize("policy", ["workloads_policy", "secrets_policy"])
def test_the_api_server_finds_nothing_to_warn_of_in_a_policy(scene: Scene, pipeline: Connection, policy: str) -> None:
    def checked() -> Object | None:
        found = scene.admin.get("ValidatingAdmissionPolicy", getattr(scene.identity, policy)) or {}
        return dict(found.get("status", {})) if "observedGeneration" in found.get("status", {}) else None

    assert until("the policy is checked", checked).get("typeChecking", {}).get("expressionWarnings", []) == []
