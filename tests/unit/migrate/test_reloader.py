"""What Reloader restarts is what a mapping restarts, and what differs is told."""

from typing import Any

import pytest

from keyferry.cli.migrate.model import CSI, Estate, Manifest, Options
from keyferry.cli.migrate.reloader import decide_restart, list_differences

AUTO = {"reloader.stakater.com/auto": "true"}
ENV_FROM = {"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "db"}}]}]}
ENV = {"containers": [{"name": "c", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}}]}]}
NOTHING = {"containers": [{"name": "c"}]}
VOLUME = {
    "containers": [{"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
    "volumes": [{"name": "v", "secret": {"secretName": "db"}}],
}
PROJECTED = VOLUME | {"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "db"}}]}}]}
NOT_MOUNTED = VOLUME | NOTHING
CLASS = VOLUME | {"volumes": [{"name": "v", "csi": {"volumeAttributes": {"secretProviderClass": "shop"}}}]}
API = [{"kind": "Deployment", "name": "api"}]


def workload(
    annotations: dict[str, str] | None = None,
    pod: dict[str, Any] | None = None,
    *,
    kind: str = "Deployment",
    name: str = "api",
    namespace: str = "shop",
    pod_annotations: dict[str, str] | None = None,
) -> Manifest:
    """Return a workload with annotations of its own and of its pods."""
    template = {"template": {"metadata": {"annotations": pod_annotations or {}}, "spec": pod or ENV_FROM}}
    body = {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations or {}},
        "spec": {"jobTemplate": {"spec": template}} if kind == "CronJob" else template,
    }
    return Manifest("a.yaml", 1, body)


def decide(*workloads: Manifest, annotations: dict[str, str] | None = None, **named: Any) -> tuple[Any, list[str]]:  # noqa: ANN401
    """Return what a mapping of the Secret `db` restarts, and what differs."""
    return decide_restart("shop", "db", Estate(workloads, Options()), annotations, **named)


@pytest.mark.parametrize("pod", [ENV, ENV_FROM, VOLUME, PROJECTED])
@pytest.mark.parametrize("name", ["reloader.stakater.com/auto", "secret.reloader.stakater.com/auto"])
def test_a_workload_that_restarts_by_auto_does_so_by_auto(pod: dict[str, Any], name: str) -> None:
    assert decide(workload({name: "true"}, pod)) == ("auto", [])


@pytest.mark.parametrize(
    "annotations",
    [
        {"secret.reloader.stakater.com/reload": "db"},
        {"secret.reloader.stakater.com/reload": "other, db"},
        {"secret.reloader.stakater.com/reload": "d."},
    ],
)
def test_a_workload_that_names_the_secret_restarts_whether_or_not_it_uses_it(annotations: dict[str, str]) -> None:
    assert decide(workload(annotations, NOTHING))[0] == API


@pytest.mark.parametrize(
    "restarting",
    [
        workload(),
        workload({"reloader.stakater.com/auto": "false"}),
        workload({"reloader.stakater.com/auto": "yes"}),
        workload({"configmap.reloader.stakater.com/auto": "true"}),
        workload(AUTO, NOTHING),
        workload(AUTO, NOT_MOUNTED),
        workload(AUTO | {"secrets.exclude.reloader.stakater.com/reload": "other, db"}),
        workload({"secret.reloader.stakater.com/reload": "dbx,x?"}),
        workload({"secret.reloader.stakater.com/reload": "["}),
        workload({"secret.reloader.stakater.com/reload": "db"}, namespace="other"),
        workload({"reloader.stakater.com/search": "true"}),
        workload({"reloader.stakater.com/auto": "false"}, pod_annotations=AUTO),
        workload(AUTO, kind="ReplicaSet"),
    ],
)
def test_nothing_restarts_that_did_not_restart_before(restarting: Manifest) -> None:
    assert decide(restarting)[0] == "none"


def test_nothing_restarts_where_no_workload_was_read() -> None:
    assert decide() == ("none", [])


def test_annotations_of_the_pods_count_where_the_workload_has_none() -> None:
    assert decide(workload(pod_annotations=AUTO)) == ("auto", [])


def test_a_secret_is_found_by_its_annotation_and_passed_over_by_another() -> None:
    searching = workload({"reloader.stakater.com/search": "true"})
    assert decide(searching, annotations={"reloader.stakater.com/match": "true"})[0] == "auto"
    assert decide(workload(AUTO), annotations={"reloader.stakater.com/ignore": "true"})[0] == "none"


def test_workloads_are_listed_where_others_use_the_secret_too() -> None:
    restart, notes = decide(workload(AUTO), workload(name="worker"))
    assert restart == API
    assert notes == ["`restart` lists the workloads that Reloader restarts now: add those that come later."]


def test_a_workload_that_names_the_secret_is_listed_without_a_word() -> None:
    named = workload({"secret.reloader.stakater.com/reload": "db"})
    assert decide(named, workload(name="worker")) == (API, [])


def test_a_rollout_is_listed_since_auto_does_not_look_for_it() -> None:
    assert decide(workload(AUTO, kind="Rollout"))[0] == [{"kind": "Rollout", "name": "api"}]


@pytest.mark.parametrize(
    ("annotations", "kind", "said"),
    [
        ({}, "CronJob", "Reloader starts CronJob/api anew, and Keyferry does not: a CronJob needs no restart"),
        ({}, "Job", "Reloader starts Job/api anew, and Keyferry does not: a Job does not restart"),
        (
            {"reloader.stakater.com/rollout-strategy": "restart"},
            "Rollout",
            "Reloader restarts the pods of Rollout/api; Keyferry changes its template",
        ),
        (
            {"deployment.reloader.stakater.com/pause-period": "5m"},
            "Deployment",
            "Reloader pauses Deployment/api for 5m after a restart",
        ),
    ],
)
def test_what_differs_is_told(annotations: dict[str, str], kind: str, said: str) -> None:
    _, notes = decide(workload(AUTO | annotations, kind=kind))
    assert notes[0].startswith(said)


def test_a_cron_job_alone_restarts_nothing() -> None:
    assert decide(workload(AUTO, kind="CronJob"))[0] == "none"


def test_a_workload_that_reloads_for_a_class_restarts_for_its_secrets() -> None:
    body = {"apiVersion": f"{CSI}/v1", "kind": "SecretProviderClass", "metadata": {"name": "shop", "namespace": "shop"}}
    shop = Manifest("a.yaml", 1, body)
    for annotations in (
        {"secretproviderclass.reloader.stakater.com/auto": "true"},
        {"secretproviderclass.reloader.stakater.com/reload": "shop"},
    ):
        assert decide(workload(annotations, CLASS), provider_class=shop)[0] == API
    assert decide(workload(AUTO, CLASS), provider_class=shop)[0] == "none"
    excluded = {"secretproviderclasses.exclude.reloader.stakater.com/reload": "shop"}
    auto = {"secretproviderclass.reloader.stakater.com/auto": "true"}
    assert decide(workload(auto | excluded, CLASS), provider_class=shop)[0] == "none"


def test_what_is_true_of_all_workloads_is_told_once() -> None:
    by_name = workload({"secret.reloader.stakater.com/reload": "db"}, name="worker")
    told = list_differences(Estate([workload(AUTO), by_name, workload(name="quiet")], Options()))
    assert told == [
        "Once the Secrets are handed over, take Reloader's annotations for Secrets off Deployment shop/api, Deployment"
        " shop/worker: with both, a change restarts twice.",
        "Keyferry restarts nothing for a ConfigMap: keep Reloader for those of Deployment shop/api.",
    ]
    assert "so nothing restarts (restart: none)" in list_differences(Estate([workload()], Options()))[0]
