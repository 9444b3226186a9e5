"""What is written to a TLS or SSH Secret can be read by Go, OpenSSL and OpenSSH, or is refused with the way."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs7,
)

from keyferry.delivery.desired import Desired
from keyferry.errors import SourceUnusable
from keyferry.model import SecretValue
from keyferry.render.contents import get_facts
from keyferry.render.render import render
from tests import openssl
from tests.unit import pki
from tests.unit.forms import READ_BY_ALL, READ_BY_NONE, encode
from tests.unit.pki import CHAIN, EDWARDS, FIRST, LEAF, PASSWORD, ROOT, RSA, SECOND, STRANGER, UNKNOWN_KEY
from tests.unit.samples import PLACE, mapping, value

NOW = datetime(2026, 11, 25, tzinfo=UTC)
TLS = "kubernetes.io/tls"
SSH = "kubernetes.io/ssh-auth"
EXPIRES = "the certificate in tls.crt expires on 2035-01-31"
WAY = "let secret.tls write it, or a template with the filter pem"
JSON = "JSON, and not PEM or PKCS#12: give the path to its part; a JWK is read by the filter jwk_private_key_pem"
CUT = "a block PRIVATE KEY begins in it without its line -----END PRIVATE KEY-----: it was cut, or mixed up"
BY_OPENSSH = "the private key is encrypted by OpenSSH: take its password off, by ssh-keygen -p"
MISLABELLED = (
    "tls.key is labelled RSA PRIVATE KEY, and of another format, which OpenSSL before 3.0 does not read:"
    " secret.tls writes it anew"
)
OLD = "labelled X509 CERTIFICATE instead of CERTIFICATE"
SECOND_FITS = (
    "the private key in tls.key fits certificate 2 in tls.crt, and servers present the first: put it first, or let"
    " secret.tls put them in order"
)
NO_KEY = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
DISORDER = "certificate 2 in tls.crt did not issue the one before: secret.tls puts them in order"
AUTHORITY = "the certificate in tls.crt is one of an authority, which many clients refuse of a server"
KEY_TOO = "tls.crt holds a private key too, which whoever reads certificates sees"
TWO_KEYS = "tls.key holds 2 private keys, of which the first counts"
PUTTY = "a key of PuTTY: export it as OpenSSH key, by puttygen -O private-openssh"
NEARLY = "nearly PEM: its lines BEGIN and END need five dashes on either side, and capital letters"
NEEDS_PASSWORD = "the private key in ssh-privatekey is encrypted: who uses it needs its password too"
PGP = "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOY\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----\n"
NOT_READ = "OpenSSH does not read ssh-privatekey, since {}: a template with the filter pem makes it anew"


def desired(sources: dict[str, str | bytes], **secret: Any) -> Desired:  # noqa: ANN401
    """Return the Secret of these sources."""
    whole = mapping(sources={alias: {"secretsManager": alias} for alias in sources}, secret={"name": "x"} | secret)
    return Desired.from_rendered(whole, render(whole, {alias: value(text) for alias, text in sources.items()}, PLACE))


def texts(secret: Desired) -> dict[str, str]:
    return {key: content.reveal().decode() for key, content in secret.data.items()}


def by_tls(crt: str | bytes, key: str | bytes, **more: str | bytes) -> Desired:
    """Return the Secret that `secret.tls` makes of these parts."""
    parts = {"certificate": crt, "key": key, **more}
    return desired(parts, tls={name: {"from": name} for name in parts})


def by_data(kind: str = TLS, check: bool = True, /, **keys: str | bytes) -> Desired:
    """Return a Secret that holds the keys as they are: `crt`, `key` and `ca`, or `ssh`."""
    names = {"crt": "tls.crt", "key": "tls.key", "ca": "ca.crt", "ssh": "ssh-privatekey"}
    return desired(keys, type=kind, checkContent=check, data={names[alias]: {"from": alias} for alias in keys})


def refused(**keys: str | bytes) -> str:
    """Return why a Secret of these keys is refused."""
    with pytest.raises(SourceUnusable) as raised:
        by_data(SSH if "ssh" in keys else TLS, **keys)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    assert "canary" not in str(raised.value)
    return str(raised.value).removeprefix("mapping payments-db").lstrip(",: ")


def refused_by_tls(**parts: str | bytes) -> str:
    with pytest.raises(SourceUnusable) as raised:
        desired(parts, tls={name: {"from": name} for name in parts})
    return str(raised.value).removeprefix("mapping payments-db, ")


# secret.tls writes everything anew

FORMS = dict(READ_BY_ALL) | {name: change for name, (change, _) in READ_BY_NONE.items()}
OF_RSA = ["as it is", "spaces at the end of lines", "one line", "written-out line ends", "indented", "no-break spaces"]
"""A few: to check one such key takes a tenth of a second."""
OF_PAIRS = {"EC": (LEAF, list(FORMS)), "Ed25519": (EDWARDS, list(FORMS)), "RSA": (RSA, OF_RSA)}
"""Kind → a pair, and the forms to try."""


@pytest.mark.parametrize(
    ("pair", "form"),
    [pytest.param(pair, form, id=f"{kind}-{form}") for kind, (pair, forms) in OF_PAIRS.items() for form in forms],
)
def test_parts_in_every_form_become_the_same_secret(pair: pki.Pair, form: str) -> None:
    change = FORMS[form]
    secret = by_tls(change(pair.crt), change(pair.pem), chain=change(ROOT.crt + SECOND.crt + FIRST.crt))
    expected = {"tls.crt": pair.crt + SECOND.crt + FIRST.crt, "tls.key": pair.pem, "ca.crt": ROOT.crt}
    assert texts(secret) == expected
    assert texts(by_tls(base64.b64encode(encode(change(pair.crt))), change(pair.pem)))["tls.crt"] == pair.crt


@pytest.mark.parametrize("form", [form for form in FORMS if form not in ("no space at all", "one long line of base64")])
@pytest.mark.parametrize("kind", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key_in_every_form_is_opened(form: str, kind: PrivateFormat) -> None:
    secret = by_tls(LEAF.crt, FORMS[form](LEAF.encrypted(kind)), password=PASSWORD)
    assert texts(secret)["tls.key"] == LEAF.pem


def _der(pair: pki.Pair, kind: PrivateFormat) -> bytes:
    return pair.key.private_bytes(Encoding.DER, kind, NoEncryption())


def test_der_is_read_as_it_is_and_as_base64() -> None:
    for kind in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        assert texts(by_tls(LEAF.der, _der(LEAF, kind))) == {"tls.crt": LEAF.crt, "tls.key": LEAF.pem}
    key = base64.b64encode(_der(LEAF, PrivateFormat.PKCS8))
    assert texts(by_tls(base64.encodebytes(LEAF.der), key)) == {"tls.crt": LEAF.crt, "tls.key": LEAF.pem}


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_certificates_of_pkcs7_are_read(encoding: Encoding) -> None:
    bundle = pkcs7.serialize_certificates([FIRST.certificate, LEAF.certificate, SECOND.certificate], encoding)
    assert texts(by_tls(bundle, LEAF.pem))["tls.crt"] == CHAIN


def test_a_certificate_that_openssl_trusts_loses_what_follows_it() -> None:
    trusted = base64.encodebytes(LEAF.der + bytes.fromhex("300c300a06082b06010505070301")).decode()
    text = f"-----BEGIN TRUSTED CERTIFICATE-----\n{trusted}-----END TRUSTED CERTIFICATE-----\n"
    assert texts(by_tls(text, LEAF.pem))["tls.crt"] == LEAF.crt


def test_a_key_of_another_format_than_its_label_says_becomes_pkcs8() -> None:
    for text in (
        RSA.traditional.replace("RSA PRIVATE", "PRIVATE"),
        RSA.pem.replace("PRIVATE", "RSA PRIVATE"),
        RSA.openssh,
    ):
        assert texts(by_tls(RSA.crt, text))["tls.key"] == RSA.pem


def test_parameters_before_a_key_are_left_out_without_a_word() -> None:
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    secret = by_tls(LEAF.crt, parameters + LEAF.traditional)
    assert (texts(secret)["tls.key"], secret.list_notes(NOW)) == (LEAF.traditional, (EXPIRES,))


def test_what_is_left_out_is_told() -> None:
    more = "-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n" * 2
    crl = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"
    other = pki.issue("other")
    assert by_tls(LEAF.crt + more, LEAF.pem, chain=STRANGER.crt + crl).list_notes(NOW)[1:] == (
        "1 certificate is left out, which the certificate of the key does not lead to",
        "DH PARAMETERS is left out; a key of data can have it",
        "X509 CRL is left out; a key of data can have it",
    )
    assert by_tls(LEAF.crt, LEAF.pem, chain=STRANGER.crt + other.crt).list_notes(NOW)[1:] == (
        "2 certificates are left out, which the certificate of the key does not lead to",
    )


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (LEAF.public, "no private key in it, but PUBLIC KEY"),
        (LEAF.crt, "no private key in it, but a certificate"),
        (LEAF.encrypted(), "the private key is encrypted: give its password to secret.tls, as password"),
        ("", "empty"),
        ("canary!", "neither PEM nor PKCS#12"),
        ("{}", JSON),
        ("ssh-ed25519 AAAA", "a public key of OpenSSH, and no private key or certificate"),
        ("PuTTY-User-Key-File-3: x", PUTTY),
        (LEAF.pem.replace("-----", "----"), NEARLY),
        (LEAF.pem.replace("-----", "\u2014\u2014-"), NEARLY),
        (PGP, "no private key in it, but PGP PRIVATE KEY BLOCK"),
        (LEAF.pem[:-30], CUT),
        (RSA.openssh.replace("AAAA", "BAAA", 1), BY_OPENSSH),
        (RSA.openssh.replace("\n-----END", "AAAA\n-----END"), "the private key cannot be read"),
    ],
)
def test_a_part_that_is_none_is_told_of_that_part(key: str, said: str) -> None:
    assert refused_by_tls(certificate=LEAF.crt, key=key) == f"tls.key: {said}"


def test_a_certificate_that_is_none_is_told_of_that_part() -> None:
    assert (
        refused_by_tls(certificate=LEAF.pem, key=LEAF.pem) == "tls.certificate: no certificate in it, but a private key"
    )
    assert (
        refused_by_tls(certificate=pkcs7_without(), key=LEAF.pem)
        == "tls.certificate: a certificate in it cannot be read"
    )


def pkcs7_without() -> str:
    """Return PKCS#7 that is none."""
    return "-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n"


