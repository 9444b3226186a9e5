"""The matrix: every form of certificates and keys, through the real rendering, as `secret.tls` and as `data`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, pkcs7

from keyferry.delivery.desired import Desired
from keyferry.errors import SourceUnusable
from tests import openssl
from tests.unit import pki
from tests.unit.forms import READ_BY_ALL, READ_BY_NONE
from tests.unit.pki import CHAIN, EDWARDS, FIRST, LEAF, PASSWORD, ROOT, RSA, SECOND, STRANGER
from tests.unit.test_tls import by_data, by_tls

NOW = datetime(2026, 11, 25, tzinfo=UTC)
FORMS = dict(READ_BY_ALL) | {name: change for name, (change, _) in READ_BY_NONE.items()}
PARAMETERS = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
CURVES = (ec.SECP224R1, ec.SECP384R1, ec.SECP521R1, ec.SECP192R1, ec.SECP256K1, ec.BrainpoolP256R1)


@dataclass(frozen=True)
class Row:
    """A form of a certificate and key, what we say of it, and what a Secret would hold."""

    name: str
    verdict: str
    """`delivered`; `noted` where the report says that Go does not take it; `refused`."""
    data: Mapping[str, bytes]
    """What is delivered. What is refused as `data` is what would have been."""


type Content = str | bytes


def list_rows(folder: Path) -> Iterator[Row]:
    """Yield the rows.

    Args:
        folder: where keys are made that only OpenSSL makes.
    """
    for name, crt, key, ca in (*_list_forms(), *_list_keys(), *_list_generated(folder), *_list_mistakes()):
        yield _judge(f"data: {name}", by_data, {"crt": crt, "key": key} | ({"ca": ca} if ca else {}))
        yield _judge(f"tls: {name}", by_tls, {"crt": crt, "key": key} | ({"chain": ca} if ca else {}))
    for name, crt, key in _list_encrypted():
        yield _judge(f"tls: {name}", by_tls, {"crt": crt, "key": key, "chain": ROOT.crt, "password": PASSWORD})


def _judge(name: str, write: Callable[..., Desired], parts: Mapping[str, Content]) -> Row:
    """Return the row of parts that become a Secret; those of `data` are what a refused one would hold."""
    try:
        secret = write(**parts)
    except SourceUnusable:
        names = {"crt": "tls.crt", "key": "tls.key", "ca": "ca.crt"} if write is by_data else {}
        return Row(name, "refused", {names[part]: _encode(parts[part]) for part in parts if part in names})
    noted = any("in Go do not take" in note or "cannot be checked" in note for note in secret.list_notes(NOW))
    return Row(name, "noted" if noted else "delivered", {key: value.reveal() for key, value in secret.data.items()})


def _encode(content: Content) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _list_forms() -> Iterator[tuple[str, Content, Content, Content | None]]:
    """Yield the forms of PEM, of each part."""
    for form, change in FORMS.items():
        yield f"certificate, {form}", change(CHAIN), LEAF.pem, ROOT.crt
        yield f"key, {form}", CHAIN, change(LEAF.pem), ROOT.crt
        yield f"traditional key, {form}", RSA.crt + SECOND.crt + FIRST.crt, change(RSA.traditional), ROOT.crt
        yield f"authority, {form}", CHAIN, LEAF.pem, change(ROOT.crt)


def _list_keys() -> Iterator[tuple[str, Content, Content, None]]:
    """Yield the formats and kinds of keys, each with a certificate that is its own issuer."""
    curves = [pki.issue(curve.name, key=ec.generate_private_key(curve())) for curve in CURVES]
    edwards = pki.issue("Ed448", key=ed448.Ed448PrivateKey.generate())
    old = pki.issue("DSA", key=dsa.generate_private_key(2048))
    for pair in (LEAF, RSA, EDWARDS, edwards, old, *curves):
        name = pair.certificate.subject.rfc4514_string()
        yield f"{name}, PKCS#8", pair.crt, pair.pem, None
        if not isinstance(pair.key, ed448.Ed448PrivateKey):
            yield f"{name}, its own format", pair.crt, _write_otherwise(pair), None


def _write_otherwise(pair: pki.Pair) -> str:
    """Return a private key as SEC 1 or PKCS#1; one of Ed25519, which has neither, as OpenSSH."""
    return pair.openssh if pair is EDWARDS else pair.traditional


