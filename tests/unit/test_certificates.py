"""PEM and PKCS#12 become the keys of a TLS Secret, in order; what does not fit is told without a value."""

import base64
import itertools
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7, pkcs12

from keyferry.render.pki import certificates, chains
from keyferry.render.pki.pem import UnusableCertificate, parse_blocks
from tests.unit import pki
from tests.unit.pki import CHAIN, EDWARDS, FIRST, LEAF, PASSWORD, ROOT, RSA, SECOND, STRANGER, Pair


def made(content: str | bytes, password: str | None = None) -> dict[str, str]:
    """Return what a TLS Secret is made of."""
    found = certificates.open_bundle(_bytes(content), password.encode() if password else None)
    return {key: value.decode() for key, value in chains.build_chain(found).data.items()}


def refused(step: Callable[[], object]) -> str:
    with pytest.raises(UnusableCertificate) as raised:
        step()
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    assert "canary" not in str(raised.value)
    return str(raised.value)


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


PARTS = [LEAF.pem, LEAF.crt, SECOND.crt, FIRST.crt, ROOT.crt]


@pytest.mark.parametrize("parts", [*itertools.islice(itertools.permutations(PARTS), 0, 120, 7)], ids=lambda _: "order")
def test_a_bundle_in_any_order_is_put_in_order(parts: tuple[str, ...]) -> None:
    assert made("".join(parts)) == {"tls.crt": CHAIN, "tls.key": LEAF.pem, "ca.crt": ROOT.crt}


def test_a_bundle_without_a_root_makes_no_ca() -> None:
    assert made(LEAF.pem + CHAIN) == {"tls.crt": CHAIN, "tls.key": LEAF.pem}


def test_what_is_there_twice_or_leads_nowhere_is_left_out() -> None:
    assert made(LEAF.pem * 2 + CHAIN + STRANGER.crt + CHAIN)["tls.crt"] == CHAIN


def test_an_authority_of_the_same_name_with_another_key_is_not_the_issuer() -> None:
    namesake = pki.issue("second", FIRST, authority=True)
    assert made(LEAF.pem + LEAF.crt + namesake.crt + SECOND.crt)["tls.crt"] == LEAF.crt + SECOND.crt


@pytest.mark.parametrize("key", [RSA.key, EDWARDS.key], ids=["RSA", "Ed25519"])
def test_an_authority_of_the_same_name_with_another_kind_of_key_is_not_the_issuer(key: pki.Key) -> None:
    namesake = pki.issue("second", FIRST, authority=True, key=key)
    assert made(LEAF.pem + namesake.crt + LEAF.crt)["tls.crt"] == LEAF.crt


def test_of_two_ways_to_a_root_the_shorter_one_is_taken() -> None:
    cross = Pair(pki.issue("root", STRANGER, authority=True, key=ROOT.key).certificate, ROOT.key)
    found = made(LEAF.pem + CHAIN + cross.crt + ROOT.crt)
    assert found == {"tls.crt": CHAIN, "tls.key": LEAF.pem, "ca.crt": ROOT.crt}


def test_of_a_renewal_what_expires_last_is_taken_in_any_order() -> None:
    later = datetime(2036, 1, 31, tzinfo=UTC)
    leaf = pki.issue("leaf.example.com", SECOND, key=LEAF.key, expires=later)
    second = pki.issue("second", FIRST, authority=True, key=SECOND.key, expires=later)
    root = pki.issue("root", authority=True, key=ROOT.key, expires=later)
    old, new = CHAIN + ROOT.crt, leaf.crt + second.crt + root.crt
    expected = {"tls.crt": leaf.crt + second.crt + FIRST.crt, "tls.key": LEAF.pem, "ca.crt": root.crt}
    assert made(LEAF.pem + old + new) == made(LEAF.pem + new + old) == expected


def test_what_an_authority_has_issued_for_a_key_comes_before_what_the_key_has_signed_for_itself() -> None:
    own = pki.issue("leaf.example.com", authority=True, key=LEAF.key, expires=datetime(2040, 1, 31, tzinfo=UTC))
    assert made(LEAF.pem + own.crt + CHAIN)["tls.crt"] == CHAIN


def test_of_two_that_expire_together_the_same_is_taken_in_any_order() -> None:
    again = pki.issue("leaf.example.com", SECOND, key=LEAF.key)
    assert made(LEAF.pem + LEAF.crt + again.crt) == made(LEAF.pem + again.crt + LEAF.crt)