@pytest.mark.parametrize("encode_store", [bytes, base64.b64encode], ids=["binary", "base64"])
def test_a_java_keystore_is_told_with_the_way(encode_store: Any) -> None:  # noqa: ANN401
    for magic, name in ((b"\xfe\xed\xfe\xed", "JKS"), (b"\xce\xce\xce\xce", "JCEKS")):
        said = refused_by_tls(certificate=encode_store(magic + b"canary"), key="")
        assert said.startswith(f"tls.certificate: a Java keystore ({name}): make PKCS#12 of it, by keytool")


def test_a_password_that_ends_in_a_line_end_is_told() -> None:
    said = ", which ends in a line end: a template with the filter trim takes it off"
    key = refused_by_tls(certificate=LEAF.crt, key=LEAF.encrypted(), password=f"{PASSWORD}\n")
    assert key == f"tls.key: the private key cannot be opened with that password{said}"
    with pytest.raises(SourceUnusable, match=f"that password does not open it{said}$"):
        desired(
            {"db": LEAF.pkcs12(), "password": f"{PASSWORD}\r\n"},
            tls={"from": "db", "password": {"from": "password"}},
        )


def test_a_cipher_that_is_too_old_is_told_from_a_wrong_password() -> None:
    old = LEAF.encrypted(PrivateFormat.TraditionalOpenSSL)
    cipher = next(line for line in old.splitlines() if line.startswith("DEK-Info"))
    said = refused_by_tls(
        certificate=LEAF.crt, key=old.replace(cipher, "DEK-Info: DES-CBC,0123456789ABCDEF"), password="x"
    )
    assert said == (
        "tls.key: the private key cannot be opened with that password: its cipher is too old; encrypt it again, by"
        " openssl pkcs8 -topk8 -v2 aes-256-cbc"
    )


