"""What Go refuses in a certificate that OpenSSL reads; `make test-go` compares some of it with Go itself."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from keyferry.model import SecretValue
from keyferry.render.contents import get_facts
from keyferry.render.pki.certificates import parse_certificates
from keyferry.render.pki.go_rules import describe_refusal, is_uri
from keyferry.render.pki.pem import parse_blocks
from tests import openssl
from tests.unit import pki
from tests.unit.pki import LEAF, ROOT
from tests.unit.test_tls import by_data, by_tls

NOW = datetime(2026, 11, 25, tzinfo=UTC)
SAID = {
    "negative serial number": "a negative serial number",
    "URI that is none": "a URI that is none among its subject alternative names",
    "critical key identifier": "a subject key identifier that is marked critical",
}
IDENTIFIED = pki.issue("me", identified=True).certificate


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("http://a/b c", True),
        ("spiffe://x/y", True),
        ("spiffe://a:80/x", True),
        ("http://a:/", True),
        ("http://a_b", True),
        ("http://user:pass%20word@a/", True),
        ("http://a?%zz", True),
        ("http://[::1]:80/", True),
        ("file:///a b", True),
        ("///a", True),
        ("foo", True),
        ("", True),
        ("urn:a b", True),
        ("a:%zz", True),
        ("mailto:%zz@x", True),
        ("http://a b", False),
        ("http://a{b", False),
        ("http://a:x/", False),
        ("http://a%zz/", False),
        ("http://a%41/", False),
        ("http://a/%zz", False),
        ("http://a#%zz", False),
        ("http://[::1/", False),
        ("http://u ser@a/", False),
        ("http://u%zz@a/", False),
        ("http://a..b/", False),
        ("http://a./", False),
        ("http://é/", False),
        ("http://a/\n", False),
        (":foo", False),
        ("1a:b", False),
        ("a b:c", False),
        ("a%zz", False),
    ],
)
def test_a_uri_is_what_go_takes_for_one(text: str, *, taken: bool) -> None:
    assert is_uri(text) is taken


@pytest.mark.parametrize("fault", openssl.REFUSED_BY_GO)
def test_what_go_does_not_take_is_delivered_and_noted(fault: str, tmp_path: Path) -> None:
    crt, key = openssl.issue(tmp_path, *openssl.READ_BY_ALL, request=openssl.REFUSED_BY_GO[fault])
    note = f"certificate 1 in tls.crt has {SAID[fault]}, which programs in Go do not take: have it issued anew"
    for secret in (by_data(crt=crt, key=key), by_tls(crt, key)):
        assert note in secret.list_notes(NOW)
    left_out = f"certificate 2 in ca.crt has {SAID[fault]}, so programs in Go leave it out"
    assert left_out in by_data(crt=LEAF.crt, key=LEAF.pem, ca=ROOT.crt + crt).list_notes(NOW)


def test_nothing_is_said_beside_the_notes(tmp_path: Path) -> None:
    crt, _ = openssl.issue(tmp_path, *openssl.READ_BY_ALL, request=openssl.REFUSED_BY_GO["negative serial number"])
    program = (
        "import sys; from keyferry.render.pki import certificates, go_rules;"
        "bundle = certificates.open_bundle(sys.stdin.buffer.read(), None);"
        "print(*map(go_rules.describe_refusal, bundle.certificates))"
    )
    ran = subprocess.run([sys.executable, "-c", program], input=crt, capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("a negative serial number\n", "")


@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        (LEAF.crt, ""),
        (pki.replace_der(IDENTIFIED, ("0603551d0e", "0603551d23")), "an extension twice"),
        (pki.replace_der(IDENTIFIED, ("0603551d13", "0603551d0f")), ""),
        (pki.issue("me", names=[x509.UniformResourceIdentifier("spiffe://a/b"), x509.DNSName("a.b")]).crt, ""),
        (
            pki.replace_der(pki.issue("me", names=[x509.DNSName("aaaa.b")]).certificate, ("61616161", "c3a96161")),
            "a name that is not ASCII among its subject alternative names",
        ),
    ],
)
def test_a_certificate_is_judged_as_go_does(certificate: str, said: str) -> None:
    [parsed] = parse_certificates(parse_blocks(certificate.encode()))
    assert describe_refusal(parsed) == said


def test_authorities_that_others_wrote_and_nobody_reads_are_passed_over() -> None:
    for text in (b"-----BEGIN CERTIFICATE-----", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        facts = get_facts("kubernetes.io/tls", {"tls.crt": SecretValue(LEAF.crt.encode()), "ca.crt": SecretValue(text)})
        assert len(facts.describe(NOW)) == 1
