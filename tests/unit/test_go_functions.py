"""The filter `go` makes what Go's functions make, where tests/unit/migrate/go_templates.yaml has no case of it."""

import base64
import json
from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat, pkcs12

from keyferry.budget import Budget
from keyferry.errors import SourceUnusable
from keyferry.model import SecretValue
from keyferry.render import templates
from keyferry.render.go.function import FUNCTIONS, KINDS
from keyferry.render.render import render_metadata
from keyferry.render.templates import InvalidTemplate, list_variables
from tests.unit.pki import PASSWORD, Pair, issue, replace_der
from tests.unit.samples import PLACE, mapping

ROOT = issue("root", authority=True, identified=True)
MIDDLE = issue("middle", ROOT, authority=True, identified=True)
NAMES = (
    x509.DNSName("a.test"),
    x509.IPAddress(ip_address("10.0.0.1")),
    x509.IPAddress(ip_address("2001:db8::1")),
    x509.RFC822Name("me@a.test"),
    x509.UniformResourceIdentifier("spiffe://a/b"),
)
LEAF = issue("leaf", MIDDLE, identified=True, names=NAMES)
STRANGER = issue("stranger", identified=True)
PLAIN = issue("plain")
RSA = issue("rsa", key=rsa.generate_private_key(65537, 2048))
CROSSED = tuple(issue(name, identified=True) for name in ("one", "two"))
CHAIN = ROOT.crt + LEAF.crt + MIDDLE.crt
"""In no order."""


def fill(template: str, db: object) -> str:
    """Return what a template makes of a value."""
    return templates.fill(template, {"db": db}, "here", Budget())


def refuse(template: str, db: object = "canary") -> str:
    """Return why a template makes nothing of a value."""
    with pytest.raises(SourceUnusable) as raised:
        fill(template, db)
    assert "canary" not in str(raised.value)
    return str(raised.value).removeprefix("here: line 1 of the template: ")


def encode(pair: Pair, others: Sequence[Pair] = (), password: str | None = PASSWORD) -> SecretValue:
    """Return a PKCS#12 file."""
    return SecretValue(pair.pkcs12(*(other.certificate for other in others), password=password))


def write_jwk(pair: Pair, *, private: bool) -> str:
    """Return the key of a pair as a JSON Web Key."""
    numbers = pair.key.private_numbers()  # type: ignore[union-attr]
    public = numbers.public_numbers
    parts = {"x": public.x, "y": public.y} | ({"d": numbers.private_value} if private else {})  # type: ignore[union-attr]
    encoded = {name: base64.urlsafe_b64encode(part.to_bytes(32)).rstrip(b"=").decode() for name, part in parts.items()}
    return json.dumps({"kty": "EC", "crv": "P-256"} | encoded)


def test_the_table_has_known_types_alone() -> None:
    used = {kind for each in FUNCTIONS.values() for kind in (*each.parameters, each.rest, each.result)}
    assert used <= KINDS | {"", "unordered"}


@pytest.mark.parametrize(
    ("part", "expected"), [("leaf", LEAF.crt), ("intermediate", MIDDLE.crt), ("root", ROOT.crt), ("stem", "")]
)
def test_a_part_of_a_chain_is_found_by_the_identifiers_of_keys(part: str, expected: str) -> None:
    assert fill(f"{{{{ db | go('filterCertChain', '{part}') }}}}", CHAIN) == expected


def test_the_first_of_a_chain_is_its_leaf_even_where_it_is_an_authority() -> None:
    assert fill("{{ db | go('filterCertChain', 'leaf') }}", MIDDLE.crt + ROOT.crt) == MIDDLE.crt
    assert fill("{{ db | go('filterCertChain', 'leaf') }}", ROOT.crt) == ""
    assert fill("{{ db | go('filterCertChain', 'root') }}", MIDDLE.crt + LEAF.crt) == ""
    assert fill("{{ db | go('filterCertChain', 'root') }}", PLAIN.crt) == PLAIN.crt


@pytest.mark.parametrize(
    ("pem", "said"),
    [
        (CHAIN + STRANGER.crt, "several chains, or none"),
        (PLAIN.crt + RSA.crt, "no certificate that has issued no other"),
        (LEAF.pem, "a certificate that cannot be read"),
        (replace_der(issue("x", names=[x509.DNSName("a.test")]).certificate, ("612e74657374", "612e7465c3a9")), "Go"),
        ("canary", "there is no PEM, or a part of it that Go reads otherwise"),
        (CHAIN.replace("\n", " "), "Go reads otherwise"),
        (CHAIN[:-40], "filterCertChain: "),
    ],
)
def test_what_is_no_chain_is_refused(pem: str, said: str) -> None:
    assert said in refuse("{{ db | go('filterCertChain', 'leaf') }}", pem)


