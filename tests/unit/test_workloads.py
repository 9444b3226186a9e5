"""Which workloads use a Secret, and what is said of those that restart otherwise or not at all."""

from typing import Any

import pytest

from keyferry.delivery.restart.listing import MAX_PULLS, Listing
from keyferry.delivery.restart.workloads import build_stamp, list_secrets, list_uses, trim_workload
from keyferry.identity import IDENTITY, Identity
from keyferry.kinds import KINDS
from keyferry.mapping.mapping import Workload
from tests.unit.samples import uses, workload

REFERENCE = {"name": "payments-db"}
API = Workload(kind="Deployment", name="api")
KEYS = IDENTITY.list_stamp_keys("payments-db")


def volume(**source: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"volumes": [{"name": "payments-db-volume", **source}]}


def container(where: str = "containers", **parts: Any) -> dict[str, Any]:  # noqa: ANN401
    return {where: [{"name": "first", "image": "payments-db"}, {"name": "main", **parts}]}


ENV = [{"name": "A", "value": "x"}, {"name": "B", "valueFrom": {"secretKeyRef": {**REFERENCE, "key": "password"}}}]
PROJECTED = [{"configMap": {"name": "x"}}, {"serviceAccountToken": {}}, {"secret": {**REFERENCE, "items": []}}]


@pytest.mark.parametrize(
    "pod",
    [
        container(env=ENV),
        container(envFrom=[{"configMapRef": {"name": "x"}}, {"prefix": "DB_", "secretRef": REFERENCE}]),
        container("initContainers", env=ENV),
        container("initContainers", restartPolicy="Always", envFrom=[{"secretRef": REFERENCE}]),
        volume(secret={"secretName": "payments-db"}),
        volume(secret={"secretName": "payments-db", "optional": True}),
        volume(projected={"sources": PROJECTED}),
        volume(csi={"driver": "x", "nodePublishSecretRef": REFERENCE}),
        volume(cephfs={"monitors": [], "secretRef": REFERENCE}),
        volume(rbd={"image": "x", "secretRef": REFERENCE}),
        volume(iscsi={"iqn": "x", "secretRef": REFERENCE}),
        volume(scaleIO={"gateway": "x", "secretRef": REFERENCE}),
        volume(storageos={"secretRef": REFERENCE}),
        volume(flexVolume={"driver": "x", "secretRef": REFERENCE}),
        volume(azureFile={"shareName": "x", "secretName": "payments-db"}),
    ],
    ids=lambda pod: next(iter(pod)) + "-" + "-".join(next(iter(pod.values()))[-1]),
)
def test_every_way_to_use_a_secret_is_seen(pod: dict[str, Any]) -> None:
    assert list_secrets(pod) == {"payments-db"}


@pytest.mark.parametrize(
    "pod",
    [
        {},
        {"containers": None, "initContainers": None, "volumes": None},
        {"imagePullSecrets": [REFERENCE], **container()},
        container(env=[{"name": "A", "valueFrom": {"configMapKeyRef": {**REFERENCE, "key": "x"}}}]),
        container(env=[{"valueFrom": {"fieldRef": {"fieldPath": "payments-db"}}}, {"name": "payments-db"}]),
        container(envFrom=[{"configMapRef": REFERENCE}]),
        container(env=[{"valueFrom": {"secretKeyRef": {"key": "payments-db"}}}], envFrom=[{"secretRef": {}}]),
        volume(configMap=REFERENCE),
        volume(persistentVolumeClaim={"claimName": "payments-db"}),
        volume(projected={"sources": [{"configMap": REFERENCE}]}),
        volume(projected={"sources": None}),
        volume(secret={"secretName": ""}),
        volume(emptyDir={}),
        {"serviceAccountName": "payments-db", "volumes": [{"name": "payments-db"}]},
    ],
)
def test_a_name_alone_is_no_use_of_a_secret(pod: dict[str, Any]) -> None:
    assert list_secrets(pod) == set()


