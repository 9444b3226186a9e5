"""Every kind of source, as AWS's own calls give it, and every way to make a key of it."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from keyferry.errors import AccessDenied, SourceUnavailable
from keyferry_local.direct import statements
from tests.integration.scene import Scene, error, swept

VALUE = (
    '{"user": {"name": "canary-me"}, "password": "canary-sources/1", "port": 5432, "hosts": ["a", "b"], "ratio": 1.50}'
)


def source(scene: Scene, data: Mapping[str, Any], **db: str) -> dict[str, bytes] | None:
    """Deliver one source, and return what the Secret holds."""
    direct = scene.grant(sources={"db": db}, secret={"name": "db", "data": data})
    assert not direct.deliver(scene.namespace).errors
    return scene.data()


def whole(scene: Scene, **db: str) -> bytes:
    """Deliver one source whole, and return what arrives."""
    return (source(scene, {"value": {"from": "db"}}, **db) or {})["value"]


def arn(scene: Scene, name: str = "") -> str:
    secrets = scene.cloud.aws.client("secretsmanager")
    return str(secrets.describe_secret(SecretId=name or scene.source)["ARN"])


def test_paths_and_templates_make_keys_of_a_document(scene: Scene) -> None:
    scene.create(VALUE)
    data = {
        "name": {"from": "db", "path": "user.name"},
        "port": {"from": "db", "path": "port"},
        "ratio": {"from": "db", "path": "ratio"},
        "hosts": {"from": "db", "path": "hosts"},
        "first": {"from": "db", "path": "hosts[0]"},
        "url": {"template": "postgres://{{ db.user.name }}:{{ db.password | urlencode }}@{{ db.hosts[1] }}/app"},
        "all": {"from": "db"},
    }
    assert source(scene, data, secretsManager=scene.source) == {
        "name": b"canary-me",
        "port": b"5432",
        "ratio": b"1.50",
        "hosts": b'["a","b"]',
        "first": b"a",
        "url": b"postgres://canary-me:canary-sources%2F1@b/app",
        "all": VALUE.encode(),
    }


def test_a_secret_is_read_by_name_by_arn_and_by_arn_without_its_end(scene: Scene) -> None:
    scene.create("canary-sources-2")
    full = arn(scene)
    for identifier in (scene.source, full, full[:-7]):
        assert whole(scene, secretsManager=identifier) == b"canary-sources-2"


def test_a_name_that_ends_like_an_arn_is_a_name(scene: Scene) -> None:
    name = f"{scene.source}-abc123"
    scene.create("canary-sources-3", name=name)
    scene.create("canary-sources-other")
    for identifier in (name, arn(scene, name), arn(scene, name)[:-7]):
        assert whole(scene, secretsManager=identifier) == b"canary-sources-3"


def test_a_secret_is_read_by_label_and_by_version(scene: Scene) -> None:
    first = scene.create("canary-sources-4")
    scene.put("canary-sources-5")
    assert whole(scene, secretsManager=scene.source) == b"canary-sources-5"
    assert whole(scene, secretsManager=scene.source, label="AWSPREVIOUS") == b"canary-sources-4"
    assert whole(scene, secretsManager=scene.source, version=first) == b"canary-sources-4"


@pytest.mark.parametrize(
    ("kind", "value"), [("String", "canary-s"), ("StringList", "canary-a,b"), ("SecureString", "canary-c")]
)
def test_a_parameter_of_each_type_is_read_decrypted(scene: Scene, kind: str, value: str) -> None:
    name = f"/{scene.source}"
    scene.cloud.aws.client("ssm").put_parameter(Name=name, Value=value, Type=kind)
    assert whole(scene, parameterStore=name) == value.encode()


def test_a_parameter_is_read_by_arn_by_version_and_by_label(scene: Scene) -> None:
    ssm, name = scene.cloud.aws.client("ssm"), f"/{scene.source}"
    for number in (1, 2, 3):
        ssm.put_parameter(Name=name, Value=f"canary-sources-p{number}", Type="SecureString", Overwrite=True)
    ssm.label_parameter_version(Name=name, ParameterVersion=2, Labels=["live"])
    own = str(ssm.get_parameter(Name=name)["Parameter"]["ARN"])
    assert whole(scene, parameterStore=name) == whole(scene, parameterStore=own) == b"canary-sources-p3"
    assert whole(scene, parameterStore=name, version="1") == b"canary-sources-p1"
    assert whole(scene, parameterStore=name, label="live") == b"canary-sources-p2"


def test_sources_of_both_services_make_one_secret(scene: Scene) -> None:
    scene.create({"password": "canary-sources-6"})
    scene.cloud.aws.client("ssm").put_parameter(Name=f"/{scene.source}", Value="canary-me", Type="String")
    direct = scene.grant(
        sources={"db": {"secretsManager": scene.source}, "user": {"parameterStore": f"/{scene.source}"}},
        secret={"name": "db", "data": {"login": {"template": "{{ user }}:{{ db.password }}"}}},
    )
    assert not direct.deliver(scene.namespace).errors
    assert scene.data() == {"login": b"canary-me:canary-sources-6"}


def change_label(scene: Scene, first: str, second: str) -> None:
    secrets = scene.cloud.aws.client("secretsmanager")
    secrets.update_secret_version_stage(
        SecretId=scene.source, VersionStage="AWSCURRENT", MoveToVersionId=first, RemoveFromVersionId=second
    )


def put_pending(scene: Scene, _first: str, _second: str) -> None:
    secrets = scene.cloud.aws.client("secretsmanager")
    secrets.put_secret_value(SecretId=scene.source, SecretString="canary-pending", VersionStages=["AWSPENDING"])


@pytest.mark.parametrize(
    ("change", "after"),
    [(change_label, b"canary-sources-7"), (put_pending, b"canary-sources-8")],
    ids=["rolled back", "pending"],
)
def test_what_is_current_is_delivered_and_nothing_else(
    scene: Scene, change: Callable[[Scene, str, str], None], after: bytes
) -> None:
    first = scene.create("canary-sources-7")
    second = scene.put("canary-sources-8")
    assert whole(scene, secretsManager=scene.source) == b"canary-sources-8"
    change(scene, first, second)
    assert whole(scene, secretsManager=scene.source) == after


def test_all_keys_of_a_document_are_renamed_by_rules_and_decoded(scene: Scene) -> None:
    scene.create('{"app/host": "h", "app/port": 5432, "app/key": "Y2FuYXJ5LWtleQ==", "mode": "canary-mode"}')
    rules = [{"stripPrefix": "app/"}, {"regexp": {"source": "^(.*)$", "target": "DB_$1"}}, {"case": "upper"}]
    direct = scene.grant(
        secret={
            "name": "db",
            "dataFrom": [{"from": "db", "keys": rules, "decode": "auto"}],
            "data": {
                "DB_PORT": {"from": "db", "path": '"app/ports"', "default": "6543"},
                "DB_MODE": {"value": "live"},
                "gone": {"from": "db", "path": "gone", "optional": True},
            },
        }
    )
    assert not direct.deliver(scene.namespace).errors
    assert scene.data() == {
        "DB_HOST": b"h",
        "DB_PORT": b"6543",
        "DB_KEY": b"canary-key",
        "DB_MODE": b"live",
    }


def test_a_key_that_the_source_no_longer_has_goes_and_what_cannot_be_named_leaves_all_as_it_was(scene: Scene) -> None:
    scene.create('{"a": "canary-many-1", "b": "canary-many-2"}')
    direct = scene.grant(secret={"name": "db", "dataFrom": [{"from": "db"}]})
    assert not direct.deliver(scene.namespace).errors
    scene.put('{"b": "canary-many-3"}')
    assert not direct.deliver(scene.namespace).errors
    assert scene.data() == {"b": b"canary-many-3"}
    scene.put('{"b": "canary-many-4", "a/b": "canary-many-5"}')
    with scene.untouched("Secret", "db"):
        (found,) = direct.deliver(scene.namespace).errors
    assert "a/b becomes 'a/b', and keys of a Secret have letters" in str(found)


def test_the_tags_of_a_secret_and_of_a_parameter_are_values_and_no_right_to_read_either_is_needed(scene: Scene) -> None:
    tags = [{"Key": "team", "Value": "payments"}, {"Key": "Owner", "Value": "me & you"}]
    name = f"/{scene.source}"
    secrets, ssm = scene.cloud.aws.client("secretsmanager"), scene.cloud.aws.client("ssm")
    secrets.create_secret(Name=scene.source, SecretString="canary-untold", Tags=tags)
    ssm.put_parameter(Name=name, Value="canary-untold", Type="String", Tags=tags)
    direct = scene.grant(
        sources={
            "db": {"secretsManager": scene.source, "metadata": "tags"},
            "tls": {"parameterStore": name, "metadata": "tags"},
        },
        secret={
            "name": "db",
            "data": {"all": {"from": "db"}, "team": {"from": "tls", "path": "team"}},
        },
    )
    assert not direct.deliver(scene.namespace).errors
    assert scene.data() == {"all": b'{"Owner":"me & you","team":"payments"}', "team": b"payments"}
    actions = {each["Action"] for each in statements(scene.cloud, direct.catalog)}
    assert actions == {"secretsmanager:DescribeSecret", "ssm:ListTagsForResource", "eks:DescribeCluster"}


@pytest.mark.parametrize("service", ["secretsManager", "parameterStore"])
def test_tags_of_what_is_not_there_are_an_error_that_says_so(scene: Scene, service: str) -> None:
    direct = scene.grant(
        sources={"db": {service: f"/{scene.source}", "metadata": "tags"}},
        secret={"name": "db", "data": {"all": {"from": "db"}}},
    )
    (found,) = direct.deliver(scene.namespace).errors
    assert isinstance(found, SourceUnavailable | AccessDenied)
    assert f"on /{scene.source} in eu-west-1" in str(found)
    assert scene.data() is None


def test_the_sweep_sees_that_tags_of_a_secret_have_changed(scene: Scene) -> None:
    scene.create("canary-untold")
    direct = scene.grant(
        sources={"db": {"secretsManager": scene.source, "metadata": "tags"}},
        secret={"name": "db", "data": {"all": {"from": "db"}}},
    )
    assert not direct.deliver(scene.namespace).errors
    assert swept(direct) == []
    time.sleep(1.1)  # the emulator's times are whole seconds
    secrets = scene.cloud.aws.client("secretsmanager")
    secrets.tag_resource(SecretId=scene.source, Tags=[{"Key": "team", "Value": "payments"}])
    assert swept(direct) == [scene.namespace]
    assert not direct.deliver(scene.namespace).errors
    assert swept(direct) == []


def test_many_parameters_are_read_by_ten(scene: Scene) -> None:
    ssm = scene.cloud.aws.client("ssm")
    names = {f"p{number}": f"/{scene.source}/{number}" for number in range(12)}
    for alias, name in names.items():
        ssm.put_parameter(Name=name, Value=f"canary-{alias}", Type="SecureString")
    direct = scene.grant(
        sources={alias: {"parameterStore": name} for alias, name in names.items()},
        secret={"name": "db", "data": {alias: {"from": alias} for alias in names}},
    )
    assert not direct.deliver(scene.namespace).errors
    assert scene.data() == {alias: f"canary-{alias}".encode() for alias in names}
    ssm.delete_parameter(Name=names["p3"])
    assert f"ssm:GetParameter on {names['p3']} in " in str(error(direct.deliver(scene.namespace)))