def test_certificates_that_have_issued_each_other_are_refused() -> None:
    one, two = (pair.key.public_key() for pair in CROSSED)
    first = _issue_by_identifiers(own=one, issuer=two)
    second = _issue_by_identifiers(own=two, issuer=one)
    child = _issue_by_identifiers(own=LEAF.key.public_key(), issuer=one)
    said = refuse("{{ db | go('filterCertChain', 'leaf') }}", first + second + child)
    assert said.endswith("certificates that have issued each other")


def _issue_by_identifiers(*, own: object, issuer: object) -> str:
    """Return a certificate with the identifiers of two public keys."""
    base = issue("x").certificate
    builder = x509.CertificateBuilder(base.issuer, base.subject, own, 1)  # type: ignore[arg-type]
    builder = builder.not_valid_before(base.not_valid_before_utc).not_valid_after(base.not_valid_after_utc)
    identifier = x509.SubjectKeyIdentifier.from_public_key(own)  # type: ignore[arg-type]
    builder = builder.add_extension(identifier, critical=False)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer)  # type: ignore[arg-type]
    builder = builder.add_extension(authority, critical=False)
    signed = builder.sign(CROSSED[0].key, hashes.SHA256())
    return Pair(signed, CROSSED[0].key).crt


def test_blocks_are_taken_by_their_label() -> None:
    both = LEAF.pem + LEAF.crt
    assert fill("{{ db | go('filterPEM', 'certificate') }}", both) == LEAF.crt
    assert fill("{{ db | go('filterPEM', 'PRIVATE KEY') }}", both) == LEAF.pem
    assert fill("{{ db | go('filterPEM', 'X') }}", both) == ""
    assert refuse("{{ db | go('filterPEM', 'X') }}", both + "junk").endswith("something behind the others")
    assert "headers" in refuse("{{ db | go('filterPEM', 'X') }}", RSA.encrypted(PrivateFormat.TraditionalOpenSSL))


def test_the_names_of_the_first_certificate_are_listed() -> None:
    listed = "a.test,10.0.0.1,2001:db8::1,me@a.test,spiffe://a/b"
    assert fill("{{ db | go('certSANs') | go('join', ',') }}", LEAF.crt + ROOT.crt) == listed
    assert fill("{{ db | go('certSANs') | go('len') }}", ROOT.crt) == "0"
    assert refuse("{{ db | go('certSANs') | go('len') }}", LEAF.pem).endswith("the first block is no certificate")
    mapped = issue("m", names=[x509.IPAddress(ip_address("::ffff:10.0.0.1"))])
    assert "IPv4" in refuse("{{ db | go('certSANs') | go('len') }}", mapped.crt)


def test_a_pkcs12_file_is_opened() -> None:
    locked = {"file": encode(LEAF, (ROOT, MIDDLE)), "plain": encode(LEAF, password=None), "pass": PASSWORD}
    assert fill("{{ db.file | go('pkcs12keyPass', db.pass) }}", locked) == LEAF.pem
    assert fill("{{ db.file | go('pkcs12certPass', db.pass) }}", locked) == LEAF.crt + MIDDLE.crt + ROOT.crt
    assert fill("{{ db.plain | go('pkcs12key') }}{{ db.plain | go('pkcs12cert') }}", locked) == LEAF.pem + LEAF.crt


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("canary", "it gets no PKCS#12 file; one in base64 needs b64dec first"),
        (SecretValue(b"\xff\xfecanary"), "pkcs12certPass: "),
        (encode(LEAF, (STRANGER,)), "several chains, or none"),
        (encode(LEAF, (LEAF,)), "there are several certificates of one key in it"),
    ],
)
def test_what_is_no_pkcs12_file_of_one_chain_is_refused(content: object, said: str) -> None:
    assert said in refuse(f"{{{{ db | go('pkcs12certPass', '{PASSWORD}') }}}}", content)


def test_a_trust_store_has_no_certificate_of_a_key() -> None:
    store = pkcs12.serialize_key_and_certificates(None, None, None, [ROOT.certificate], NoEncryption())
    assert refuse("{{ db | go('pkcs12cert') }}", SecretValue(store)).endswith("there is not one private key in it")


