"""What uses a Secret restarts, and nothing else, as a real API server keeps the pod templates."""

import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from keyferry.delivery import passes
from keyferry.delivery.observed import RESTART_DUE
from keyferry.errors import Forbidden, Refused, ServerError
from keyferry.kinds import WorkloadKind
from keyferry.kube import KubeClient, client
from keyferry_local import admin
from keyferry_local.admin import Object
from keyferry_local.cloud import Cloud
from keyferry_local.direct import Direct, deadline
from keyferry_local.watch import until
from keyferry_local.world import deployment, env_from, volume
from tests.integration.scene import CLUSTER, CUSTOM, Scene, connection, error
from tests.integration.wire import closed_port

NAME = {"name": "db"}
KEY = {"secretKeyRef": {**NAME, "key": "password"}}


def missing_in(scene: Scene) -> str:
    """Return what is said of a workload that the mapping names and that is not there."""
    return f"(not in namespace {scene.namespace}: create it, or correct restart in the mapping)"


def mounted(**source: Any) -> Object:  # noqa: ANN401
    return {"spec": {"volumes": [{"name": "one", **source}]}}


def before_main(**container: Any) -> Object:  # noqa: ANN401
    return {"spec": {"initContainers": [{"name": "before", "image": "registry.example/before:1", **container}]}}


USES = {
    "env": {"container": {"env": [{"name": "A", "valueFrom": KEY}]}},
    "env-from": env_from("db"),
    "init-container": before_main(env=[{"name": "A", "valueFrom": KEY}]),
    "sidecar": before_main(restartPolicy="Always", envFrom=[{"secretRef": NAME}]),
    "volume": volume("db"),
    "projected": mounted(projected={"sources": [{"configMap": {"name": "other"}}, {"secret": NAME}]}),
    "csi": mounted(csi={"driver": "csi.example", "nodePublishSecretRef": NAME}),
    "cephfs": mounted(cephfs={"monitors": ["127.0.0.1"], "secretRef": NAME}),
    "rbd": mounted(rbd={"monitors": ["127.0.0.1"], "image": "one", "secretRef": NAME}),
    "iscsi": mounted(
        iscsi={"targetPortal": "127.0.0.1", "iqn": "iqn.2026-01.example:one", "lun": 0, "secretRef": NAME}
    ),
    "scale-io": mounted(
        scaleIO={"gateway": "https://127.0.0.1", "system": "one", "volumeName": "v", "secretRef": NAME}
    ),
    "storage-os": mounted(storageos={"volumeName": "one", "secretRef": NAME}),
    "flex-volume": mounted(flexVolume={"driver": "example/one", "secretRef": NAME}),
    "azure-file": mounted(azureFile={"shareName": "one", "secretName": "db"}),
}
OPERATOR = {"apiVersion": "monitoring.coreos.com/v1", "kind": "Alertmanager", "name": "main", "uid": str(uuid.uuid4())}
DOES_NOT = {
    "nothing": {},
    "other-secret": env_from("db-other"),
    "config-map-env": {"container": {"envFrom": [{"configMapRef": NAME}]}},
    "config-map": mounted(configMap=NAME),
    "claim": mounted(persistentVolumeClaim={"claimName": "db"}),
    "pull-secret": {"spec": {"imagePullSecrets": [NAME]}},
    "account": {"spec": {"serviceAccountName": "db"}},
    "db": {},
}


def stamped(scene: Scene) -> set[str]:
    """Return the Deployments that carry a stamp for the Secret."""
    return {
        each["metadata"]["name"]
        for each in scene.admin.list("Deployment", scene.namespace)
        if scene.identity.stamp_key("db") in each["spec"]["template"]["metadata"].get("annotations", {})
    }


def test_every_way_to_use_the_secret_restarts_and_a_name_alone_does_not(scene: Scene) -> None:
    scene.create({"password": "canary-restart-1"})
    for name, pod in (USES | DOES_NOT).items():
        scene.admin.apply(deployment(name, scene.namespace, pod))

    report = scene.grant().deliver(scene.namespace)

    assert not report.errors
    assert stamped(scene) == set(USES)
    assert set(report.outcomes[0].restarted) == {f"Deployment/{name}" for name in USES}