# data of type kubernetes.io/tls is what the mapping says, or refused


@pytest.mark.parametrize("form", READ_BY_ALL)
def test_what_others_read_arrives_as_it_is(form: str) -> None:
    change = READ_BY_ALL[form]
    secret = by_data(crt=change(CHAIN), key=change(LEAF.pem), ca=change(ROOT.crt))
    assert texts(secret) == {"tls.crt": change(CHAIN), "tls.key": change(LEAF.pem), "ca.crt": change(ROOT.crt)}
    assert secret.list_notes(NOW) == (EXPIRES,)


@pytest.mark.parametrize("form", READ_BY_NONE)
def test_what_others_do_not_read_is_refused_with_the_way(form: str) -> None:
    change, what = READ_BY_NONE[form]
    for key, label, keys in (
        ("tls.crt", "CERTIFICATE", {"crt": change(LEAF.crt), "key": LEAF.pem}),
        ("tls.key", "PRIVATE KEY", {"crt": LEAF.crt, "key": change(LEAF.pem)}),
        ("ca.crt", "CERTIFICATE", {"crt": LEAF.crt, "key": LEAF.pem, "ca": change(ROOT.crt)}),
    ):
        assert refused(**keys) == f"key {key}: PEM ({label}) {what}, which Go or OpenSSL do not read: {WAY}"