def test_json_web_keys_become_pem() -> None:
    assert fill("{{ db | go('jwkPrivateKeyPem') }}", write_jwk(LEAF, private=True)) == LEAF.pem
    assert fill("{{ db | go('jwkPublicKeyPem') }}", write_jwk(LEAF, private=False)) == LEAF.public
    assert "private key" in refuse("{{ db | go('jwkPublicKeyPem') }}", write_jwk(LEAF, private=True))
    assert refuse("{{ db | go('jwkPublicKeyPem') }}").endswith("it gets what is not JSON")
    assert "no JSON Web Key" in refuse("{{ db | go('jwkPrivateKeyPem') }}", "{}")


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [
        ("SHA1", hashes.SHA1()),  # noqa: S303  # some still have it
        ("SHA256", hashes.SHA256()),
        ("SHA512", hashes.SHA512()),
    ],
)
def test_rsa_oaep_is_decrypted(name: str, algorithm: hashes.HashAlgorithm) -> None:
    scheme = padding.OAEP(padding.MGF1(algorithm), algorithm, None)
    content = SecretValue(RSA.key.public_key().encrypt(b"opened", scheme))  # type: ignore[union-attr]
    said = f"{{{{ db.key | go('rsaDecrypt', 'RSA-OAEP', '{name}', db.content) }}}}"
    assert fill(said, {"key": RSA.pem, "content": content}) == "opened"
    other = "SHA1" if name != "SHA1" else "SHA256"
    assert refuse(said.replace(name, other), {"key": RSA.pem, "content": content}).endswith("the key does not open it")


def test_other_schemes_and_keys_do_not_decrypt() -> None:
    assert fill("{{ 'k' | go('rsaDecrypt', 'None', '', db) }}", "text") == "text"
    assert "schemes" in refuse("{{ 'k' | go('rsaDecrypt', 'X', '', db) }}")
    assert refuse("{{ db | go('rsaDecrypt', 'RSA-OAEP', '', 'x') }}", LEAF.pem).endswith("the key is none of RSA")


def test_a_line_of_passwords_has_sha1_alone() -> None:
    assert fill("{{ db | go('htpasswd', 'p', 'sha') }}", "u") == "u:{SHA}UWuXg/ylF+7L0dBk2i0WUxCxl1k="
    assert "sha alone" in refuse("{{ db | go('htpasswd', 'p', 'sha') }}", "u:v")
    assert "sha alone" in refuse("{{ db | go('htpasswd', 'p', 'bcrypt') }}", "u")


@pytest.mark.parametrize(
    ("template", "db", "said"),
    [
        ("{{ db.x | go('trim') }}", {}, "db has no key x"),
        ("{{ db.upper | go('trim') }}", "x", ""),
        ("{{ db | go('trim', 'y') }}", "x", "trim takes 1 values"),
        ("{{ db | go('trunc') }}", "x", "trunc takes 2 values"),
        ("{{ db | go('trim') }}", 5, "trim takes a value of Go's type string"),
        ("{{ db | go('trim') }}", SecretValue(b"\xff"), "trim takes no binary value"),
        ("{{ db | go('set', 'a', 1) }}", {"b": 1}, "set takes a value of Go's type map"),
        ("{{ 'x' | go('until') }}", "x", "until takes a value of Go's type int"),
        ("{{ 1 | go(db) }}", "canary", "go knows no such function"),
        ("{{ db | go('keys') | go('len') }}", {"a": 1}, "keys takes a value of Go's type map"),
    ],
)
def test_what_a_function_does_not_take_is_refused(template: str, db: object, said: str) -> None:
    assert said in refuse(template, db)


def test_a_function_that_there_is_not_is_refused_before_a_template_is_filled() -> None:
    with pytest.raises(InvalidTemplate, match="function is one of"):
        list_variables("{{ db | go('take') }}")


def test_maps_of_sources_are_never_changed() -> None:
    db = {"a": {"b": 1}}
    assert fill("{{ db | go('toJson') }}{% set _ = 'a' | go('dict', 1) | go('set', 'b', 2) %}", db) == '{"a":{"b":1}}'
    refuse("{{ db.a | go('unset', 'b') }}", db)
    assert db == {"a": {"b": 1}}