def test_a_secret_of_another_namespace_restarts_nothing_here(scene: Scene, cloud: Cloud) -> None:
    scene.create({"password": "canary-restart-2"})
    scene.admin.apply(deployment("api", "default", env_from("db")))
    scene.admin.apply(deployment("api", scene.namespace, env_from("db")))
    assert not scene.grant().deliver(scene.namespace).errors
    assert stamped(scene) == {"api"}
    other = cloud.admins[CLUSTER].get("Deployment", "api", "default")
    assert other is not None
    assert "annotations" not in other["spec"]["template"]["metadata"]
    scene.admin.delete("Deployment", "api", "default")


def test_workloads_on_later_pages_are_found(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAGE_SIZE", 2)
    scene.create({"password": "canary-restart-3"})
    names = [f"api-{number}" for number in range(5)]
    for name in names:
        scene.admin.apply(deployment(name, scene.namespace, env_from("db")))
    assert not scene.grant().deliver(scene.namespace).errors
    assert stamped(scene) == set(names)


def test_what_does_not_roll_out_at_once_is_reported_for_what_it_is(scene: Scene) -> None:
    scene.create({"password": "canary-restart-4"})
    made = deployment("api", scene.namespace, env_from("db"))
    spec = made["spec"]
    of_pods = {"selector": spec["selector"], "template": spec["template"]}
    scene.make("Deployment", "paused", spec=spec | {"paused": True})
    scene.make("Deployment", "asleep", spec=spec | {"replicas": 0})
    scene.make("StatefulSet", "api", spec=of_pods | {"serviceName": "api", "updateStrategy": {"type": "OnDelete"}})
    scene.make("DaemonSet", "api", spec=of_pods | {"updateStrategy": {"type": "OnDelete"}})
    partly = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    scene.make("StatefulSet", "partly", spec=of_pods | {"serviceName": "x", "replicas": 3, "updateStrategy": partly})
    owned = {"name": "owned", "namespace": scene.namespace, "ownerReferences": [OPERATOR | {"controller": True}]}
    scene.admin.apply(made | {"metadata": owned})
    careful = made | {"metadata": made["metadata"] | {"annotations": {"keyferry.dev/restart": "false"}}}
    scene.admin.apply(careful)

    (outcome,) = scene.grant().deliver(scene.namespace).outcomes

    on_delete = "OnDelete: each pod restarts when somebody deletes it"
    assert set(outcome.restarted) == {
        "Deployment/paused (paused: rolls out when it is resumed)",
        "Deployment/asleep (no replicas)",
        "Deployment/owned (belongs to Alertmanager/main, which may undo it)",
        "StatefulSet/partly (partition 2: partly-0 to partly-1 restart when it is lowered)",
        f"StatefulSet/api ({on_delete})",
        f"DaemonSet/api ({on_delete})",
    }
    assert outcome.notes == ("Deployment/api (left alone: keyferry.dev/restart is false)",)
    assert stamped(scene) == {"paused", "asleep", "owned"}
    assert scene.stamp("StatefulSet", "api") == scene.stamp("DaemonSet", "api") == scene.stamp("Deployment", "paused")


@pytest.mark.usefixtures("custom_kinds")
def test_named_workloads_restart_a_rollout_too_and_none_beside_them(scene: Scene) -> None:
    scene.create({"password": "canary-restart-5"})
    made = deployment("api", scene.namespace, env_from("db"))
    scene.admin.apply(made)
    scene.make("Rollout", "canary", spec=made["spec"])
    scene.make("StatefulSet", "unrelated", spec={"serviceName": "x"} | deployment("x", "", {})["spec"])
    named = [("Rollout", "canary"), ("StatefulSet", "unrelated"), ("DaemonSet", "gone")]
    direct = scene.grant(restart=[{"kind": kind, "name": name} for kind, name in named])

    (outcome,) = direct.deliver(scene.namespace).outcomes

    assert outcome.restarted == ("Rollout/canary", "StatefulSet/unrelated")
    assert outcome.notes == (f"DaemonSet/gone {missing_in(scene)}",)
    assert scene.stamp("Rollout", "canary") == scene.stamp("StatefulSet", "unrelated") is not None
    rollout = scene.admin.get("Rollout", "canary", scene.namespace)
    assert rollout is not None
    assert rollout["spec"]["template"]["spec"] == made["spec"]["template"]["spec"]  # merged, not replaced
    assert stamped(scene) == set()


@pytest.mark.usefixtures("custom_kinds")
def test_a_rollout_of_another_workloads_pods_is_refused_until_the_mapping_names_that(scene: Scene) -> None:
    scene.create({"password": "canary-restart-6"})
    scene.admin.apply(deployment("api", scene.namespace, env_from("db")))
    scene.make(
        "Rollout", "canary", spec={"workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}}
    )
    direct = scene.grant(restart=[{"kind": "Rollout", "name": "canary"}])

    with scene.untouched("Rollout", "canary"):
        found = error(direct.deliver(scene.namespace))

    assert isinstance(found, Refused)
    assert "name Deployment/api in the mapping's restart" in str(found)
    assert RESTART_DUE in scene.secret()["metadata"]["annotations"]
    assert not scene.grant(restart=[{"kind": "Deployment", "name": "api"}]).deliver(scene.namespace).errors
    assert stamped(scene) == {"api"}
    assert RESTART_DUE not in scene.secret()["metadata"]["annotations"]


@pytest.mark.usefixtures("custom_kinds")
@pytest.mark.parametrize("kind", CUSTOM, ids=str)
def test_what_uses_the_secret_restarts_by_itself_if_it_is_of_a_kind_that_the_cluster_names(
    scene: Scene, kind: WorkloadKind
) -> None:
    scene.create({"password": "canary-restart-8"})
    scene.admin.apply(deployment("api", scene.namespace, env_from("db")))
    spec = deployment("web", scene.namespace, env_from("db"))["spec"]
    scene.make(kind.name, "web", spec=spec)
    scene.make(kind.name, "unrelated", spec=deployment("unrelated", scene.namespace, {})["spec"])
    direct = Direct.grant(scene.cloud, scene.catalog([scene.mapping()], restartKinds=["StatefulSet", kind.name]))

    with scene.untouched("Deployment", "api"), scene.untouched(kind.name, "unrelated"):
        (outcome,) = direct.deliver(scene.namespace).outcomes

    assert (outcome.restarted, outcome.error) == ((f"{kind}/web",), None)
    assert scene.stamp(kind.name, "web")
    found = scene.admin.get(kind.name, "web", scene.namespace)
    assert found is not None
    assert found["spec"]["template"]["spec"] == spec["template"]["spec"]  # merged, not replaced


@pytest.mark.usefixtures("custom_kinds")
@pytest.mark.parametrize("kind", CUSTOM, ids=str)
def test_a_kind_that_the_cluster_does_not_name_is_neither_looked_at_nor_allowed(
    scene: Scene, kind: WorkloadKind
) -> None:
    scene.create({"password": "canary-restart-9"})
    scene.make(kind.name, "web", spec=deployment("web", scene.namespace, env_from("db"))["spec"])
    direct = scene.grant()

    with scene.untouched(kind.name, "web"):
        report = direct.deliver(scene.namespace)

    (outcome,) = report.outcomes
    assert (outcome.restarted, outcome.notes, outcome.error) == ((), (), None)
    [note] = report.notes
    assert note.startswith(f"restart: auto looks at Deployment, StatefulSet and DaemonSet in {CLUSTER}, and not at ")
    assert kind.name in note
    scene.put({"password": "canary-restart-9b"})
    (outcome,) = direct.deliver(scene.namespace).outcomes
    assert outcome.notes == (
        "nothing restarts: no Deployment, StatefulSet or DaemonSet uses it in a variable or a volume",
    )
    with pytest.raises(Forbidden, match=f"forbids to list {kind.resource}"):
        list(KubeClient(connection(scene.cloud, direct.role), deadline()).list_workloads(kind, scene.namespace))


@pytest.mark.parametrize("kind", CUSTOM, ids=str)
def test_a_kind_that_the_cluster_does_not_have_is_looked_for_in_vain(scene: Scene, kind: WorkloadKind) -> None:
    scene.create({"password": "canary-restart-10"})
    mapping = scene.mapping(clusters=["prod-us"], restart="auto")
    named = scene.mapping(clusters=["prod-us"], restart=[{"kind": kind.name, "name": "web"}])
    admin = scene.cloud.admins["prod-us"]
    admin.apply(deployment("api", scene.namespace, env_from("db")))

    for wanted, said in ((mapping, ("Deployment/api",)), (named, ())):
        whole = scene.catalog([wanted], restartKinds=[kind.name, "Deployment"])
        report = Direct.grant(scene.cloud, whole).deliver(scene.namespace, "prod-us")
        (outcome,) = report.outcomes
        assert (outcome.restarted, outcome.error, report.notes) == (said, None, ())


@pytest.mark.usefixtures("custom_kinds")
def test_a_clone_set_is_stamped_and_reported_for_how_it_updates(scene: Scene) -> None:
    scene.create({"password": "canary-restart-11"})
    spec = deployment("web", scene.namespace, env_from("db"))["spec"]
    strategies: dict[str, Object] = {
        "at-once": {"type": "ReCreate"},
        "in-place": {"type": "InPlaceIfPossible"},
        "partly": {"type": "ReCreate", "partition": "50%"},
        "paused": {"paused": True},
    }
    for name, strategy in strategies.items():
        scene.make("CloneSet", name, spec=spec | {"updateStrategy": strategy})
    direct = scene.grant(restart=[{"kind": "CloneSet", "name": name} for name in (*strategies, "gone")])

    (outcome,) = direct.deliver(scene.namespace).outcomes

    in_place = "pods get the stamp in place, and a container restarts only if it has the stamp in a variable"
    assert outcome.restarted == (
        "CloneSet/at-once",
        f"CloneSet/in-place (InPlaceIfPossible: {in_place})",
        "CloneSet/partly (partition 50%: that many pods restart when it is lowered)",
        "CloneSet/paused (paused: rolls out when it is resumed)",
    )
    assert outcome.notes == (f"CloneSet/gone {missing_in(scene)}",)
    assert all(scene.stamp("CloneSet", name) for name in strategies)


@pytest.fixture
def webhook(scene: Scene) -> Iterator[str]:
    """A webhook without a server, which the API server asks about one Deployment."""
    name = f"{scene.namespace}.example.com"
    asked = {
        "name": name,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "clientConfig": {"url": closed_port() + "/"},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": scene.namespace}},
        "matchConditions": [{"name": "one", "expression": "object.metadata.name == 'api'"}],
        "rules": [
            {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments"]}
        ],
    }
    body = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    scene.admin.apply(body | {"metadata": {"name": name}, "webhooks": [asked]})
    yield name
    scene.admin.delete("ValidatingWebhookConfiguration", name)


def test_a_workload_whose_webhook_fails_is_named_and_its_neighbours_restart(
    scene: Scene, webhook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "MAX_PASSES", 2)  # the pause before each is twice as long as the one before
    scene.create({"password": "canary-restart-7"})
    scene.admin.apply(*(deployment(name, scene.namespace, env_from("db")) for name in ("api", "zebra")))
    direct = scene.grant()
    until("the webhook asked", partial(refuses, scene))

    report = direct.deliver(scene.namespace)

    assert isinstance(error(report), ServerError)
    assert (
        f'answers 500 to patch deployments/api in namespace {scene.namespace}: failed calling webhook "{webhook}"'
        in (str(error(report)))
    )
    assert report.can_retry
    assert stamped(scene) == {"zebra"}
    scene.admin.delete("ValidatingWebhookConfiguration", webhook)
    until("the webhook gone", lambda: not refuses(scene))
    assert not direct.deliver(scene.namespace).errors
    assert stamped(scene) == {"api", "zebra"}


def refuses(scene: Scene) -> bool:
    """Return whether the webhook is asked: the API server learns of it a moment later."""
    try:
        scene.admin.edit("Deployment", "api", scene.namespace, {"metadata": {"labels": {"seen": uuid.uuid4().hex}}})
    except admin.Refused:
        return True
    return False