def test_every_secret_of_a_pod_is_found() -> None:
    pod = {
        **container(env=ENV, envFrom=[{"secretRef": {"name": "two"}}]),
        "initContainers": [{"envFrom": [{"secretRef": {"name": "three"}}]}],
        "volumes": [{"secret": {"secretName": "four"}}, {"csi": {"nodePublishSecretRef": {"name": "five"}}}],
    }
    assert list_secrets(pod) == {"payments-db", "two", "three", "four", "five"}


def test_workloads_that_use_the_secret_are_chosen_among_others() -> None:
    objects = [
        workload("a"),
        workload("b", uses("payments-db-2")),
        workload("payments-db", {}),
        workload("c"),
        workload("takes-pods-of-another", workloadRef={"kind": "Deployment", "name": "a"}),
        {"metadata": {"name": "no-template"}, "spec": {"workloadRef": REFERENCE}},
        {"metadata": {"name": "no-spec"}},
    ]
    found = listed(*objects)
    assert [use.workload for use in found.uses] == [Workload(kind="StatefulSet", name=name) for name in "ac"]
    assert {use.ways for use in found.uses} == {("envFrom",)}
    assert (found.pulls, found.seen) == ([], {"StatefulSet": 7, "Deployment": 0})


def listed(*objects: dict[str, Any]) -> Listing:
    """Return what is seen of some StatefulSets, where Deployments are looked for too."""
    found = Listing.of([KINDS["Deployment"], KINDS["StatefulSet"]])
    for each in objects:
        found.add(KINDS["StatefulSet"], each, "payments-db", KEYS)
    return found


def test_the_fields_by_which_pods_use_the_secret_are_told() -> None:
    both = container(env=ENV, envFrom=[{"secretRef": REFERENCE}]) | volume(secret={"secretName": "payments-db"})
    both["imagePullSecrets"] = [REFERENCE]
    listing = listed(workload("a", both))
    assert [use.ways for use in listing.uses] == [("env", "envFrom", "imagePullSecrets", "volumes")]
    assert listing.pulls == []


def test_what_uses_the_secret_to_pull_images_alone_is_told_by_name_and_no_more_of_it_is_kept() -> None:
    pod = {"imagePullSecrets": [REFERENCE, {"name": "other"}, {}]}
    assert set(list_uses(pod)) == {("imagePullSecrets", "payments-db"), ("imagePullSecrets", "other")}
    found = listed(*(workload(f"w{number}", pod) for number in range(MAX_PULLS + 3)))
    assert (found.uses, found.pulls[:2], len(found.pulls)) == ([], ["StatefulSet/w0", "StatefulSet/w1"], MAX_PULLS)
    assert found.seen["StatefulSet"] == MAX_PULLS + 3


def test_a_workload_restarts_by_a_stamp_on_its_pod_template() -> None:
    found = build_stamp(API, workload("api"), KEYS, "nonce-1")
    stamped = {"metadata": {"annotations": {"keyferry.dev/payments-db": "nonce-1"}}}
    assert found.patch == {"spec": {"template": stamped}}
    assert str(found) == "Deployment/api"


def test_a_long_name_is_stamped_under_a_key_that_an_annotation_can_have() -> None:
    patch = build_stamp(API, workload("api"), [IDENTITY.stamp_key("a" * 253)], "nonce-1").patch
    assert patch is not None
    [key] = patch["spec"]["template"]["metadata"]["annotations"]
    assert len(key) == len("keyferry.dev/") + 63


def stamped(nonce: str) -> dict[str, Any]:
    raw = workload("api")
    raw["spec"]["template"]["metadata"]["annotations"] = {"keyferry.dev/payments-db": nonce}
    return raw


def test_a_workload_is_stamped_once_for_each_write() -> None:
    assert build_stamp(API, stamped("nonce-1"), KEYS, "nonce-1").patch is None
    assert str(build_stamp(API, stamped("nonce-1"), KEYS, "nonce-1")) == "Deployment/api (stamped before)"
    assert build_stamp(API, stamped("nonce-1"), KEYS, "nonce-2").patch is not None
    assert build_stamp(API, stamped("nonce-1"), [IDENTITY.stamp_key("another")], "nonce-1").patch is not None


MOVED = Identity("staging", ("keyferry", "shop"))
MOVED_KEYS = MOVED.list_stamp_keys("payments-db")


