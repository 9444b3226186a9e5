"""What cannot be written is refused with what would be right, and the cluster's object is left as it was."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from keyferry.errors import Conflict, Forbidden, KeyferryError, Refused, SourceUnavailable, SourceUnusable
from keyferry_local.direct import Direct
from keyferry_local.world import deployment, env_from
from tests.integration.scene import Scene, error

WHOLE = {"from": "db"}


def of_another_type(scene: Scene) -> None:
    scene.make("Secret", "db", type="example.com/other")


def immutable(scene: Scene) -> None:
    scene.make("Secret", "db", immutable=True)


def of_another_manager(scene: Scene) -> None:
    metadata = {"name": "db", "namespace": scene.namespace}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    scene.admin.apply(secret | {"stringData": {"password": "canary-limits-foreign"}}, manager="argocd-controller")


def deleted_in_aws(scene: Scene) -> None:
    scene.cloud.aws.client("secretsmanager").delete_secret(SecretId=scene.source, RecoveryWindowInDays=7)


@dataclass(frozen=True)
class Case:
    """What is wrong, and what is said of it."""

    value: str | bytes
    error: type[KeyferryError]
    says: str
    secret: dict[str, Any] = field(default_factory=dict)
    prepare: Callable[[Scene], None] = lambda _: None


CASES = {
    "not JSON": Case("canary-limits-1 {", SourceUnusable, "is text, and a path reads JSON alone"),
    "no such path": Case('{"other": "canary-limits-2"}', SourceUnusable, "path password finds nothing"),
    "binary with a path": Case(b"\x00\xffcanary-limits-3", SourceUnusable, "is binary"),
    "more than 1 MiB": Case(
        "canary-limits-4" * 4000, Refused, "1,048,576", {"data": {f"key-{number}": WHOLE for number in range(20)}}
    ),
    "not what its type asks for": Case(
        "canary-limits-5",
        SourceUnusable,
        "key .dockerconfigjson: no JSON object, as type kubernetes.io/dockerconfigjson needs it",
        {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": WHOLE}},
    ),
    "another type in the cluster": Case('{"password": "canary-limits-6"}', Refused, "type", prepare=of_another_type),
    "immutable": Case('{"password": "canary-limits-7"}', Refused, "immutable", prepare=immutable),
    "another manager's key": Case(
        '{"password": "canary-limits-8"}', Conflict, "argocd-controller", prepare=of_another_manager
    ),
    "deleted in AWS": Case('{"password": "canary-limits-9"}', SourceUnavailable, "restore it", prepare=deleted_in_aws),
}


@pytest.mark.parametrize("name", CASES)
def test_what_cannot_be_written_is_refused_and_nothing_is_touched(scene: Scene, name: str) -> None:
    case = CASES[name]
    scene.create(case.value)
    case.prepare(scene)
    direct = scene.grant(
        secret=scene.mapping().spec.secret.model_dump(by_alias=True, exclude_defaults=True) | case.secret
    )

    with scene.untouched("Secret", "db"):
        found = error(direct.deliver(scene.namespace))

    assert isinstance(found, case.error)
    assert case.says in str(found)


def test_without_rights_in_the_namespace_it_is_said_which_are_missing(scene: Scene) -> None:
    scene.create({"password": "canary-limits-10"})
    direct = Direct.grant(scene.cloud, scene.catalog([scene.mapping()]), rbac=False)
    found = error(direct.deliver(scene.namespace))
    assert isinstance(found, Forbidden)
    assert "secrets/db" in str(found)


def test_a_quota_that_is_used_up_is_told_as_that(scene: Scene) -> None:
    scene.create({"password": "canary-limits-13"})
    none = {"hard": {"count/secrets": "0"}}
    scene.make("ResourceQuota", "none", spec=none)
    counted = {"status": none | {"used": {"count/secrets": "0"}}}  # as a controller does that is not there
    scene.admin.edit("ResourceQuota", "none/status", scene.namespace, counted)

    found = error(scene.grant().deliver(scene.namespace))

    assert isinstance(found, Forbidden)
    assert str(found) == (
        f"secrets/db in namespace {scene.namespace}:"
        f" a ResourceQuota of namespace {scene.namespace} is used up; raise it"
    )


@pytest.mark.parametrize(
    "value", [bytes(range(256)), b"\xff" * 65536, b"canary\r\n\x00"], ids=["each", "64 KiB", "lines"]
)
def test_a_binary_value_arrives_byte_for_byte(scene: Scene, value: bytes) -> None:
    scene.create(value)
    assert not scene.grant(secret={"name": "db", "data": {"key": WHOLE}}).deliver(scene.namespace).errors
    assert scene.data() == {"key": value}


@pytest.mark.parametrize("length", [63, 64, 253])
def test_names_as_long_as_kubernetes_allows_are_delivered_and_restart_once(scene: Scene, length: int) -> None:
    name = "n" * length
    scene.create({"password": "canary-limits-11"})
    scene.admin.apply(deployment("api", scene.namespace, env_from(name)))
    direct = scene.grant(secret={"name": name, "data": {"password": {"from": "db", "path": "password"}}})

    assert not direct.deliver(scene.namespace).errors

    assert scene.data(name) == {"password": b"canary-limits-11"}
    found = scene.admin.get("Deployment", "api", scene.namespace)
    assert found is not None
    stamped = found["spec"]["template"]["metadata"]["annotations"]
    assert len([key for key in stamped if key.startswith(f"{scene.identity.stamp_domain}/")]) == 1
    assert not direct.deliver(scene.namespace).errors
    again = scene.admin.get("Deployment", "api", scene.namespace)
    assert again is not None
    assert again["spec"]["template"]["metadata"]["annotations"] == stamped


def test_a_key_that_somebody_edited_is_put_right_and_others_are_kept(scene: Scene) -> None:
    scene.create({"password": "canary-limits-12"})
    direct = scene.grant()
    assert not direct.deliver(scene.namespace).errors
    scene.admin.edit("Secret", "db", scene.namespace, {"data": {"password": "b29wcw==", "other": "b3RoZXI="}})

    assert not direct.deliver(scene.namespace).errors

    assert scene.data() == {"password": b"canary-limits-12", "other": b"other"}