AS_ISSUED = "store the file as it was issued"
NO_PEM = "DER or PKCS#12 instead of PEM"
ON_A_LINE = "PEM (PRIVATE KEY) on one line, which Go or OpenSSL do not read"
OPENSSH_ON_A_LINE = ON_A_LINE.replace("PRIVATE", "OPENSSH PRIVATE")
QUOTED = "holds something else than base64, for its lines begin with >, as in a mail that was quoted"


def shorten(text: str, line_end: str = "\n") -> str:
    """Return PEM without its third line, which leaves base64."""
    lines = text.splitlines()
    return line_end.join([*lines[:2], *lines[3:], ""])


def quote(text: str) -> str:
    """Return a text as a mail quotes it."""
    return "".join(f"> {line}" for line in text.splitlines(keepends=True))


def change_kind(pair: pki.Pair) -> str:
    """Return a private key in PEM, of a kind that the library does not know."""
    der = _der(pair, PrivateFormat.PKCS8).replace(bytes.fromhex(UNKNOWN_KEY[0]), bytes.fromhex(UNKNOWN_KEY[1]))
    return f"-----BEGIN PRIVATE KEY-----\n{base64.encodebytes(der).decode()}-----END PRIVATE KEY-----\n"


UNKNOWN = change_kind(LEAF)
ENCRYPTED = "key tls.key: encrypted, and who mounts the Secret has no password for it: give that to secret.tls"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (LEAF.encrypted(), ENCRYPTED),
        (LEAF.encrypted(PrivateFormat.TraditionalOpenSSL), ENCRYPTED),
        ("canary: not a key", "key tls.key: no PEM, which has -----BEGIN PRIVATE KEY-----"),
        ("", "key tls.key: empty"),
        (LEAF.public, "key tls.key: no private key in it, but PUBLIC KEY"),
        (LEAF.crt, "key tls.key: no private key in it, but CERTIFICATE"),
        (base64.b64encode(LEAF.pem.encode()), "key tls.key: base64 of PEM: add decode: base64"),
        (_der(LEAF, PrivateFormat.PKCS8), f"key tls.key: {NO_PEM}: let secret.tls write it"),
        (base64.b64encode(_der(LEAF, PrivateFormat.PKCS8)), f"key tls.key: {NO_PEM}: let secret.tls write it"),
        (LEAF.pkcs12(), f"key tls.key: {NO_PEM}: let secret.tls write it, with the password of the file"),
        (LEAF.der, f"key tls.key: {NO_PEM}: and no private key in it, but a certificate"),
        (_der(LEAF, PrivateFormat.PKCS8)[:-9], f"key tls.key: {NO_PEM}: it was cut, so {AS_ISSUED}"),
        ("0123 canary", "key tls.key: no PEM, which has -----BEGIN PRIVATE KEY-----"),
        (shorten(LEAF.pem), f"key tls.key: the private key cannot be read: it was cut, so {AS_ISSUED}"),
        (LEAF.encrypted().replace("\n", " "), ENCRYPTED),
        (LEAF.openssh.replace("\n", " "), f"key tls.key: {OPENSSH_ON_A_LINE}: let secret.tls write it"),
        (UNKNOWN.replace("\n", " "), f"key tls.key: {ON_A_LINE}: have a template with the filter pem write it"),
        ("{}", f"key tls.key: {JSON}"),
        (LEAF.openssh, "key tls.key: a key in OpenSSH's own format: let secret.tls write it"),
        (LEAF.pem[:-30], f"key tls.key: {CUT}"),
        (NO_KEY, "key tls.key: the private key cannot be read"),
        (STRANGER.pem, "the private key in tls.key does not fit the certificate in tls.crt: take both from one pair"),
    ],
)
def test_a_key_that_nobody_can_use_is_refused(key: str | bytes, said: str) -> None:
    assert refused(crt=LEAF.crt, key=key) == said