def test_a_new_root_that_an_old_one_of_the_same_name_has_signed_leads_on_to_it() -> None:
    old, new = pki.issue("root", authority=True), pki.issue("root", authority=True)
    cross = pki.issue("root", old, authority=True, key=new.key)
    leaf = pki.issue("leaf.example.com", new)
    assert made(leaf.pem + leaf.crt + cross.crt + old.crt) == {
        "tls.crt": leaf.crt + cross.crt,
        "tls.key": leaf.pem,
        "ca.crt": old.crt,
    }
    assert made(leaf.pem + leaf.crt + cross.crt + old.crt + new.crt)["ca.crt"] == new.crt
    text = (cross.crt + old.crt).encode()
    assert (chains.select_part(text, "intermediate"), chains.select_part(text, "root")) == (
        cross.crt.encode(),
        old.crt.encode(),
    )


def test_a_certificate_that_is_its_own_issuer_stands_alone() -> None:
    assert made(STRANGER.pem + STRANGER.crt) == {"tls.crt": STRANGER.crt, "tls.key": STRANGER.pem}


@pytest.mark.parametrize("pair", [RSA, EDWARDS], ids=["RSA", "Ed25519"])
def test_keys_of_every_usual_kind_fit(pair: Pair) -> None:
    assert made(pair.pem + pair.crt) == {"tls.crt": pair.crt, "tls.key": pair.pem}


@pytest.mark.parametrize("pair", [LEAF, RSA], ids=["EC", "RSA"])
def test_a_key_arrives_as_it_was(pair: Pair) -> None:
    text = f"Bag Attributes\n    friendlyName: me\n{pair.traditional}\n{pair.crt}"
    assert made(text)["tls.key"] == pair.traditional


@pytest.mark.parametrize("kind", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key_is_opened(kind: PrivateFormat) -> None:
    text = LEAF.encrypted(kind) + CHAIN
    assert made(text, PASSWORD) == {"tls.crt": CHAIN, "tls.key": LEAF.pem}
    assert refused(lambda: made(text)) == "the private key is encrypted: give its password to secret.tls, as password"
    assert refused(lambda: made(text, "canary-wrong")) == "the private key cannot be opened with that password"


@pytest.mark.parametrize("password", [PASSWORD, None], ids=["password", "no password"])
@pytest.mark.parametrize("encode", [bytes, base64.b64encode, base64.encodebytes], ids=["binary", "base64", "lines"])
def test_a_pkcs12_file_is_opened(password: str | None, encode: Callable[[bytes], bytes]) -> None:
    more = (ROOT.certificate, FIRST.certificate, SECOND.certificate)
    found = made(encode(LEAF.pkcs12(*more, password=password)), password)
    assert found == {"tls.crt": CHAIN, "tls.key": LEAF.pem, "ca.crt": ROOT.crt}


def test_a_pkcs12_file_that_does_not_open_says_what_it_needs() -> None:
    assert refused(lambda: made(LEAF.pkcs12())) == "no PKCS#12, or it has a password"
    assert refused(lambda: made(LEAF.pkcs12(), "canary-x")) == "no PKCS#12, or that password does not open it"
    assert refused(lambda: made(b"\x30canary")) == "no PKCS#12, or it has a password"


def test_a_pkcs12_file_of_certificates_alone_has_no_key() -> None:
    kept = pkcs12.serialize_key_and_certificates(None, None, None, [ROOT.certificate], NoEncryption())
    assert refused(lambda: made(kept)) == "no private keys in it; a TLS Secret has one"


def test_pem_may_be_base64_once_more() -> None:
    assert made(base64.b64encode((LEAF.pem + CHAIN).encode()))["tls.crt"] == CHAIN


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("canary12", "neither PEM nor PKCS#12"),  # base64 of something
        ("canary!", "neither PEM nor PKCS#12"),
        (CHAIN, "no private keys in it; a TLS Secret has one"),
        (LEAF.pem + STRANGER.pem + CHAIN, "2 private keys in it; a TLS Secret has one"),
        (LEAF.pem, "no certificate in it"),
        (STRANGER.pem + CHAIN, "the private key does not fit the certificate: they are not of one pair"),
        (
            LEAF.pem + "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----",
            "a certificate in it cannot be read",
        ),
        ("-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----", "the private key cannot be read"),
    ],
)
def test_what_makes_no_tls_secret_says_why(text: str, said: str) -> None:
    assert refused(lambda: made(text)) == said


