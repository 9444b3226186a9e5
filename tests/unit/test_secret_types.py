"""Secrets of a type have the keys that it requires, made of certificates, of sign-ins, or of what `data` says."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from keyferry.delivery.desired import Desired
from keyferry.delivery.observed import Observed
from keyferry.delivery.plan import Write, plan
from keyferry.errors import Refused, SourceUnusable
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import SecretValue
from keyferry.render.contents import get_facts
from keyferry.render.render import render
from keyferry.secret_types import describe_missing_keys, describe_unknown_type
from tests.unit import pki
from tests.unit.pki import CHAIN, FIRST, LEAF, PASSWORD, ROOT, SECOND, STRANGER
from tests.unit.samples import PLACE, WHEN, mapping, value

NOW = datetime(2026, 11, 25, tzinfo=UTC)
TLS = "kubernetes.io/tls"
DOCKER = "kubernetes.io/dockerconfigjson"
NO_OBJECT = f"no JSON object, as type {DOCKER} needs it"


def secret(**fields: Any) -> SecretMapping:  # noqa: ANN401
    """Return a mapping of this Secret, with the sources db and store."""
    sources = {"db": {"secretsManager": "db"}, "store": {"secretsManager": "store"}}
    return mapping(sources=sources, secret={"name": "x"} | fields)


def desired(db: str | bytes, store: str | bytes = b"", **fields: Any) -> Desired:  # noqa: ANN401
    whole = secret(**fields)
    return Desired.from_rendered(whole, render(whole, {"db": value(db), "store": value(store)}, PLACE))


def made(db: str | bytes, store: str | bytes = b"", **fields: Any) -> dict[str, str]:  # noqa: ANN401
    return {key: content.reveal().decode() for key, content in desired(db, store, **fields).data.items()}


def refused(db: str | bytes, store: str | bytes = b"", **fields: Any) -> str:  # noqa: ANN401
    with pytest.raises(SourceUnusable) as raised:
        desired(db, store, **fields)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    assert "canary" not in str(raised.value)
    return str(raised.value)


def wrong(**fields: Any) -> str:  # noqa: ANN401
    with pytest.raises(ValueError) as raised:
        secret(**fields)
    return str(raised.value)


# Certificates


def test_a_bundle_makes_a_tls_secret() -> None:
    assert made(LEAF.pem + ROOT.crt + FIRST.crt + SECOND.crt + LEAF.crt, tls={"from": "db"}) == {
        "tls.crt": CHAIN,
        "tls.key": LEAF.pem,
        "ca.crt": ROOT.crt,
    }
    assert secret(tls={"from": "db"}).spec.secret.type == TLS


def test_a_bundle_may_be_a_part_of_a_document() -> None:
    db = json.dumps({"a": {"pem": LEAF.encrypted() + CHAIN}, "pass": PASSWORD})
    tls = {"from": "db", "path": "a.pem", "password": {"from": "db", "path": "pass"}}
    assert made(db, tls=tls) == {"tls.crt": CHAIN, "tls.key": LEAF.pem}


def test_a_pkcs12_file_makes_a_tls_secret() -> None:
    store = LEAF.pkcs12(FIRST.certificate, SECOND.certificate)
    tls = {"from": "store", "password": {"from": "db", "path": "p"}}
    assert made(json.dumps({"p": PASSWORD}), store, tls=tls) == {"tls.crt": CHAIN, "tls.key": LEAF.pem}


def test_parts_make_a_tls_secret() -> None:
    db = json.dumps({"crt": LEAF.crt, "key": LEAF.traditional, "chain": FIRST.crt + SECOND.crt})
    tls = {
        name: {"from": "db", "path": path}
        for name, path in (("certificate", "crt"), ("key", "key"), ("chain", "chain"))
    }
    assert made(db, tls=tls) == {"tls.crt": CHAIN, "tls.key": LEAF.traditional}


def test_what_is_wrong_with_a_part_is_told_of_that_part() -> None:
    db = json.dumps({"crt": LEAF.crt, "key": STRANGER.pem, "none": "canary!"})
    parts = {"certificate": {"from": "db", "path": "crt"}, "key": {"from": "db", "path": "key"}}
    assert refused(db, tls=parts) == (
        "mapping payments-db, tls: the private key does not fit the certificate: they are not of one pair"
    )
    parts["key"]["path"] = "none"
    assert refused(db, tls=parts) == "mapping payments-db, tls.key: neither PEM nor PKCS#12"
    parts["key"]["path"] = "no"
    assert "mapping payments-db, tls.key: source db: path no finds nothing" in refused(db, tls=parts)


def test_data_can_add_to_a_tls_secret_and_give_another_authority() -> None:
    data = {"ca.crt": {"from": "db"}, "extra": {"value": "x"}}
    found = made(LEAF.pem + CHAIN + ROOT.crt, tls={"from": "db"}, data=data)
    assert list(found) == ["tls.crt", "tls.key", "ca.crt", "extra"]
    assert found["ca.crt"] != ROOT.crt


def test_a_tls_secret_may_have_another_type() -> None:
    assert secret(tls={"from": "db"}, type="example.com/tls").spec.secret.type == "example.com/tls"


@pytest.mark.parametrize(
    ("tls", "said"),
    [
        ({}, "needs from, or certificate and key"),
        ({"certificate": {"from": "db"}}, "needs from, or certificate and key"),
        ({"key": {"from": "db"}}, "needs from, or certificate and key"),
        ({"from": "db", "certificate": {"from": "db"}, "key": {"from": "db"}}, "needs from, or certificate and key"),
        ({"from": "db", "chain": {"from": "db"}}, "chain goes with certificate and key"),
        ({"path": "a", "certificate": {"from": "db"}, "key": {"from": "db"}}, "path goes with from"),
        ({"from": "db", "password": {"from": "db", "path": "a", "optional": True}}, "password cannot be optional"),
        ({"from": "bd"}, "secret.tls.from: no source is called bd; there is db, store"),
        ({"from": "db", "password": {"from": "bd"}}, "secret.tls.password: no source is called bd"),
    ],
)
def test_tls_that_says_too_little_or_too_much_is_refused(tls: dict[str, Any], said: str) -> None:
    assert said in wrong(tls=tls)


def test_a_key_is_made_in_one_place_alone() -> None:
    assert "data.tls.key is also made by tls" in wrong(tls={"from": "db"}, data={"tls.key": {"from": "db"}})
    registry = {"server": "x", "username": {"value": "a"}, "password": {"from": "db"}}
    assert "data..dockerconfigjson is also made by registries" in wrong(
        registries=[registry], data={".dockerconfigjson": {"from": "db"}}
    )
    assert "takes tls or registries, not both" in wrong(tls={"from": "db"}, registries=[registry])


# Registries


def test_sign_ins_make_a_docker_config() -> None:
    registries = [
        {"server": "b.example.com", "username": {"value": "robot"}, "password": {"from": "db", "path": "p"}},
        {
            "server": "a.example.com:5000",
            "username": {"from": "db", "path": "u"},
            "password": {"template": "{{ db.p }}!"},
            "email": "ops@example.com",
        },
    ]
    found = made('{"u": "mü", "p": "canary/1"}', registries=registries)
    assert found == {
        ".dockerconfigjson": '{"auths":{'
        '"b.example.com":{"username":"robot","password":"canary/1","auth":"cm9ib3Q6Y2FuYXJ5LzE="},'
        '"a.example.com:5000":{"username":"mü","password":"canary/1!","email":"ops@example.com",'
        '"auth":"bcO8OmNhbmFyeS8xIQ=="}}}'
    }
    assert secret(registries=registries).spec.secret.type == DOCKER


def test_an_empty_password_is_one() -> None:
    registry = {"server": "x", "username": {"value": "a"}, "password": {"from": "db"}}
    assert json.loads(made("", registries=[registry])[".dockerconfigjson"])["auths"]["x"]["auth"] == "YTo="


def test_a_sign_in_that_is_no_text_is_refused() -> None:
    registry = {"server": "x", "username": {"value": "a"}, "password": {"from": "db"}}
    said = "mapping payments-db, registries (x), password is binary, and a sign-in is text"
    assert refused(b"\xffcanary", registries=[registry]) == said


def test_registries_that_cannot_be_made_are_refused() -> None:
    registry: dict[str, Any] = {"server": "x", "username": {"value": "a"}, "password": {"from": "db"}}
    assert "names a server twice" in wrong(registries=[registry, registry])
    assert "no source is called bd" in wrong(registries=[registry | {"password": {"from": "bd"}}])
    optional = {"from": "db", "path": "a", "optional": True}
    assert "username cannot be optional" in wrong(registries=[registry | {"username": optional}])


# What a type requires


@pytest.mark.parametrize(
    ("kind", "keys", "lacking"),
    [
        (TLS, "", "tls.crt and tls.key"),
        (TLS, "tls.crt", "tls.key"),
        (TLS, "tls.crt tls.key", ""),
        (DOCKER, ".dockercfg", ".dockerconfigjson"),
        ("kubernetes.io/dockercfg", ".dockerconfigjson", ".dockercfg"),
        ("kubernetes.io/basic-auth", "user", "username or password"),
        ("kubernetes.io/basic-auth", "password", ""),
        ("kubernetes.io/ssh-auth", "key", "ssh-privatekey"),
        ("Opaque", "", ""),
        ("example.com/own", "", ""),
    ],
)
def test_a_type_requires_keys(kind: str, keys: str, lacking: str) -> None:
    assert describe_missing_keys(kind, keys.split()) == lacking


def test_a_mapping_that_cannot_have_them_is_refused() -> None:
    said = wrong(type=TLS, data={"tls.crt": {"from": "db"}})
    assert "type kubernetes.io/tls needs tls.key: add it to secret.data, or give another type" in said
    assert secret(type=TLS, dataFrom=[{"from": "db"}])


def test_what_the_sources_did_not_give_is_noticed_before_the_write() -> None:
    optional = {"from": "db", "path": "key", "optional": True}
    found = desired("{}", type="kubernetes.io/basic-auth", data={"a": {"value": "b"}, "password": optional})
    with pytest.raises(Refused, match=r"Secret x would lack username or password, and type kubernetes\.io/basic-auth"):
        plan(found, None, "nonce", WHEN)


def test_what_others_keep_in_the_secret_counts() -> None:
    found = desired(
        "me", type="kubernetes.io/basic-auth", dataFrom=[], data={"user": {"from": "db"}, "username": {"from": "db"}}
    )
    there = {
        "metadata": {"uid": "u", "resourceVersion": "1", "managedFields": []},
        "type": "kubernetes.io/basic-auth",
        "data": {"password": "eA=="},
    }
    assert isinstance(plan(found, Observed.from_object(there), "nonce", WHEN), Write)


@pytest.mark.parametrize(
    ("kind", "key", "content", "said"),
    [
        (DOCKER, ".dockerconfigjson", "canary", "no JSON object, as type kubernetes.io/dockerconfigjson needs it"),
        (DOCKER, ".dockerconfigjson", '["canary"]', "no JSON object"),
        (DOCKER, ".dockerconfigjson", '{"a": 1, "a": "canary"}', "no JSON object"),
        ("kubernetes.io/dockercfg", ".dockercfg", "", "no JSON object"),
        (DOCKER, ".dockerconfigjson", json.dumps('{"auths": {}}'), f"{NO_OBJECT}, but one as text within JSON: a"),
        (DOCKER, ".dockerconfigjson", "eyJhdXRocyI6IHt9fQ==", f"{NO_OBJECT}, but base64 of one: add decode: base64"),
        ("kubernetes.io/ssh-auth", "ssh-privatekey", "", "empty, and type kubernetes.io/ssh-auth needs a private key"),
    ],
)
def test_what_a_type_could_not_use_is_refused(kind: str, key: str, content: str, said: str) -> None:
    text = refused(content, type=kind, data={key: {"from": "db"}})
    assert text.startswith(f"mapping payments-db, key {key}: {said}")
    with pytest.raises(SourceUnusable) as raised:
        desired(content, type=kind, data={key: {"from": "db"}})
    assert raised.value.part == f"secret.data.{key}"


@pytest.mark.parametrize(
    ("kind", "key", "content"),
    [
        (DOCKER, ".dockerconfigjson", "{}"),
        ("kubernetes.io/dockercfg", ".dockercfg", '{"auths": {}}'),
        ("kubernetes.io/ssh-auth", "ssh-privatekey", "canary"),
        ("Opaque", ".dockerconfigjson", "canary"),
    ],
)
def test_what_it_can_use_is_not(kind: str, key: str, content: str) -> None:
    assert made(content, type=kind, data={key: {"from": "db"}}) == {key: content}


NO_AUTHS = "has no auths, an object with the registries, so nobody signs in by it"
NO_SIGN_IN = "has no user and password, nor base64 of both as auth, for {}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"auths": {"r": {"auth": "YTpi"}, "s": {"username": "a", "password": "b"}, "t": {"identitytoken": "a"}}}, ""),
        ({"auths": {}}, ""),
        ({}, NO_AUTHS),
        ({"r.example.com": {"auth": "YTpi"}}, NO_AUTHS),
        ({"auths": ["r"]}, NO_AUTHS),
        ({"auths": {"r": {"auth": "canary:b"}}}, NO_SIGN_IN.format("r")),
        ({"auths": {"r": {"auth": "Y2FuYXJ5"}}}, NO_SIGN_IN.format("r")),
        ({"auths": {"r": {"username": "a"}, "s": "canary"}}, NO_SIGN_IN.format("r and 1 more")),
        ({"auths": {"https://canary-1:canary-2@r/v1": {}}}, NO_SIGN_IN.format("r/v1")),
        (
            {"auths": {"r": {}}, "credsStore": "desktop"},
            f"{NO_SIGN_IN.format('r')}, which a computer keeps elsewhere (credsStore)",
        ),
    ],
)
def test_sign_ins_that_nobody_can_use_are_noted(content: dict[str, Any], said: str) -> None:
    text = json.dumps(content)
    secret = desired(text, type=DOCKER, data={".dockerconfigjson": {"from": "db"}})
    assert secret.list_notes(WHEN) == ((f".dockerconfigjson {said}",) if said else ())


def test_sign_ins_of_the_legacy_type_are_noted() -> None:
    def notes(content: dict[str, Any]) -> tuple[str, ...]:
        kind = "kubernetes.io/dockercfg"
        return desired(json.dumps(content), type=kind, data={".dockercfg": {"from": "db"}}).list_notes(WHEN)

    assert notes({"r": {"auth": "YTpi"}}) == ()
    assert notes({"r": {}}) == (f".dockercfg {NO_SIGN_IN.format('r')}",)
    [said] = notes({"auths": {"r": {"auth": "YTpi"}}})
    assert said == ".dockercfg has auths, as type kubernetes.io/dockerconfigjson wants it, so nobody signs in by it"


def test_sign_ins_of_others_that_are_no_json_are_noted() -> None:
    [said] = get_facts(DOCKER, {".dockerconfigjson": SecretValue(b"canary")}).describe(WHEN)
    assert said == f".dockerconfigjson {NO_AUTHS}"


def by_data(crt: str, key: str, kind: str = TLS) -> dict[str, Any]:
    """Return a Secret of a certificate and a key, as they are."""
    return {"type": kind, "data": {"tls.crt": {"value": crt}, "tls.key": {"value": key}}}


def test_a_certificate_and_a_key_of_two_pairs_are_refused() -> None:
    said = "the private key in tls.key does not fit the certificate in tls.crt: take both from one pair"
    assert refused("", **by_data(LEAF.crt, STRANGER.pem)) == f"mapping payments-db: {said}"
    assert made("", **by_data(LEAF.crt, STRANGER.pem, "Opaque"))


def test_a_certificate_and_its_key_arrive_as_they_are() -> None:
    odd = f"# leaf\n{LEAF.crt}"
    assert made("", **by_data(odd, LEAF.traditional)) == {"tls.crt": odd, "tls.key": LEAF.traditional}


@pytest.mark.parametrize(
    ("expires", "said"),
    [
        (datetime(2027, 1, 31, tzinfo=UTC), "the certificate in tls.crt expires on 2027-01-31"),
        (datetime(2026, 11, 24, tzinfo=UTC), "the certificate in tls.crt has expired on 2026-11-24"),
    ],
)
def test_when_the_certificate_expires_is_reported(expires: datetime, said: str) -> None:
    pair = pki.issue("me", expires=expires)
    assert desired(pair.pem + pair.crt, tls={"from": "db"}).list_notes(NOW) == (said,)


def test_other_secrets_have_nothing_to_report() -> None:
    assert desired("x", data={"tls.crt": {"from": "db"}}).list_notes(NOW) == ()
    assert desired(json.dumps({"tls.key": LEAF.pem}), type=TLS, dataFrom=[{"from": "db"}]).list_notes(NOW) == ()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        *((text, "Opaque") for text in ("opaque", "OPAQUE", "Opaqe", "generic", "kubernetes.io/opaque")),
        *((text, TLS) for text in ("kubernetes.io/tsl", "kubernetes.io/TLS", "tls", "TLS", "k8s.io/tls")),
        *((text, TLS) for text in ("kubernetes/tls", "kubernets.io/tls", "Kubernetes.io/tls", "kubernetes.io/ tls")),
        *((text, DOCKER) for text in ("kubernetes.io/dockerconfigjsn", "dockerconfigjson", "docker-registry")),
        ("kubernetes.io/dockerconfigJSON", DOCKER),
        ("kubernetes.io/basicauth", "kubernetes.io/basic-auth"),
        ("kubernetes.io/ssh-key", "kubernetes.io/ssh-auth"),
    ],
)  # fmt: skip
def test_a_type_that_is_nearly_a_built_in_one_is_refused_with_that(given: str, meant: str) -> None:
    assert describe_unknown_type(given) == f"no type of Kubernetes; did you mean {meant}?"
    with pytest.raises(ValueError, match=f"{given} is no type of Kubernetes; did you mean {meant}"):
        secret(type=given, data={"a": {"from": "db"}})


@pytest.mark.parametrize("given", ["kubernetes.io/nothing-like-it", "policy.kubernetes.io/x"])
def test_a_type_of_kubernetes_that_is_none_is_refused_with_those_that_there_are(given: str) -> None:
    assert describe_unknown_type(given).startswith(f"no type of Kubernetes, which has Opaque, {TLS}, {DOCKER},")


@pytest.mark.parametrize(
    "given", ["helm.sh/release.v1", "example.com/tls", "my-type", "istio.io/key-and-cert", "Opaque", TLS, DOCKER]
)
def test_types_of_others_are_their_own(given: str) -> None:
    assert describe_unknown_type(given) == ""