@pytest.mark.parametrize(
    ("crt", "said"),
    [
        (LEAF.pem, "key tls.crt: no certificate in it, but PRIVATE KEY"),
        ("canary", "key tls.crt: no PEM, which has -----BEGIN CERTIFICATE-----"),
        (
            LEAF.crt.replace("CERTIFICATE", "X509 CERTIFICATE"),
            f"key tls.crt: PEM (CERTIFICATE) {OLD}, which Go or OpenSSL do not read: {WAY}",
        ),
        (NO_KEY.replace("PRIVATE KEY", "CERTIFICATE"), "key tls.crt: a certificate in it cannot be read"),
        (SECOND.crt + LEAF.crt, SECOND_FITS),
        (_der(LEAF, PrivateFormat.PKCS8), f"key tls.crt: {NO_PEM}: and no certificate in it, but a private key"),
        (shorten(LEAF.crt), f"key tls.crt: a certificate in it cannot be read: it was cut, so {AS_ISSUED}"),
        (shorten(LEAF.crt, " "), f"key tls.crt: a certificate in it cannot be read: it was cut, so {AS_ISSUED}"),
        (quote(LEAF.crt), f"key tls.crt: the block CERTIFICATE in it {QUOTED}: {AS_ISSUED}"),
    ],
)
def test_a_certificate_that_nobody_can_use_is_refused(crt: str | bytes, said: str) -> None:
    assert refused(crt=crt, key=LEAF.pem) == said


@pytest.mark.parametrize("form", [form for form in FORMS if form != "UTF-16"])  # JSON has text
def test_one_field_of_json_holds_the_key_and_all_certificates(form: str) -> None:
    parts = LEAF.pem + ROOT.crt + FIRST.crt + SECOND.crt + LEAF.crt
    document = json.dumps({"bundle": FORMS[form](parts)})
    secret = desired({"db": document}, tls={"from": "db", "path": "bundle"})
    assert texts(secret) == {"tls.crt": CHAIN, "tls.key": LEAF.pem, "ca.crt": ROOT.crt}
    assert texts(desired({"db": document}, tls={"from": "db"})) == texts(secret)


def test_a_chain_may_be_an_array() -> None:
    document = json.dumps({"crt": LEAF.crt.rstrip(), "key": LEAF.pem, "chain": [FIRST.crt, SECOND.crt]})
    parts = {"certificate": "crt", "key": "key", "chain": "chain"}
    secret = desired({"db": document}, tls={name: {"from": "db", "path": path} for name, path in parts.items()})
    assert texts(secret)["tls.crt"] == CHAIN


def test_a_trust_store_of_data_stands_beside_the_certificate_of_tls() -> None:
    store = STRANGER.crt + ROOT.crt
    parts = {"certificate": {"from": "crt"}, "key": {"from": "key"}}
    secret = desired({"crt": CHAIN, "key": LEAF.pem, "ca": store}, tls=parts, data={"ca.crt": {"from": "ca"}})
    assert texts(secret) == {"tls.crt": CHAIN, "tls.key": LEAF.pem, "ca.crt": store}


def test_a_certificate_that_has_expired_is_delivered_and_noted() -> None:
    old = pki.issue("old", SECOND, expires=datetime(2021, 1, 31, tzinfo=UTC))
    assert by_data(crt=old.crt, key=old.pem).list_notes(NOW) == (
        "the certificate in tls.crt has expired on 2021-01-31",
    )
    assert by_tls(old.crt, old.pem).list_notes(NOW) == by_data(crt=old.crt, key=old.pem).list_notes(NOW)


def test_an_authority_that_has_expired_is_noted() -> None:
    root = pki.issue("root", authority=True, expires=datetime(2021, 9, 30, tzinfo=UTC))
    leaf = pki.issue("leaf.example.com", root)
    said = (EXPIRES, "certificate 2 in tls.crt has expired on 2021-09-30")
    assert by_data(crt=leaf.crt + root.crt, key=leaf.pem).list_notes(NOW) == said
    assert by_data(crt=leaf.crt, key=leaf.pem, ca=root.crt).list_notes(NOW) == (EXPIRES,)  # a trust store has such