def _list_generated(folder: Path) -> Iterator[tuple[str, Content, Content, None]]:
    """Yield keys and certificates that OpenSSL alone makes; each certificate is its own issuer."""
    for kind, options in openssl.KINDS.items():
        crt, key = openssl.issue(folder, *options)
        yield kind, crt, key, None
    for fault, request in openssl.REFUSED_BY_GO.items():
        crt, key = openssl.issue(folder, *openssl.READ_BY_ALL, request=request)
        yield fault, crt, key, None


def _list_mistakes() -> Iterator[tuple[str, Content, Content, Content | None]]:
    """Yield what is wrong, or unusual, beside the form."""
    mislabelled = RSA.pem.replace("PRIVATE", "RSA PRIVATE"), RSA.traditional.replace("RSA PRIVATE", "PRIVATE")
    yield "chain in the wrong order", LEAF.crt + FIRST.crt + SECOND.crt, LEAF.pem, ROOT.crt
    yield "leaf last", FIRST.crt + SECOND.crt + LEAF.crt, LEAF.pem, ROOT.crt
    yield "root in the chain", CHAIN + ROOT.crt, LEAF.pem, ROOT.crt
    yield "certificates twice", CHAIN + CHAIN, LEAF.pem, ROOT.crt
    yield "unrelated certificate", CHAIN + STRANGER.crt, LEAF.pem, ROOT.crt
    yield "trust store", CHAIN, LEAF.pem, STRANGER.crt + ROOT.crt
    yield "key before certificates", LEAF.pem + CHAIN, LEAF.pem, ROOT.crt
    yield "certificates in the key", CHAIN, LEAF.pem + CHAIN, ROOT.crt
    yield "parameters before the key", CHAIN, PARAMETERS + LEAF.traditional, ROOT.crt
    yield "authority that is none", CHAIN, LEAF.pem, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    yield "key of another pair", CHAIN, STRANGER.pem, ROOT.crt
    yield "another key after the key", CHAIN, LEAF.pem + STRANGER.pem, ROOT.crt
    yield "encrypted key", CHAIN, LEAF.encrypted(), ROOT.crt
    yield "encrypted traditional key", CHAIN, LEAF.encrypted(PrivateFormat.TraditionalOpenSSL), ROOT.crt
    yield "OpenSSH key", RSA.crt, RSA.openssh, None
    yield "public key", CHAIN, LEAF.public, ROOT.crt
    yield "certificate as key", CHAIN, CHAIN, ROOT.crt
    yield "PKCS#8 labelled as PKCS#1", RSA.crt, mislabelled[0], None
    yield "PKCS#1 labelled as PKCS#8", RSA.crt, mislabelled[1], None
    yield "certificate in DER", LEAF.der, LEAF.pem, None
    yield "PKCS#7", pkcs7.serialize_certificates([LEAF.certificate], Encoding.PEM), LEAF.pem, None
    yield "X509 CERTIFICATE", LEAF.crt.replace("CERTIFICATE", "X509 CERTIFICATE"), LEAF.pem, None
    yield "empty key", LEAF.crt, "", None
    yield "no key", LEAF.crt, "canary: not a key", None
    yield "key that was cut", LEAF.crt, LEAF.pem[:-40], None


def _list_encrypted() -> Iterator[tuple[str, Content, Content]]:
    """Yield what needs a password."""
    for pair in (LEAF, RSA, EDWARDS):
        name, certificates = pair.certificate.subject.rfc4514_string(), pair.crt + FIRST.crt + SECOND.crt
        yield f"{name}, encrypted", certificates, pair.encrypted()
        yield f"{name}, PKCS#12", certificates, pair.pkcs12()
