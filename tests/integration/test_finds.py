"""Many secrets or parameters at once: by path, regular expression and tags, every page, with rights for these alone."""

from collections.abc import Mapping
from typing import Any

import pytest

from keyferry.cli.generated import render_files
from keyferry.errors import AccessDenied, SourceUnavailable, SourceUnusable
from keyferry.mapping.catalog import Catalog
from keyferry_local.admin import Object
from keyferry_local.direct import Direct
from tests.integration.scene import Scene, error, swept

SERVICES = ["secretsManager", "parameterStore"]
KEYS = [{"stripPrefix": "/"}]


def put(scene: Scene, service: str, name: str, value: str, **tags: str) -> str:
    """Make a secret or a parameter below the scene's own prefix, and return its full name."""
    full = f"/{scene.namespace}/{name}"
    given = [{"Key": key, "Value": text} for key, text in tags.items()]
    if service == "secretsManager":
        secrets = scene.cloud.aws.client("secretsmanager")
        secrets.create_secret(Name=full, SecretString=value, Tags=given)
    else:
        scene.cloud.aws.client("ssm").put_parameter(Name=full, Value=value, Type="SecureString", Tags=given)
    return full


def granted(
    scene: Scene,
    service: str,
    data: Any = None,  # noqa: ANN401
    more: Mapping[str, Any] | None = None,
    **by: Any,  # noqa: ANN401
) -> Direct:
    """Return a role that may find, and a mapping of all that is found."""
    many = [{"from": "all", "invalidCharacters": "replace", "keys": [{"stripPrefix": f"/{scene.namespace}/"}]}]
    secret = {"name": "db", "data": data} if data else {"name": "db", "dataFrom": many}
    return scene.grant(sources={"all": {"find": service, **by}}, secret=secret, **(more or {}))


def found(scene: Scene, service: str, **by: Any) -> Object | None:  # noqa: ANN401
    """Deliver what is found, and return what the Secret holds."""
    assert not granted(scene, service, **by).deliver(scene.namespace).errors
    return scene.data()


@pytest.mark.parametrize("service", SERVICES)
def test_it_finds_by_path_by_regular_expression_and_by_tags_alone_and_together(scene: Scene, service: str) -> None:
    own = {"run": scene.namespace}
    put(scene, service, "app/db", "canary-find-1", team="a", **own)
    put(scene, service, "app/deep/key", "canary-find-2", team="b", **own)
    put(scene, service, "application", "canary-find-3", team="a", **own)
    put(scene, service, "other", "canary-find-4", team="b", **own)
    path = f"/{scene.namespace}/app"

    below = {"app_db": b"canary-find-1", "app_deep_key": b"canary-find-2"}
    assert found(scene, service, path=f"{path}/") == below
    also = {"application": b"canary-find-3"} if service == "secretsManager" else {}
    assert found(scene, service, path=path) == below | also
    assert found(scene, service, regexp=f"^/{scene.namespace}/.*[er]$") == {"other": b"canary-find-4"}
    assert found(scene, service, tags={"team": "b", **own}) == {
        "app_deep_key": b"canary-find-2",
        "other": b"canary-find-4",
    }
    assert found(scene, service, path=path, regexp="d[be]", tags={"team": "b"}) == {"app_deep_key": b"canary-find-2"}


@pytest.mark.parametrize(("service", "count"), [("secretsManager", 103), ("parameterStore", 53)])
def test_every_page_is_read(scene: Scene, service: str, count: int) -> None:
    for number in range(count):
        put(scene, service, f"k{number}", f"canary-{number}")
    assert found(scene, service, path=f"/{scene.namespace}/") == {
        f"k{number}": f"canary-{number}".encode() for number in range(count)
    }


@pytest.mark.parametrize("service", SERVICES)
def test_templates_see_it_by_full_name_and_values_are_decoded(scene: Scene, service: str) -> None:
    name = put(scene, service, "db", '{"password": "canary-find-5"}')
    put(scene, service, "key", "Y2FuYXJ5LWZpbmQtNg==")
    data = {"password": {"template": f"{{{{ all['{name}'].password }}}}"}}
    assert not granted(scene, service, data, path=f"/{scene.namespace}").deliver(scene.namespace).errors
    assert scene.data() == {"password": b"canary-find-5"}
    many = [{"from": "all", "decode": "auto", "invalidCharacters": "escape"}]
    by = {"find": service, "path": f"/{scene.namespace}", "regexp": "key$"}
    direct = scene.grant(sources={"all": by}, secret={"name": "db", "dataFrom": many})
    assert not direct.deliver(scene.namespace).errors
    assert scene.data() == {f"_U002f_{scene.namespace}_U002f_key": b"canary-find-6"}


def test_binary_secrets_arrive_byte_for_byte(scene: Scene) -> None:
    scene.create(b"\x00canary\xff", name=f"/{scene.namespace}/raw")
    assert found(scene, "secretsManager", path=f"/{scene.namespace}/") == {"raw": b"\x00canary\xff"}