@pytest.mark.parametrize(
    ("authority", "said"),
    [
        (NO_KEY.replace("PRIVATE KEY", "CERTIFICATE"), "a certificate in it cannot be read"),
        (ROOT.crt + shorten(ROOT.crt), f"a certificate in it cannot be read: it was cut, so {AS_ISSUED}"),
        (quote(ROOT.crt), f"the block CERTIFICATE in it {QUOTED}: {AS_ISSUED}"),
    ],
)
def test_an_authority_that_nobody_can_read_is_refused(authority: str, said: str) -> None:
    assert refused(crt=LEAF.crt, key=LEAF.pem, ca=authority) == f"key ca.crt: {said}"


@pytest.mark.parametrize("key", ["crt", "key", "ca"])
def test_what_cannot_be_read_is_told_at_its_key(key: str) -> None:
    with pytest.raises(SourceUnusable) as raised:
        by_data(**{"crt": LEAF.crt, "key": LEAF.pem, "ca": ROOT.crt} | {key: "canary"})
    assert raised.value.part == f"secret.data.{'ca' if key == 'ca' else 'tls'}.{'crt' if key == 'ca' else key}"


def test_an_empty_authority_arrives() -> None:
    assert texts(by_data(crt=LEAF.crt, key=LEAF.pem, ca=""))["ca.crt"] == ""


def test_a_trust_store_arrives_as_it_is() -> None:
    store = STRANGER.crt + ROOT.crt + SECOND.crt + ROOT.crt
    secret = by_data(crt=LEAF.crt, key=LEAF.pem, ca=store)
    assert (texts(secret)["ca.crt"], secret.list_notes(NOW)) == (store, (EXPIRES,))


def test_one_of_the_keys_alone_is_checked() -> None:
    def merged(**keys: str) -> Desired:
        document = json.dumps({f"tls.{name}": text for name, text in keys.items()})
        return desired({"db": document}, type=TLS, dataFrom=[{"from": "db"}])

    assert merged(crt=LEAF.crt).list_notes(NOW) == (EXPIRES,)
    assert merged(key=LEAF.pem).list_notes(NOW) == ()
    with pytest.raises(SourceUnusable, match=r"key tls.key: no PEM"):
        merged(key="canary")


@pytest.mark.parametrize(
    ("kind", "keys", "said"),
    [
        (TLS, {"crt": "canary", "key": LEAF.pem}, "key tls.crt: no PEM, which has -----BEGIN CERTIFICATE-----"),
        (TLS, {"crt": LEAF.crt, "key": "canary"}, "key tls.key: no PEM, which has -----BEGIN PRIVATE KEY-----"),
        (
            TLS,
            {"crt": LEAF.crt, "key": STRANGER.pem},
            "the private key in tls.key does not fit the certificate in tls.crt",
        ),
        (SSH, {"ssh": ""}, "key ssh-privatekey: empty, and type kubernetes.io/ssh-auth needs a private key"),
    ],
)
def test_what_nobody_can_read_is_written_and_noted_where_the_content_is_not_checked(
    kind: str, keys: dict[str, str], said: str
) -> None:
    secret = by_data(kind, False, **keys)
    assert list(texts(secret).values()) == list(keys.values())
    noted = [note for note in secret.list_notes(NOW) if note.endswith(": written all the same (checkContent: false)")]
    assert [note.startswith(said) for note in noted] == [True]
    assert "canary" not in " ".join(secret.list_notes(NOW))


def test_a_good_content_that_is_not_checked_is_described_as_any_other() -> None:
    assert by_data(TLS, False, crt=LEAF.crt, key=LEAF.pem).list_notes(NOW) == (EXPIRES,)


def test_what_others_wrote_is_described_too() -> None:
    said = ("tls.crt holds no certificate in PEM that can be read",)
    for text in (b"canary", b"", b"-----BEGIN CERTIFICATE-----"):
        assert get_facts(TLS, {"tls.crt": SecretValue(text)}).describe(NOW) == said
    cut = {"ssh-privatekey": SecretValue(b"-----BEGIN A-----")}
    assert get_facts(SSH, cut).describe(NOW) == ("ssh-privatekey holds no private key in PEM",)
    data = {"tls.crt": LEAF.crt, "tls.key": "canary"}
    [_, unknown] = get_facts(TLS, {key: SecretValue(text.encode()) for key, text in data.items()}).describe(NOW)
    assert "cannot be checked" in unknown


# Notes


def _curve(curve: ec.EllipticCurve) -> pki.Pair:
    return pki.issue("curve", key=ec.generate_private_key(curve))