def test_a_restart_takes_the_stamps_of_earlier_prefixes_away() -> None:
    assert build_stamp(API, stamped("nonce-1"), MOVED_KEYS, "nonce-2").patch == {
        "spec": {
            "template": {
                "metadata": {
                    "annotations": {"staging.keyferry.dev/payments-db": "nonce-2", "keyferry.dev/payments-db": None}
                }
            }
        }
    }


def test_what_was_restarted_for_a_write_under_an_earlier_prefix_is_not_restarted_again_for_it() -> None:
    assert str(build_stamp(API, stamped("nonce-1"), MOVED_KEYS, "nonce-1")) == "Deployment/api (stamped before)"


@pytest.mark.parametrize(
    ("value", "alone"), [("false", True), *((other, False) for other in ("true", "", "no", "False", "0"))]
)
def test_a_workload_that_asks_for_it_is_left_alone_and_told(value: str, alone: bool) -> None:
    raw = workload("api")
    raw["metadata"]["annotations"] = {"keyferry.dev/restart": value}
    found = build_stamp(API, raw, KEYS, "nonce-1")
    assert (found.patch is None) is alone
    assert (str(found) == "Deployment/api (left alone: keyferry.dev/restart is false)") is alone
    assert found.reason == ("opted out" if alone else "restarted")


IN_PLACE = "pods get the stamp in place, and a container restarts only if it has the stamp in a variable"
THEN = "when it is lowered"
LOWERED = f"restart {THEN}"
CANARY = "canary: goes on at a pause when somebody promotes it"
PARTITION = "that many pods restart when it is lowered"


