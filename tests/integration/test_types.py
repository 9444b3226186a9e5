"""Secrets of every type, and what templates make, through `deliver` to a real API server."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from keyferry.cli.check import files
from keyferry.delivery.report import Report
from keyferry.errors import Refused, SourceUnusable
from keyferry_local.direct import Direct
from tests.integration.scene import Scene, error
from tests.unit import pki
from tests.unit.pki import CHAIN, FIRST, LEAF, PASSWORD, ROOT, SECOND, STRANGER

TLS = "kubernetes.io/tls"


def granted(scene: Scene, **secret: Any) -> Direct:  # noqa: ANN401
    """Return a role with the rights of a mapping of this Secret."""
    return scene.grant(secret={"name": "db"} | secret)


def delivered(scene: Scene, **secret: Any) -> Report:  # noqa: ANN401
    report = granted(scene, **secret).deliver(scene.namespace)
    assert not report.errors
    return report


def kind_and_data(scene: Scene) -> tuple[str, dict[str, str]]:
    return scene.secret()["type"], {key: value.decode() for key, value in (scene.data() or {}).items()}


def test_a_pem_bundle_in_any_order_becomes_a_tls_secret(scene: Scene) -> None:
    scene.create(ROOT.crt + LEAF.pem + FIRST.crt + LEAF.crt + SECOND.crt)
    report = delivered(scene, tls={"from": "db"})
    assert kind_and_data(scene) == (TLS, {"tls.crt": CHAIN, "tls.key": LEAF.pem, "ca.crt": ROOT.crt})
    (outcome,) = report.log_fields()["namespaces"]
    assert outcome["notes"] == ["the certificate in tls.crt expires on 2035-01-31"]


def test_a_pkcs12_file_becomes_one_with_its_password_in_another_source(scene: Scene) -> None:
    scene.create(LEAF.pkcs12(FIRST.certificate, SECOND.certificate))
    scene.cloud.aws.client("ssm").put_parameter(Name=f"/{scene.source}", Value=PASSWORD, Type="SecureString")
    direct = scene.grant(
        sources={"store": {"secretsManager": scene.source}, "pass": {"parameterStore": f"/{scene.source}"}},
        secret={"name": "db", "tls": {"from": "store", "password": {"from": "pass"}}},
    )
    assert not direct.deliver(scene.namespace).errors
    assert kind_and_data(scene) == (TLS, {"tls.crt": CHAIN, "tls.key": LEAF.pem})


def test_parts_of_a_document_become_one(scene: Scene) -> None:
    scene.create({"crt": LEAF.crt, "key": LEAF.encrypted(), "chain": FIRST.crt + SECOND.crt, "pass": PASSWORD})
    paths = {"certificate": "crt", "key": "key", "chain": "chain", "password": "pass"}
    delivered(scene, tls={part: {"from": "db", "path": path} for part, path in paths.items()})
    assert kind_and_data(scene) == (TLS, {"tls.crt": CHAIN, "tls.key": LEAF.pem})


@pytest.mark.parametrize("by", ["tls", "data"])
def test_a_key_of_another_pair_leaves_the_secret_as_it_was(scene: Scene, by: str) -> None:
    parts = {"certificate": {"from": "db", "path": "crt"}, "key": {"from": "db", "path": "key"}}
    data = {"tls.crt": parts["certificate"], "tls.key": parts["key"]}
    secret: dict[str, Any] = {"tls": parts} if by == "tls" else {"type": TLS, "data": data}
    scene.create({"crt": LEAF.crt, "key": LEAF.pem})
    direct = granted(scene, **secret)
    assert not direct.deliver(scene.namespace).errors
    scene.put({"crt": LEAF.crt, "key": STRANGER.pem})
    with scene.untouched("Secret", "db"):
        found = error(direct.deliver(scene.namespace))
    assert isinstance(found, SourceUnusable)
    assert "does not fit the certificate" in str(found)


def test_a_certificate_that_has_expired_is_delivered_and_reported(scene: Scene) -> None:
    old = pki.issue("old.example.com", expires=datetime(2021, 3, 4, tzinfo=UTC))
    scene.create(old.pem + old.crt)
    (outcome,) = delivered(scene, tls={"from": "db"}).outcomes
    assert outcome.notes == ("the certificate in tls.crt has expired on 2021-03-04",)


def test_sign_ins_become_a_docker_config(scene: Scene) -> None:
    scene.create({"user": "bot", "pass": "canary-types-1"})
    account = {"username": {"from": "db", "path": "user"}, "password": {"from": "db", "path": "pass"}}
    delivered(
        scene, registries=[{"server": "reg.example.com"} | account, {"server": "other.example.com:5000"} | account]
    )
    kind, data = kind_and_data(scene)
    login = {"username": "bot", "password": "canary-types-1", "auth": b64encode(b"bot:canary-types-1").decode()}
    assert kind == "kubernetes.io/dockerconfigjson"
    assert json.loads(data[".dockerconfigjson"]) == {
        "auths": {"reg.example.com": login, "other.example.com:5000": login}
    }


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("kubernetes.io/basic-auth", "password"),
        ("kubernetes.io/ssh-auth", "ssh-privatekey"),
        ("kubernetes.io/dockercfg", ".dockercfg"),
        ("example.com/own", "anything"),
    ],
)
def test_other_types_are_written_with_the_keys_that_they_require(scene: Scene, kind: str, key: str) -> None:
    value = '{"a": "canary-types-2"}'
    scene.create(value)
    delivered(scene, type=kind, data={key: {"from": "db"}})
    assert kind_and_data(scene) == (kind, {key: value})


@pytest.mark.parametrize(
    ("kind", "key", "content"),
    [
        ("kubernetes.io/basic-auth", "password", '{"other": 1}'),
        ("kubernetes.io/tls", "tls.crt", json.dumps({"tls.key": LEAF.pem})),
        ("kubernetes.io/ssh-auth", "ssh-privatekey", '{"ssh-privatekey": ""}'),
        ("kubernetes.io/dockerconfigjson", ".dockerconfigjson", '{".dockerconfigjson": "canary-types-4"}'),
    ],
)
def test_what_the_api_server_would_refuse_is_not_sent(scene: Scene, kind: str, key: str, content: str) -> None:
    scene.create(content)
    found = error(granted(scene, type=kind, dataFrom=[{"from": "db"}]).deliver(scene.namespace))
    assert isinstance(found, (Refused, SourceUnusable))
    assert key in str(found)
    assert kind in str(found)
    assert scene.data() is None


def test_templates_hash_encode_and_open(scene: Scene) -> None:
    store = b64encode(LEAF.pkcs12(SECOND.certificate, FIRST.certificate)).decode()
    scene.create({"password": "canary-types-5", "store": store, "pass": PASSWORD, "ratio": "1"})
    templates = {
        "htpasswd": "me:{{ db.password | bcrypt(rounds=4) }}",
        "yaml": "{{ {'b': db.password, 'a': ('[1.50]' | fromjson)} | toyaml }}",
        "key": "{{ db.store | pkcs12_key(db.pass) }}",
        "crt": "{{ db.store | pkcs12_cert(db.pass) }}",
        "leaf": "{{ db.store | pkcs12_cert(db.pass) | filter_cert_chain }}",
    }
    direct = granted(scene, data={key: {"template": template} for key, template in templates.items()})
    assert not direct.deliver(scene.namespace).errors
    _, data = kind_and_data(scene)
    assert bcrypt.checkpw(b"canary-types-5", data["htpasswd"].removeprefix("me:").encode())
    assert data["yaml"] == "b: canary-types-5\na:\n- 1.50"
    assert (data["key"], data["crt"], data["leaf"]) == (LEAF.pem, CHAIN, LEAF.crt)
    with scene.untouched("Secret", "db"):  # not even the hash is another
        assert not direct.deliver(scene.namespace).errors


def test_a_template_in_a_file_is_delivered(scene: Scene, tmp_path: Path) -> None:
    scene.create({"password": "canary-types-6"})
    mapping = scene.mapping(secret={"name": "db", "data": {"app.conf": {"templateFile": "app.conf.j2"}}})
    clusters = {"apiVersion": "keyferry.dev/v1", "kind": "Clusters", "clusters": []}
    for name in scene.cloud.clusters:
        eks = {"name": name, "region": "eu-west-1", "account": "111122223333"}
        clusters["clusters"].append({"name": name, "eks": eks})  # type: ignore[attr-defined]
    (tmp_path / "clusters.yaml").write_text(json.dumps(clusters))
    (tmp_path / "a.yaml").write_text(mapping.model_dump_json(by_alias=True, exclude_defaults=True))
    (tmp_path / "app.conf.j2").write_text("password = {{ db.password }}\n")
    (found,) = files.load(tmp_path).mappings.values()
    direct = scene.grant(secret=found.spec.secret.model_dump(by_alias=True, exclude_defaults=True))
    assert not direct.deliver(scene.namespace).errors
    assert scene.data() == {"app.conf": b"password = canary-types-6\n"}