@pytest.mark.parametrize(
    ("keys", "notes"),
    [
        ({"crt": LEAF.crt, "key": LEAF.pem}, []),
        ({"crt": LEAF.crt + FIRST.crt, "key": LEAF.pem}, [DISORDER]),
        ({"crt": ROOT.crt, "key": ROOT.pem}, [AUTHORITY]),
        ({"crt": LEAF.crt + LEAF.pem, "key": LEAF.pem}, [KEY_TOO]),
        ({"crt": LEAF.crt, "key": LEAF.pem, "ca": ROOT.crt + LEAF.pem}, ["ca.crt holds a private key too"]),
        ({"crt": LEAF.crt, "key": LEAF.pem + STRANGER.pem}, [TWO_KEYS]),
        ({"crt": RSA.crt, "key": RSA.pem.replace("PRIVATE", "RSA PRIVATE")}, [MISLABELLED]),
    ],
)
def test_what_is_odd_is_delivered_and_noted(keys: dict[str, str], notes: list[str]) -> None:
    assert by_data(**keys).list_notes(NOW) == (EXPIRES, *notes)


@pytest.mark.parametrize(
    ("pair", "kind"),
    [
        (_curve(ec.SECP256K1()), "secp256k1"),
        (_curve(ec.SECP224R1()), "secp224r1"),
        (_curve(ec.BrainpoolP256R1()), "brainpoolP256r1"),
        (pki.issue("me", key=dsa.generate_private_key(1024)), "DSA"),  # noqa: S505  # 2,048 bits take seconds
        (pki.issue("me", key=ed448.Ed448PrivateKey.generate()), "Ed448"),
        (_curve(ec.SECP521R1()), ""),
        (EDWARDS, ""),
        (RSA, ""),
    ],
)
def test_a_kind_of_key_that_go_does_not_take_is_noted(pair: pki.Pair, kind: str) -> None:
    said = f"the private key in tls.key is {kind}, which programs in Go do not take"
    assert by_data(crt=pair.crt, key=pair.pem).list_notes(NOW) == ((EXPIRES, said) if kind else (EXPIRES,))
    assert by_tls(pair.crt, pair.pem).list_notes(NOW) == by_data(crt=pair.crt, key=pair.pem).list_notes(NOW)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("RSA of 512 bits", "RSA of 512 bits"),
        ("RSA-PSS", "for RSASSA-PSS alone"),
        ("parameters of a curve", "with the parameters of its curve"),
    ],
)
def test_a_kind_of_key_that_openssl_alone_makes_is_noted(kind: str, said: str, tmp_path: Path) -> None:
    crt, key = openssl.issue(tmp_path, *openssl.KINDS[kind])
    note = f"the private key in tls.key is {said}, which programs in Go do not take"
    assert note in by_data(crt=crt, key=key).list_notes(NOW)
    assert note in by_tls(crt, key).list_notes(NOW)


def test_a_certificate_with_the_parameters_of_a_curve_is_noted(tmp_path: Path) -> None:
    crt, key = openssl.issue(tmp_path, *openssl.KINDS["parameters of a curve"])
    named = pki.Pair(LEAF.certificate, cast(pki.Key, load_pem_private_key(key.encode(), None))).pem
    assert by_data(crt=crt, key=named).list_notes(NOW)[-1] == (
        "the certificate in tls.crt writes its public key in a way that programs in Go do not take: have it issued for"
        " a key of RSA, of a named curve, or Ed25519"
    )


def test_a_pair_that_cannot_be_checked_is_noted() -> None:
    said = "whether the private key in tls.key fits the certificate cannot be checked: its kind is unknown"
    unknown = pki.replace_der(LEAF.certificate, UNKNOWN_KEY)
    assert by_data(crt=unknown, key=LEAF.pem).list_notes(NOW) == (EXPIRES, said)
    key = UNKNOWN
    assert by_data(crt=LEAF.crt, key=key).list_notes(NOW) == (EXPIRES, said)
    assert refused_by_tls(certificate=LEAF.crt, key=key) == (
        "tls.key: the private key is of a kind, or on a curve, that is not known here: a key of data can have it"
    )
    assert "they are not of one pair" in refused_by_tls(certificate=unknown, key=LEAF.pem)


def test_a_certificate_that_is_not_valid_yet_is_noted() -> None:
    pair = pki.issue("me", begins=datetime(2030, 1, 2, tzinfo=UTC))
    said = "the certificate in tls.crt is not valid before 2030-01-02"
    assert by_data(crt=pair.crt, key=pair.pem).list_notes(NOW) == (EXPIRES, said)