def test_what_holds_a_key_shows_nothing_of_it() -> None:
    found = certificates.open_bundle((LEAF.pem + CHAIN).encode(), None)
    assert (repr(found), repr(chains.build_chain(found))) == ("Bundle(…)", "Chain(…)")


@pytest.mark.parametrize(
    ("part", "expected"),
    [("leaf", LEAF.crt + STRANGER.crt), ("intermediate", SECOND.crt + FIRST.crt), ("root", ROOT.crt)],
)
def test_parts_of_a_chain_are_told_apart(part: str, expected: str) -> None:
    assert chains.select_part((CHAIN + ROOT.crt + STRANGER.crt).encode(), part).decode() == expected


def test_a_certificate_without_constraints_is_a_leaf() -> None:
    plain = (
        x509.CertificateBuilder()
        .subject_name(LEAF.certificate.subject)
        .issuer_name(LEAF.certificate.issuer)
        .public_key(LEAF.key.public_key())
        .serial_number(1)
        .not_valid_before(LEAF.certificate.not_valid_before_utc)
        .not_valid_after(pki.EXPIRES)
        .sign(RSA.key, RSA.certificate.signature_hash_algorithm)  # type: ignore[arg-type]  # that of any would do
        .public_bytes(Encoding.PEM)
    )
    assert chains.select_part(plain, "leaf") == plain


def test_there_is_no_other_part_of_a_chain() -> None:
    assert refused(lambda: chains.select_part(b"", "stem")) == "parts of a chain are leaf, intermediate and root"


def test_all_certificates_of_a_bundle_are_put_in_order() -> None:
    for parts, expected in (
        (LEAF.pem + ROOT.crt + FIRST.crt + SECOND.crt + LEAF.crt, CHAIN + ROOT.crt),
        (LEAF.pem + LEAF.crt, LEAF.crt),
    ):
        found = chains.build_chain(certificates.open_bundle(parts.encode(), None))
        assert found.pem.decode() == expected


# Chains by names, signatures and key identifiers


def _unsigned(pair: Pair) -> str:
    return pki.replace_der(pair.certificate, pki.UNKNOWN_SIGNATURE)


def test_a_root_signed_by_an_unknown_algorithm_is_the_root_by_its_name() -> None:
    for identified in (True, False):
        root = pki.issue("root", authority=True, identified=identified)
        leaf = pki.issue("leaf.example.com", root, identified=identified)
        assert made(leaf.pem + _unsigned(root) + leaf.crt)["ca.crt"] == _anew(_unsigned(root))


def test_a_chain_of_unknown_algorithms_goes_by_key_identifiers() -> None:
    root, other = (pki.issue("root", authority=True, identified=True) for _ in range(2))
    leaf = pki.issue("leaf.example.com", root, identified=True)
    expected = {"tls.crt": _anew(_unsigned(leaf)), "tls.key": leaf.pem, "ca.crt": root.crt}
    for authorities in (root.crt + other.crt, other.crt + root.crt):
        assert made(leaf.pem + _unsigned(leaf) + authorities) == expected


def _anew(text: str) -> str:
    return certificates.encode_pem(certificates.parse_certificates(parse_blocks(text.encode()))).decode()


def test_names_are_compared_whatever_their_case_and_encoding() -> None:
    root = pki.issue("root", authority=True, identified=True)
    leaf = pki.issue("leaf.example.com", root, identified=True)
    printable = pki.replace_der(leaf.certificate, ("0c04726f6f74", "1304526f6f74"))
    assert made(leaf.pem + printable + root.crt)["ca.crt"] == root.crt


def test_no_pem_has_no_parts_of_a_chain() -> None:
    assert refused(lambda: chains.select_part(b"canary", "leaf")) == "no PEM in it"


def test_the_certificates_of_a_file_of_pkcs7_are_counted_too() -> None:
    many = pkcs7.serialize_certificates([LEAF.certificate] * 501, Encoding.PEM)
    said = refused(lambda: certificates.open_bundle(many, None))
    assert said == "501 certificates in it, and 500 is the most"