@pytest.mark.parametrize(
    "template",
    [
        "{{ 1000000000 | go('until') }}",
        "{{ 'x' | go('repeat', 1000000000) }}",
        "{{ 'x' | go('indent', 1000000000) }}",
        "{{ '%1000000000d' | go('printf', 1) }}",
        "{{ ('a' * 100000) | go('replace', 'a', 'b' * 1000) }}",
        "{{ 1000000000 | go('seq') }}",
        "{% for _ in range(200) %}{{ ('a' * 50000) | go('toJson') }}{% endfor %}",
        "{% for _ in range(200) %}{{ ('a' * 50000) | go('regexMatch', '(a|b)*c') }}{% endfor %}",
    ],
)
def test_no_function_computes_beyond_the_budget(template: str) -> None:
    with pytest.raises(SourceUnusable, match="computes too much"):
        fill(template, "x")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ [1, 'a'] | go('kindOf') }} {{ db | go('kindOf') }}", "slice string"),
        ("{{ '' | go('toYaml') }}", '""'),
        ("{{ none | go('each') | length }}", "0"),
        ("{{ '%v' | go('printf', 1.5e300) }}", "1.5e+300"),
        ("{{ 1 | go('seq', 2, 3, 4) }}", ""),
        ("{{ [none] | go('compact') | go('text') }}", "[]"),
        ("{{ '%05.1f|%5v' | go('printf', 'inf' | float, 'nan' | float) }}", " +Inf|  NaN"),
        ("{{ '%-5.0f|% f' | go('printf', '-inf' | float, 'inf' | float) }}", "-Inf | Inf"),
        ("{{ '%*d' | go('printf') }}{{ '' | go('decryptAES', 'k') }}", "%!(BADWIDTH)%!d(MISSING)"),
        ("{{ 3 | go('add', 4) | go('each') | go('text') }}", "[0 1 2 3 4 5 6]"),
    ],
)
def test_values_of_jinja_are_taken_as_those_of_go(template: str, expected: str) -> None:
    assert fill(template, "x") == expected


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ ('inf' | float) | go('toJson') }}", "infinite"),
        ("{{ ('inf' | float) | go('toYaml') }}", "infinite"),
        ("{{ ('[' * 103 + ']' * 103) | fromjson | go('toJson') }}", "nested more than 100 times"),
        ("{{ ('[' * 103 + ']' * 103) | fromjson | go('toYaml') }}", "nested more than 100 times"),
        ("{{ ('[' * 200000) | go('fromJson') }}", "nested too deeply"),
        ("{{ range(3) | go('int') }}", "it takes a number or a text"),
        ("{{ range(3) | go('text') }}", "binary"),
        ("{{ 'https://h/%e9%' | go('urlParse') }}", "a percent sign of the URL without two digits"),
        ("{{ 'https://h/%e9' | go('urlParse') }}", "escaped what is no text"),
        ("{{ 'https://[::1]/' | go('urlParse') }}", "no plain name with a port"),
        ("{{ ':x' | go('urlParse') }}", "no scheme before its colon"),
        ("{{ 'https://u<@h/' | go('urlParse') }}", "signs that Go takes for none"),
        ("{{ ('[' * 60000) | go('mustFromJson') }}", "nested too deeply"),
        ("{{ 'a' | go('dig', 'b') }}", "a default and a map"),
        ("{{ 'a\ufffd' | go('snakecase') }}", "no sign for a character that is none"),
        ("{{ '%p' | go('printf', 1) }}", "no %p here"),
        ("{{ '%#v' | go('printf', [1]) }}", "no list or map by %#v"),
        ("{{ '%101d' | go('printf', [1]) }}", "to a width of 100 alone"),
        ("{{ '%1000001d' | go('printf', 1) }}", "no width and no precision above 1000000"),
        ("{{ '%x' | go('printf', 1.5) }}", "in decimal digits alone"),
        ("{{ {'a': [1] | go('typeOf')} }}", "the type of a list"),
        ("{{ '!' | go('decryptAES', 'k') }}", "not base64"),
        ("{{ 'aGVsbG8=' | go('decryptAES', 'k') }}", "no whole blocks"),
        ("{{ ('x' * 32) | go('b64enc') | go('decryptAES', 'k') }}", "the password does not open it"),
        ("{{ '1' | go('semverCompare', '1 - 2 || 3 - 4') }}", "one range of versions"),
        ("{{ ('1' * 300) | go('semverCompare', '1') }}", "200 characters at most"),
        ("{{ 'b: 1' | go('textOf', 'a', ['a']) }}", "makes other keys"),
        ("{{ '[' | go('textOf', 'a', ['a']) }}", "not YAML of keys"),
    ],
)
def test_what_go_would_make_otherwise_is_refused(template: str, said: str) -> None:
    assert said in refuse(template)


def test_numbers_that_are_not_finite_are_written_as_in_go() -> None:
    assert fill("{{ [('inf' | float), ('-inf' | float), ('nan' | float)] | go('text') }}", "") == "[+Inf -Inf NaN]"


def test_an_annotation_is_no_place_for_a_binary_value() -> None:
    template = "{{ '/w==' | go('b64dec') }}"
    secret = {"name": "db", "data": {"a": {"from": "db"}}, "annotations": {"example.com/note": {"template": template}}}
    wanted = mapping(secret=secret)
    with pytest.raises(SourceUnusable, match="the template writes a binary value, and this is text"):
        render_metadata(wanted, PLACE, {})