@pytest.mark.parametrize(
    ("spec", "note"),
    [
        ({"paused": True}, "paused: rolls out when it is resumed"),
        ({"updateStrategy": {"type": "OnDelete"}}, "OnDelete: each pod restarts when somebody deletes it"),
        ({"replicas": 0}, "no replicas"),
        ({"replicas": 0, "paused": True}, "paused: rolls out when it is resumed"),
        ({"updateStrategy": {"paused": True}}, "paused: rolls out when it is resumed"),
        ({"updateStrategy": {"type": "InPlaceIfPossible"}}, f"InPlaceIfPossible: {IN_PLACE}"),
        ({"updateStrategy": {"type": "InPlaceOnly", "partition": 1}, "replicas": 0}, f"InPlaceOnly: {IN_PLACE}"),
        ({"updateStrategy": {"type": "InPlaceOnly", "paused": True}}, "paused: rolls out when it is resumed"),
        ({"updateStrategy": {"type": "ReCreate", "partition": 2}}, f"partition 2: {PARTITION}"),
        ({"updateStrategy": {"partition": "20%"}}, f"partition 20%: {PARTITION}"),
        ({"updateStrategy": {"partition": 2}, "replicas": 0}, "no replicas"),
        ({"updateStrategy": {"type": "ReCreate", "partition": 0, "paused": False}}, ""),
        ({"updateStrategy": {"partition": "0%"}}, ""),
        ({"updateStrategy": {"partition": "0"}}, ""),
        (
            {"updateStrategy": {"rollingUpdate": {"partition": 2}}, "replicas": 3},
            f"partition 2: api-0 to api-1 {LOWERED}",
        ),
        ({"updateStrategy": {"rollingUpdate": {"partition": 1}}, "replicas": 3}, f"partition 1: api-0 restarts {THEN}"),
        (
            {"updateStrategy": {"rollingUpdate": {"partition": 1}}, "replicas": 3, "ordinals": {"start": 5}},
            f"partition 1: api-5 restarts {THEN}",
        ),
        ({"updateStrategy": {"rollingUpdate": {"partition": 9}}, "replicas": 3}, f"partition 9: all 3 pods {LOWERED}"),
        ({"updateStrategy": {"rollingUpdate": {"partition": 9}}}, f"partition 9: api-0 restarts {THEN}"),
        ({"updateStrategy": {"rollingUpdate": {"partition": 0}}, "replicas": 3}, ""),
        ({"updateStrategy": {"rollingUpdate": {"maxUnavailable": 1}}}, ""),
        ({"strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}}}, CANARY),
        ({"strategy": {"canary": {"steps": [{"pause": None}]}}}, CANARY),
        ({"strategy": {"canary": {"steps": [{"pause": {"duration": "10m"}}, {"setWeight": 20}]}}}, ""),
        (
            {"strategy": {"blueGreen": {"autoPromotionEnabled": False}}},
            "blueGreen: takes over when somebody promotes it",
        ),
        ({"strategy": {"blueGreen": {"activeService": "web"}}}, ""),
        ({"strategy": {"type": "Recreate"}}, ""),
        ({"strategy": {"canary": {}}}, ""),
        ({"replicas": None, "paused": False}, ""),
    ],
)
def test_a_workload_that_does_not_restart_at_once_is_stamped_and_told_for_what_it_is(
    spec: dict[str, Any], note: str
) -> None:
    found = build_stamp(API, workload("api", **spec), KEYS, "nonce-1")
    assert found.patch is not None
    assert found.note == note
    assert found.reason in (note.partition(":")[0], REASONS.get(note.partition(" ")[0]))


REASONS = {
    **{"": "restarted", "partition": "partition", "canary:": "promotion", "blueGreen:": "promotion"},
    **{"InPlaceIfPossible:": "in place", "InPlaceOnly:": "in place"},
}
"""First word of a note → the reason for machines, where it is not what stands before the colon."""


OPERATOR = {"apiVersion": "monitoring.coreos.com/v1", "kind": "Alertmanager", "name": "main", "controller": True}
GARBAGE = {"apiVersion": "v1", "kind": "ConfigMap", "name": "release"}


@pytest.mark.parametrize(
    ("owners", "note"),
    [
        ([OPERATOR], "belongs to Alertmanager/main, which may undo it"),
        ([GARBAGE, OPERATOR], "belongs to Alertmanager/main, which may undo it"),
        ([GARBAGE | {"controller": False}], "belongs to ConfigMap/release, which may undo it"),
        ([], ""),
        (None, ""),
    ],
)
def test_a_workload_that_belongs_to_an_operator_is_stamped_and_told(owners: Any, note: str) -> None:  # noqa: ANN401
    raw = workload("api")
    raw["metadata"]["ownerReferences"] = owners
    found = build_stamp(API, raw, KEYS, "nonce-1")
    assert found.patch is not None
    assert found.note == note


def test_all_that_keeps_a_workload_from_its_restart_is_told() -> None:
    raw = workload("api", paused=True)
    raw["metadata"]["ownerReferences"] = [OPERATOR]
    assert build_stamp(API, raw, KEYS, "nonce-1").note == (
        "paused: rolls out when it is resumed; belongs to Alertmanager/main, which may undo it"
    )


def test_an_object_without_anything_is_stamped_all_the_same() -> None:
    assert build_stamp(API, {}, KEYS, "nonce-1").patch is not None
    assert build_stamp(API, {"metadata": None, "spec": {"template": None}}, KEYS, "nonce-1").patch is not None


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"paused": True},
        {"strategy": {"type": "OnDelete"}},
        {"updateStrategy": {"type": "InPlaceOnly"}},
        {"updateStrategy": {"rollingUpdate": {}, "partition": 2}},
        {"updateStrategy": {"rollingUpdate": {"partition": 2}}, "replicas": 3, "ordinals": {"start": 1}},
        {"replicas": 0},
    ],
    ids=str,
)
@pytest.mark.parametrize("annotations", [{}, {"keyferry.dev/restart": "false"}])
@pytest.mark.parametrize("stamped", ["", "nonce-1", "nonce-0"])
def test_what_is_kept_of_a_workload_is_enough_for_its_stamp(
    more: dict[str, Any], annotations: dict[str, str], stamped: str
) -> None:
    raw = workload("api", **more)
    raw["metadata"] |= {"annotations": annotations, "ownerReferences": [OPERATOR]}
    raw["spec"]["template"]["metadata"]["annotations"] = {"keyferry.dev/payments-db": stamped} if stamped else None
    for keys in (KEYS, MOVED_KEYS):
        trimmed = trim_workload(raw, keys)
        assert build_stamp(API, trimmed, keys, "nonce-1") == build_stamp(API, raw, keys, "nonce-1")
    assert "containers" not in str(trimmed)