@pytest.mark.parametrize("service", SERVICES)
def test_finding_nothing_is_an_error_and_leaves_the_secret_as_it_was(scene: Scene, service: str) -> None:
    put(scene, service, "db", "canary-find-7")
    direct = granted(scene, service, path=f"/{scene.namespace}")
    assert not direct.deliver(scene.namespace).errors
    remove(scene, service, "db")
    with scene.untouched("Secret", "db"):
        found = error(direct.deliver(scene.namespace))
    assert isinstance(found, SourceUnusable)
    assert f"find in {service} by path /{scene.namespace} finds nothing" in str(found)


def remove(scene: Scene, service: str, name: str) -> None:
    """Delete a secret, to be gone in a week, or a parameter."""
    if service == "secretsManager":
        scene.cloud.aws.client("secretsmanager").delete_secret(SecretId=f"/{scene.namespace}/{name}")
    else:
        scene.cloud.aws.client("ssm").delete_parameter(Name=f"/{scene.namespace}/{name}")


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_deleted_keeps_its_key_unless_the_mapping_lets_it_go(scene: Scene, service: str) -> None:
    put(scene, service, "a", "canary-find-8")
    put(scene, service, "b", "canary-find-9")
    assert not granted(scene, service, path=f"/{scene.namespace}").deliver(scene.namespace).errors
    remove(scene, service, "a")
    with scene.untouched("Secret", "db"):
        said = error(granted(scene, service, path=f"/{scene.namespace}").deliver(scene.namespace))
    assert "source all no longer finds what a was made of" in str(said)
    more = {"policies": {"deletion": "merge"}}
    assert not granted(scene, service, more=more, path=f"/{scene.namespace}").deliver(scene.namespace).errors
    assert scene.data() == {"b": b"canary-find-9"}


def test_a_secret_without_a_value_is_an_error_that_names_it(scene: Scene) -> None:
    put(scene, "secretsManager", "a", "canary-find-10")
    scene.cloud.aws.client("secretsmanager").create_secret(Name=f"/{scene.namespace}/empty")
    found = error(granted(scene, "secretsManager", path=f"/{scene.namespace}").deliver(scene.namespace))
    assert isinstance(found, SourceUnavailable | SourceUnusable)
    assert f"/{scene.namespace}/empty" in str(found)
    assert scene.data() is None


@pytest.mark.parametrize("service", SERVICES)
def test_the_rights_are_for_what_names_begin_with_and_for_tags(scene: Scene, service: str) -> None:
    put(scene, service, "in", "canary-find-11", run=scene.namespace)
    put(scene, service, "else", "canary-find-12", run="another")
    direct = granted(scene, service, regexp=rf"^/{scene.namespace}/", tags={"run": scene.namespace})
    assert not direct.deliver(scene.namespace).errors
    assert scene.data() == {"in": b"canary-find-11"}
    client = scene.cloud.aws.client("secretsmanager" if service == "secretsManager" else "ssm", role=direct.role)
    for name in (f"/{scene.namespace}/else", "/other/in"):
        with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
            if service == "secretsManager":
                client.get_secret_value(SecretId=name)
            else:
                client.get_parameters(Names=[f"/{scene.namespace}/in", name], WithDecryption=True)


def test_one_that_may_not_be_read_is_an_error_that_names_it_and_no_missing_key(scene: Scene) -> None:
    put(scene, "secretsManager", "a", "canary-find-13")
    put(scene, "secretsManager", "b", "canary-find-14")
    direct = granted(scene, "secretsManager", path=f"/{scene.namespace}")
    of_all = f"arn:aws:secretsmanager:*:*:secret:/{scene.namespace}/"
    direct.allow(
        [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "secretsmanager:GetSecretValue", "Resource": f"{of_all}b-??????"},
        ]
    )
    found = error(direct.deliver(scene.namespace))
    assert isinstance(found, AccessDenied)
    assert f"AWS refuses secretsmanager:GetSecretValue on /{scene.namespace}/b" in str(found)
    assert scene.data() is None


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("by", ["path", "tags"])
def test_a_sweep_sees_what_came_and_reads_no_value(scene: Scene, service: str, by: str) -> None:
    put(scene, service, "a", "canary-find-15", run=scene.namespace)
    how: dict[str, Any] = {"path": {"path": f"/{scene.namespace}"}, "tags": {"tags": {"run": scene.namespace}}}
    direct = granted(scene, service, **how[by])
    assert not direct.deliver(scene.namespace).errors
    assert swept(direct) == []

    put(scene, service, "b", "canary-find-16", run=scene.namespace)
    assert swept(direct) == [scene.namespace]
    assert not direct.deliver(scene.namespace).errors
    assert swept(direct) == []


def test_the_right_to_read_everything_is_generated_with_a_warning_in_the_file(scene: Scene) -> None:
    whole = granted(scene, "secretsManager", regexp="x$").catalog
    text = render_files(whole)["stack/access.yaml"]
    assert "CAREFUL: these sources can find any name" in text
    assert f"all of mapping {scene.namespace}" in text
    assert isinstance(whole, Catalog)
