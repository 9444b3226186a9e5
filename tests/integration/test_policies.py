"""What may become of a Secret, beside being written: policies, taking over, renaming, on a real API server."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keyferry.delivery.observed import MAPPING, RESTART_DUE
from keyferry.delivery.report import Report
from keyferry.errors import (
    Conflict,
    Forbidden,
    NotAllowed,
    Overtaken,
    Refused,
    SourceDeleted,
    SourceUnavailable,
    Unconfirmed,
)
from keyferry.kube import KubeClient
from keyferry.mapping.verdict import Verdict
from keyferry_local.admin import Object
from keyferry_local.direct import Direct, deadline, mapping
from keyferry_local.watch import until
from keyferry_local.world import deployment, env_from
from tests.integration.scene import Scene, connection, error
from tests.integration.test_rights import Limited

TLS = {"type": "kubernetes.io/basic-auth", "stringData": {"username": "canary-theirs", "password": "canary-old"}}


def deliver(scene: Scene, direct: Direct, **more: Any) -> Report:  # noqa: ANN401
    """Deliver without an error, and see that a second time changes nothing."""
    report = direct.deliver(scene.namespace, **more)
    assert not report.errors
    with scene.untouched("Secret", "db"):
        assert not direct.deliver(scene.namespace, **more).errors
    return report


def notes(report: Report) -> str:
    return "; ".join(note for outcome in report.outcomes for note in outcome.notes)


def managers(scene: Scene, key: str) -> set[str]:
    entries = scene.secret()["metadata"]["managedFields"]
    return {each["manager"] for each in entries if f"f:{key}" in each["fieldsV1"].get("f:data", {})}


@pytest.fixture
def api(scene: Scene) -> Callable[[], str | None]:
    """A Deployment that uses the Secret; returns what it was restarted for last."""
    scene.admin.apply(deployment("api", scene.namespace, env_from("db")))
    return lambda: scene.stamp("Deployment", "api")


# What the API server does with a merge patch and a deletion


@pytest.mark.parametrize("stale", [{"resourceVersion": "1"}, {"uid": "00000000-0000-0000-0000-000000000000"}])
def test_a_patch_and_a_deletion_of_a_secret_that_is_another_are_refused(scene: Scene, stale: dict[str, str]) -> None:
    scene.create({"password": "canary-policies-0"})
    direct = scene.grant(policies={"deletion": "delete"})
    assert not direct.deliver(scene.namespace).errors
    client = KubeClient(connection(scene.cloud, direct.role), deadline())
    metadata = scene.secret()["metadata"]
    known = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]} | stale
    with scene.untouched("Secret", "db"):
        with pytest.raises(Overtaken if "resourceVersion" in stale else (Overtaken, Refused)):
            client.patch_secret(scene.namespace, {"metadata": {"name": "db", **known}, "data": {"password": None}}, "x")
        with pytest.raises(Overtaken):
            client.delete_secret(scene.namespace, "db", known)
    for _ in range(2):
        client.delete_secret(scene.namespace, "db", {"uid": metadata["uid"]})
    assert client.patch_secret(scene.namespace, {"metadata": {"name": "db", **known}}, "x") is None


# Creation


def test_merging_waits_for_the_secret_and_leaves_it_what_it_is(scene: Scene, api: Callable[[], str | None]) -> None:
    scene.create({"password": "canary-policies-1"})
    direct = scene.grant(
        policies={"creation": "merge", "conflict": "takeOver"},
    )
    report = direct.deliver(scene.namespace)
    assert not report.errors
    assert "is missing, and is not ours to make" in notes(report)
    assert scene.data() is None

    owner = scene.make("ConfigMap", "owner")
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    theirs = {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "ownerReferences": [reference]}
    scene.make("Secret", "db", metadata={"name": "db", "namespace": scene.namespace} | theirs, **TLS)
    deliver(scene, direct)

    found = scene.secret()
    assert scene.data() == {"username": b"canary-theirs", "password": b"canary-policies-1"}
    assert found["type"] == "kubernetes.io/basic-auth"
    assert found["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "Helm"}
    assert [each["name"] for each in found["metadata"]["ownerReferences"]] == ["owner"]
    assert api()
    scene.put({"password": "canary-policies-2"})
    before = api()
    deliver(scene, direct)
    assert (scene.data() or {})["password"] == b"canary-policies-2"
    assert api() != before


def test_merging_refuses_a_type_that_the_policy_does_not_allow_and_leaves_the_secret_as_it_was(scene: Scene) -> None:
    scene.create({"password": "canary-policies-9"})
    merging = scene.mapping(policies={"creation": "merge", "conflict": "takeOver"})
    limited = {"verdicts": {merging.name: Verdict(allowed_types=["Opaque"])}}
    direct = Direct.grant(scene.cloud, scene.catalog([merging]).model_copy(update=limited))
    scene.make("Secret", "db", **TLS)
    with scene.untouched("Secret", "db"):
        told = error(direct.deliver(scene.namespace))
    assert isinstance(told, NotAllowed)
    assert "Secret db has type kubernetes.io/basic-auth, and the policy allows the mapping Opaque" in str(told)


def test_a_secret_that_is_made_once_is_never_changed_again(scene: Scene, api: Callable[[], str | None]) -> None:
    scene.create({"password": "canary-policies-3"})
    direct = scene.grant(policies={"creation": "createOnce"})
    deliver(scene, direct)
    assert scene.data() == {"password": b"canary-policies-3"}
    assert api()
    scene.put({"password": "canary-policies-4"})
    with scene.untouched("Secret", "db"), scene.untouched("Deployment", "api"):
        assert "left as it is" in notes(direct.deliver(scene.namespace))
    scene.admin.edit("Secret", "db", scene.namespace, {"data": {"password": "b29wcw=="}})
    with scene.untouched("Secret", "db"):
        assert not direct.deliver(scene.namespace).errors


def test_restarts_that_are_due_for_a_secret_made_once_are_done_with_what_it_holds(
    own_scene: Scene, api: Callable[[], str | None]
) -> None:
    own_scene.create({"password": "canary-policies-5"})
    limited = Limited(own_scene, policies={"creation": "createOnce"}, secret=SHOWN)
    limited.grant(lacking=("patch", "deployments"))
    assert isinstance(error(limited.direct.deliver(own_scene.namespace)), Forbidden)
    nonce = own_scene.secret()["metadata"]["annotations"][RESTART_DUE]
    own_scene.put({"password": "canary-policies-6"})
    limited.grant()
    before = own_scene.secret()
    deliver(own_scene, limited.direct)
    assert own_scene.stamp("Deployment", "api") == nonce
    after = own_scene.secret()
    assert RESTART_DUE not in after["metadata"]["annotations"]
    assert after["metadata"]["labels"] == before["metadata"]["labels"]
    assert after["metadata"]["annotations"] | {RESTART_DUE: nonce} == before["metadata"]["annotations"]
    assert own_scene.data() == {"password": b"canary-policies-5"}


SHOWN = {
    "name": "db",
    "labels": {"app": "payments"},
    "annotations": {"example.com/owner": "team payments"},
    "data": {"password": {"from": "db", "path": "password"}},
}


def test_an_immutable_secret_is_made_so_and_stays_so(scene: Scene) -> None:
    scene.create({"password": "canary-policies-7"})
    deliver(scene, scene.grant(secret=SHOWN))
    direct = scene.grant(secret=SHOWN | {"immutable": True})
    deliver(scene, direct)
    assert scene.secret()["immutable"] is True
    deliver(scene, scene.grant(secret=SHOWN | {"labels": {"app": "other"}}))
    assert (scene.secret()["immutable"], scene.secret()["metadata"]["labels"]["app"]) == (True, "other")
    scene.put({"password": "canary-policies-8"})
    with scene.untouched("Secret", "db"):
        found = error(direct.deliver(scene.namespace))
    assert isinstance(found, Refused)
    assert "is immutable and holds other content: delete it" in str(found)
    scene.admin.delete("Secret", "db", scene.namespace)
    deliver(scene, direct)
    assert scene.data() == {"password": b"canary-policies-8"}


# Keys


def test_keys_of_others_are_removed_where_the_mapping_has_the_secret_alone(
    scene: Scene, api: Callable[[], str | None]
) -> None:
    scene.create({"password": "canary-policies-9"})
    direct = scene.grant(policies={"keys": "exclusive"})
    deliver(scene, direct)
    first = api()
    scene.admin.edit("Secret", "db", scene.namespace, {"data": {"theirs": "eA=="}})
    applied: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": scene.namespace}}
    scene.admin.apply(applied | {"data": {"more": "eQ=="}}, manager="argocd")
    report = deliver(scene, direct)
    assert report.outcomes[0].why == "not of this mapping: more, theirs"
    assert scene.data() == {"password": b"canary-policies-9"}
    assert api() != first
    assert RESTART_DUE not in scene.secret()["metadata"]["annotations"]


def test_a_secret_of_others_is_taken_over_and_emptied_of_theirs(scene: Scene, api: Callable[[], str | None]) -> None:
    scene.create({"password": "canary-policies-10"})
    scene.make("Secret", "db", stringData={"password": "canary-policies-10", "theirs": "canary-x"})
    direct = scene.grant(policies={"keys": "exclusive", "conflict": "takeOver"})
    deliver(scene, direct)
    assert scene.data() == {"password": b"canary-policies-10"}
    assert api()


# Taking over


def owned(scene: Scene, **more: Any) -> Object:  # noqa: ANN401
    """Make a Secret that goes with its owner, and return the owner."""
    owner = scene.make("ConfigMap", "owner")
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    metadata = {"name": "db", "namespace": scene.namespace, "ownerReferences": [reference]} | more
    scene.make("Secret", "db", metadata=metadata, stringData={"password": "canary-policies-11"})
    return owner


def test_a_secret_with_an_owner_is_refused_and_names_the_owner(scene: Scene) -> None:
    scene.create({"password": "canary-policies-11"})
    owned(scene)
    with scene.untouched("Secret", "db"):
        found = error(scene.grant().deliver(scene.namespace))
    assert isinstance(found, Conflict)
    assert "Secret db is owned by ConfigMap/owner" in str(found)
    assert f"set spec.policies.conflict: takeOver in mapping {scene.namespace}" in str(found)


def test_what_is_taken_over_outlives_its_former_owner(scene: Scene, api: Callable[[], str | None]) -> None:
    scene.create({"password": "canary-policies-11"})
    scene.make("ConfigMap", "other")
    marks = {
        "labels": {"app.kubernetes.io/managed-by": "Helm", "argocd.argoproj.io/instance": "shop", "app": "x"},
        "annotations": {"meta.helm.sh/release-name": "shop", "argocd.argoproj.io/tracking-id": "shop:/Secret:a/db"},
    }
    owner = owned(scene, **marks)
    copy = {"name": "copy", "namespace": scene.namespace, "ownerReferences": [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    ]}  # fmt: skip
    scene.make("Secret", "copy", metadata=copy)
    report = deliver(scene, scene.grant(policies={"conflict": "takeOver"}))
    assert "was owned by ConfigMap/owner: take it away from ConfigMap/owner, or it writes again" in notes(report)
    assert "was owned by Helm (shop)" in notes(report)
    assert "was owned by Argo CD (shop)" in notes(report)
    metadata = scene.secret()["metadata"]
    assert "ownerReferences" not in metadata
    assert metadata["labels"] == {"app": "x", "app.kubernetes.io/managed-by": "keyferry"}
    assert metadata["annotations"].keys() & {"meta.helm.sh/release-name", "argocd.argoproj.io/tracking-id"} == set()
    assert api() is None, "the same content restarts nothing"

    scene.admin.delete("ConfigMap", "owner", scene.namespace)

    until("the other Secret of the owner collected", lambda: scene.admin.get("Secret", "copy", scene.namespace) is None)
    assert scene.data() == {"password": b"canary-policies-11"}


# Renaming


def renamed(scene: Scene, *was: str, **spec: Any) -> Direct:  # noqa: ANN401
    """Return a role with the rights of the mapping under another name."""
    new = scene.mapping(**spec).model_dump(by_alias=True, exclude_defaults=True)["spec"]
    made = mapping(f"{scene.namespace}-new", **new)
    made = made.model_copy(update={"metadata": made.metadata.model_copy(update={"previous_names": was})})
    return Direct.grant(scene.cloud, scene.catalog([made]))


BOTH = {
    "name": "db",
    "data": {"password": {"from": "db", "path": "password"}, "user": {"from": "db", "path": "user"}},
}


def test_a_renamed_mapping_goes_on_with_its_secret_and_restarts_nothing(
    scene: Scene, api: Callable[[], str | None]
) -> None:
    name = f"{scene.namespace}-new"
    scene.create({"password": "canary-policies-12", "user": "me"})
    deliver(scene, scene.grant(secret=BOTH))
    stamp = api()
    assert isinstance(error(renamed(scene, secret=BOTH).deliver(name)), Conflict)
    direct = renamed(scene, scene.namespace, secret=BOTH)
    assert not direct.deliver(name).errors
    assert api() == stamp
    found = scene.secret()["metadata"]
    assert {each["manager"] for each in found["managedFields"]} == {scene.identity.field_manager(name)}
    assert found["annotations"][MAPPING] == scene.identity.journal_name(name)
    with scene.untouched("Secret", "db"):
        assert not direct.deliver(name).errors


def test_a_renamed_mapping_that_maps_less_removes_the_rest_and_restarts(
    scene: Scene, api: Callable[[], str | None]
) -> None:
    name = f"{scene.namespace}-new"
    scene.create({"password": "canary-policies-13", "user": "me"})
    deliver(scene, scene.grant(secret=BOTH))
    stamp = api()
    assert not renamed(scene, scene.namespace).deliver(name).errors
    assert scene.data() == {"password": b"canary-policies-13"}
    assert api() != stamp
    managers = {each["manager"] for each in scene.secret()["metadata"]["managedFields"]}
    assert managers == {scene.identity.field_manager(name)}
    assert RESTART_DUE not in scene.secret()["metadata"]["annotations"]


# Deletion of the source


def schedule_deletion(scene: Scene) -> None:
    scene.cloud.aws.client("secretsmanager").delete_secret(SecretId=scene.source)


def test_a_secret_is_deleted_with_its_source_and_made_again_with_it(
    scene: Scene, api: Callable[[], str | None]
) -> None:
    scene.create({"password": "canary-policies-14"})
    direct = scene.grant(policies={"deletion": "delete"})
    deliver(scene, direct)
    stamp = api()
    schedule_deletion(scene)
    report = deliver(scene, direct, deleted=["db"])
    assert (report.outcomes[0].did, scene.data()) == ("deleted", None)
    assert api() == stamp
    scene.cloud.aws.client("secretsmanager").restore_secret(SecretId=scene.source)
    deliver(scene, direct, deleted=["db"])
    assert scene.data() == {"password": b"canary-policies-14"}
    assert api() != stamp


def test_a_secret_in_which_somebody_else_has_a_key_is_not_deleted(scene: Scene) -> None:
    scene.create({"password": "canary-policies-17"})
    scene.make("Secret", "db", stringData={"theirs": "x"})
    direct = scene.grant(policies={"deletion": "delete"})
    deliver(scene, direct)
    schedule_deletion(scene)
    deliver(scene, direct, deleted=["db"])
    assert scene.data() == {"theirs": b"x"}


def test_our_keys_are_removed_with_their_source(scene: Scene, api: Callable[[], str | None]) -> None:
    scene.create({"password": "canary-policies-15"})
    scene.make("Secret", "db", stringData={"theirs": "x"})
    direct = scene.grant(policies={"deletion": "merge"})
    deliver(scene, direct)
    stamp = api()
    schedule_deletion(scene)
    deliver(scene, direct)
    assert scene.data() == {"theirs": b"x"}
    assert "annotations" not in scene.secret()["metadata"]
    assert api() == stamp
    scene.cloud.aws.client("secretsmanager").restore_secret(SecretId=scene.source)
    deliver(scene, direct)
    assert (scene.data() or {})["password"] == b"canary-policies-15"


def test_a_secret_is_retained_where_nothing_else_is_said(scene: Scene) -> None:
    scene.create({"password": "canary-policies-16"})
    direct = scene.grant()
    deliver(scene, direct)
    schedule_deletion(scene)
    with scene.untouched("Secret", "db"):
        assert isinstance(error(direct.deliver(scene.namespace, deleted=["db"])), SourceDeleted)


def test_a_parameter_that_is_gone_deletes_only_where_an_event_has_told_of_it(scene: Scene) -> None:
    ssm, name = scene.cloud.aws.client("ssm"), f"/{scene.source}"
    ssm.put_parameter(Name=name, Value="canary-policies-17", Type="SecureString")
    secret = {"name": "db", "data": {"password": {"from": "db"}}}
    direct = scene.grant(sources={"db": {"parameterStore": name}}, secret=secret, policies={"deletion": "delete"})
    deliver(scene, direct, deleted=["db"])  # a stale event: it is there
    ssm.delete_parameter(Name=name)
    with scene.untouched("Secret", "db"):
        assert isinstance(error(direct.deliver(scene.namespace)), SourceUnavailable)
        assert isinstance(error(direct.deliver(scene.namespace, deleted=["db"])), Unconfirmed)
    a_minute_ago = datetime.now(UTC) - timedelta(minutes=1)
    report = direct.deliver(scene.namespace, deleted=["db"], time=a_minute_ago)
    assert (report.outcomes[0].did, scene.data()) == ("deleted", None)


def test_a_secret_of_somebody_else_is_not_deleted(scene: Scene) -> None:
    scene.create({"password": "canary-policies-18"})
    direct = scene.grant(policies={"deletion": "delete"})
    scene.make("Secret", "db", stringData={"password": "canary-theirs"})
    schedule_deletion(scene)
    with scene.untouched("Secret", "db"):
        assert "not made by this mapping: kept" in notes(direct.deliver(scene.namespace))


@pytest.mark.parametrize("policy", ["retain", "merge", "delete"])
def test_the_right_to_delete_is_granted_only_to_mappings_that_delete(own_scene: Scene, policy: str) -> None:
    own_scene.create({"password": "canary-policies-19"})
    limited = Limited(own_scene, policies={"deletion": policy})
    limited.grant()
    may = own_scene.admin.may(limited.user, "delete", "secrets", namespace=own_scene.namespace, name="db")
    assert may is (policy == "delete")
    assert not own_scene.admin.may(limited.user, "delete", "secrets", namespace=own_scene.namespace, name="other")


def test_without_the_right_to_delete_the_verb_is_named_and_the_secret_stays(own_scene: Scene) -> None:
    own_scene.create({"password": "canary-policies-20"})
    limited = Limited(own_scene, policies={"deletion": "delete"})
    limited.grant(lacking=("delete", "secrets"))
    assert not limited.direct.deliver(own_scene.namespace).errors
    schedule_deletion(own_scene)
    with own_scene.untouched("Secret", "db"):
        assert "grant the verb delete by RBAC" in str(error(limited.direct.deliver(own_scene.namespace)))