# SSH


@pytest.mark.parametrize("form", ["one line", "written-out line ends", "indented", "CR", "UTF-16"])
def test_an_ssh_key_that_no_client_reads_is_refused(form: str) -> None:
    change, what = READ_BY_NONE[form]
    assert refused(ssh=change(LEAF.openssh)) == (
        f"key ssh-privatekey: PEM (OPENSSH PRIVATE KEY) {what}, which no SSH client reads: make it anew by a template"
        " with the filter pem"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ssh-ed25519 AAAA me", "a public key, and type kubernetes.io/ssh-auth needs a private key"),
        (LEAF.crt, "no private key in it, but CERTIFICATE"),
        (LEAF.public, "no private key in it, but PUBLIC KEY"),
        (PGP, "no private key in it, but PGP PRIVATE KEY BLOCK"),
        (base64.b64encode(LEAF.openssh.encode()), "base64 of PEM: add decode: base64"),
        ("", "empty, and type kubernetes.io/ssh-auth needs a private key"),
    ],
)
def test_what_is_no_private_key_is_refused_for_ssh(text: str | bytes, said: str) -> None:
    assert refused(ssh=text) == f"key ssh-privatekey: {said}"


def test_an_ssh_key_that_no_filter_makes_anew_is_refused_without_that_way() -> None:
    said = f"key ssh-privatekey: the block OPENSSH PRIVATE KEY in it {QUOTED}: {AS_ISSUED}"
    assert refused(ssh=quote(LEAF.openssh)) == said


def test_an_ssh_key_that_was_cut_is_refused() -> None:
    assert "it was cut, or mixed up" in refused(ssh=LEAF.openssh[:-20])


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        (LEAF.openssh, ()),
        (RSA.traditional.replace("\n", "\r\n"), ()),
        (LEAF.openssh.replace("\n", "\r\n"), (NOT_READ.format("its lines end in CRLF"),)),
        (LEAF.openssh.rstrip(), (NOT_READ.format("its last line has no end"),)),
        (f"\n{LEAF.openssh}", (NOT_READ.format("it does not begin with the key"),)),
        ("canary", ("ssh-privatekey holds no private key in PEM",)),
        ("PuTTY-User-Key-File-3: x", (f"ssh-privatekey holds no private key in PEM, but {PUTTY}",)),
        (LEAF.encrypted(), (NEEDS_PASSWORD,)),
        (RSA.encrypted(PrivateFormat.TraditionalOpenSSL), (NEEDS_PASSWORD,)),
        (RSA.openssh.replace("AAAA", "BAAA", 1), (NEEDS_PASSWORD,)),
        (
            RSA.openssh.replace("AAAA", "BAAA", 1).rstrip(),
            (NOT_READ.format("its last line has no end"), NEEDS_PASSWORD),
        ),
    ],
)
def test_an_ssh_key_that_openssh_alone_does_not_read_is_noted(text: str, notes: tuple[str, ...]) -> None:
    secret = by_data(SSH, ssh=text)
    assert (texts(secret), secret.list_notes(NOW)) == ({"ssh-privatekey": text}, notes)


def test_what_is_beside_an_ssh_key_arrives_as_it_is() -> None:
    key, hosts = LEAF.openssh, "github.com ssh-ed25519 AAAA\r\n"
    data = {"ssh-privatekey": {"from": "ssh"}, "known_hosts": {"from": "hosts"}}
    secret = desired({"ssh": key, "hosts": hosts}, type=SSH, data=data)
    assert texts(secret) == {"ssh-privatekey": key, "known_hosts": hosts}
    assert secret.list_notes(NOW) == ()


def test_a_key_of_pgp_arrives_as_it_is() -> None:
    assert texts(desired({"db": PGP}, data={"signing.asc": {"from": "db"}})) == {"signing.asc": PGP}


def test_the_filter_makes_an_ssh_key_anew() -> None:
    for change in (FORMS["CRLF"], FORMS["no last line end"], FORMS["one line"], FORMS["written-out line ends"]):
        document = json.dumps({"key": change(LEAF.openssh)})
        secret = desired({"db": document}, type=SSH, data={"ssh-privatekey": {"template": "{{ db.key | pem }}"}})
        assert secret.list_notes(NOW) == ()
        assert texts(secret)["ssh-privatekey"].split("\n", 1)[0] == "-----BEGIN OPENSSH PRIVATE KEY-----"
