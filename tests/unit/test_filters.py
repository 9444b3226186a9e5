"""The filters of templates make the same of the same, and say what they cannot do without a value."""

import base64
import json
import os
import re
import subprocess
import sys
from itertools import islice
from typing import Any

import bcrypt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.budget import Budget
from keyferry.errors import SourceUnusable
from keyferry.formats import jsontext, yamltext
from keyferry.model import SourceValue
from keyferry.render import passwords
from keyferry.render import templates as template
from keyferry.render.templates import list_variables
from tests.unit.pki import CHAIN, FIRST, LEAF, PASSWORD, ROOT, SECOND, STRANGER
from tests.unit.samples import mapping, rendered, value


def filled(
    template: str, db: str | bytes = "{}", /, called: str = "payments-db", key: str = "key", **more: SourceValue
) -> str:
    """Return what a template makes of a source."""
    sources = {"db": value(db)} | more
    data = {key: {"template": template}}
    wanted = mapping(called, sources={alias: {"secretsManager": alias} for alias in sources}, data=data)
    return rendered(wanted, sources)[key].reveal().decode()


def refused(template: str, db: str | bytes = "{}") -> str:
    with pytest.raises(SourceUnusable) as raised:
        filled(template, db)
    assert "canary" not in str(raised.value)
    return str(raised.value).removeprefix("mapping payments-db, key key: ")


# JSON and YAML


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ (db.json | fromjson).a[0] }}", "1.50"),
        ("{{ db.json | fromjson | tojson }}", '{"a":[1.50,true,null]}'),
        ("{{ db.json | fromjson | toyaml }}", "a:\n- 1.50\n- true\n- null"),
        ("{{ (db.yaml | fromyaml).a.b }}", "1.50"),
        ("{{ db.yaml | fromyaml | tojson }}", '{"a":{"b":1.50,"c":"no","d":"12:30"},"e":["2026-01-01",null]}'),
        ("{{ db.lines | toyaml }}", "|-\n  a\n  b"),
        ("{{ {'z': db.n, 'a': db.lines} | toyaml }}", "z: 12345678901234567890\na: |-\n  a\n  b"),
    ],
)
def test_documents_in_documents_are_read_and_written(template: str, expected: str) -> None:
    db = {
        "json": '{"a": [1.50, true, null]}',
        "yaml": "a: {b: 1.50, c: no, d: 12:30}\ne:\n- 2026-01-01\n- ~\n",
        "lines": "a\nb",
        "n": 12345678901234567890,
    }
    assert filled(template, json.dumps(db)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [{"x": "y", "z": []}, {}]}, "b: 1\na:\n- x: 'y'\n  z: []\n- {}"),
        ("text", "text"),
        ("", "''"),
        (["yes", "1e5", "0o14", "2026-01-01", "1.50", "~", "null", "-"], None),
        ({"last": "-----BEGIN\nline\n"}, None),
        ({"last": "and so on..."}, None),
        ({"t": "end \nx", "l": " lead", "e": "a\n\n", "u": "ü😀", "tab": "a\tb"}, None),
        ([None, True, False, 0, -0.0, 1e300], None),
        ("x" * 200 + " " + "y" * 200, "x" * 200 + " " + "y" * 200),
    ],
)
def test_yaml_says_what_the_document_says(value: object, expected: str | None) -> None:
    written = yamltext.text(value)
    assert expected in (None, written)
    assert yamltext.parse(written) == value


@pytest.mark.parametrize("number", ["1.50", "1e5", "1E+5", "-0.0", "-0", "0.1e-3", "12345678901234567890123", "-7"])
def test_numbers_keep_their_text_through_yaml(number: str) -> None:
    held = jsontext.parse(f'{{"a": {number}, "b": "{number}"}}'.encode())
    assert yamltext.text(held) == f"a: {number}\nb: '{number}'"
    assert jsontext.to_text(yamltext.parse(yamltext.text(held))) == f'{{"a":{number},"b":"{number}"}}'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda each: st.lists(each, max_size=4) | st.dictionaries(st.text(), each, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON)
def test_any_json_comes_through_yaml_as_it_was(content: Any) -> None:  # noqa: ANN401
    held = jsontext.parse(json.dumps(content).encode())
    assert jsontext.to_text(yamltext.parse(yamltext.text(held))) == jsontext.to_text(held)


YAML_PROBLEMS = r"line 3 is of a second document, and one is read|nested too deeply"


@pytest.mark.parametrize(
    "text",
    [
        "a: &x canary\nb: *x",
        "a: [canary",
        "1: canary",
        "!!python/object:os.system canary",
        "a: canary\n---\nb: 2",
        "a: {b: c}\nb: @canary",
        "[" * 5000,
        "\x01canary",
        "? [a]\n: canary",
    ],
)
def test_yaml_that_is_more_than_plain_data_is_refused(text: str) -> None:
    what = (
        r"not YAML in line [12](, in what begins in line 1)?; or not plain: without anchors, tags, and keys that are no"
    )
    said = refused("{{ db.y | fromyaml }}", json.dumps({"y": text}))
    assert re.fullmatch(f"line 1 of the template: fromyaml fails: ({what} text|{YAML_PROBLEMS})", said)


def test_of_a_key_that_is_there_twice_the_place_is_told() -> None:
    assert refused("{{ db.y | fromyaml }}", '{"y": "a: 1\\na: canary"}').endswith(
        "fromyaml: line 2 has a key that is there already"
    )
    assert refused("{{ db.j | fromjson }}", '{"j": "{\\"a\\": 1, \\"a\\": 2}"}').endswith(
        "fromjson: an object has a key twice, as its members 1 and 2"
    )
    assert refused("{{ db.d | fromdotenv }}", '{"d": "A=1\\nA=canary"}').endswith(
        "fromdotenv: line 2 has a name that is there already"
    )


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ 'canary' | fromjson }}", "fromjson fails: not JSON"),
        (
            "{{ '{\"a\": canary' | fromjson }}",
            "fromjson fails: not JSON: line 1, character 7: a value is missing; text is",
        ),
        ("{{ 'a: canary' | fromjson }}", "not JSON; it is text that looks like YAML, for which there is fromyaml"),
        ("{{ 'A=canary' | fromjson }}", "not JSON; it is text of lines NAME=value, for which there is fromdotenv"),
        ("{{ db.half | fromjson }}", "fromjson fails: not JSON"),
        (
            "{{ 'a: 1\nb: [canary\n' | fromyaml }}",
            "fromyaml fails: not YAML in line 3, in what begins in line 2; or not",
        ),
        ("{{ 'A=1\nB' | fromdotenv }}", "fromdotenv fails: line 2 is not NAME=value, without blanks around ="),
        ("{{ 'A=canary#1' | fromdotenv }}", "fromdotenv fails: line 1 is read in different ways by different programs"),
    ],
)
def test_what_cannot_be_read_says_where_and_what_it_is_instead(template: str, said: str) -> None:
    assert said in refused(template, '{"half": "canary\\ud800"}')


# Passwords


def test_a_password_is_hashed_so_that_it_can_be_checked() -> None:
    made = filled("{{ db.p | bcrypt(rounds=4) }}", '{"p": "canary/ü"}')
    assert made.startswith("$2b$04$")
    assert bcrypt.checkpw("canary/ü".encode(), made.encode())


def test_the_hash_is_the_same_in_every_release() -> None:
    assert (
        filled("{{ db.p | bcrypt(rounds=4) }}", '{"p": "canary"}')
        == "$2b$04$tB0DhoWYbGWfqGMk.uOS9uQa7/UOaQCD6Tzxt3ASVrMuditdQ8Y0e"
    )


def test_the_hash_is_another_for_another_version_mapping_or_key() -> None:
    template, db = "{{ db | bcrypt(4) }}", "canary"
    hashes = [
        filled(template, db),
        filled(template, db, db=value(db, "version-2")),
        filled(template, db, called="other"),
        filled(template, db, key="other"),
        *filled(f"{template} {template}", db).split(),
    ]
    assert len(set(hashes)) == 5
    assert hashes[4] == hashes[0]  # the first of two is the same


def test_the_hash_stays_where_another_source_changes() -> None:
    first, second = (filled("{{ db | bcrypt(4) }}", "canary", tls=value("x", version)) for version in ("1", "2"))
    assert first == second


def test_the_hash_stays_where_another_region_serves_the_same_version() -> None:
    there = {"parameterStore": "/db", "failover": ["us-east-1"]}
    dates = ("3@2026-01-01T00:00:00+00:00", "3@2026-01-02T00:00:00+00:00", "4@2026-01-02T00:00:00+00:00")

    def hashed(version: str, source: dict[str, Any]) -> bytes:
        wanted = mapping(sources={"db": source}, data={"key": {"template": "{{ db | bcrypt(4) }}"}})
        return rendered(wanted, {"db": value("canary", version)})["key"].reveal()

    here, elsewhere, changed = (hashed(version, there) for version in dates)
    assert here == elsewhere != changed
    alone = {"parameterStore": "/db"}  # a parameter that is made anew counts from 1
    assert hashed(dates[0], alone) != hashed(dates[1], alone)


def test_ten_rounds_are_taken_where_none_are_given() -> None:
    assert filled("{{ db | bcrypt }}", "canary").startswith("$2b$10$")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ db.long | bcrypt }}", "bcrypt takes a password of 72 bytes at most, without a zero byte"),
        ("{{ db.zero | bcrypt }}", "bcrypt takes a password of 72 bytes at most, without a zero byte"),
        ("{{ db.p | bcrypt(db.rounds) }}", "bcrypt takes 4 to 14 rounds"),
        ("{{ db.p | bcrypt('canary') }}", "filter bcrypt: rounds is one of 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14"),
        ("{{ db.p | bcrypt(3) }}", "filter bcrypt: rounds is one of 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14"),
    ],
)
def test_a_password_that_cannot_be_hashed_says_why(template: str, said: str) -> None:
    db = json.dumps({"long": "canary-" + "x" * 66, "zero": "canary\0", "p": "canary", "rounds": 99})
    assert refused(template, db) == f"line 1 of the template: {said}"


def test_salts_are_of_sixteen_bytes_and_never_twice_the_same() -> None:
    found = list(islice(passwords.generate_salts({"where": "x"}), 50))
    assert len(set(found)) == 50
    assert {len(each) for each in found} == {16}


# Certificates

KEYSTORE = "a Java keystore (JKS): make PKCS#12 of it, by keytool -importkeystore -deststoretype PKCS12"


_RSA = rsa.generate_private_key(65537, 2048)


def _write_rsa(form: PrivateFormat) -> str:
    return _write_pem(_RSA, form)


def _write_pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, form: PrivateFormat) -> str:
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def _db() -> str:
    store = LEAF.pkcs12(ROOT.certificate, FIRST.certificate, SECOND.certificate)
    plain = LEAF.pkcs12(SECOND.certificate, password=None)
    trust = pkcs12.serialize_key_and_certificates(
        None, None, None, [STRANGER.certificate, ROOT.certificate], BestAvailableEncryption(PASSWORD.encode())
    )
    return json.dumps(
        {
            "pem": f"{LEAF.traditional}{CHAIN}{ROOT.crt}",
            "store": base64.b64encode(store).decode(),
            "plain": base64.b64encode(plain).decode(),
            "trust": base64.b64encode(trust).decode(),
            "pass": PASSWORD,
            "pkcs8": CHAIN + LEAF.pem,
            "rsa": _write_rsa(PrivateFormat.PKCS8),
            "others": LEAF.pem + _write_pem(ed25519.Ed25519PrivateKey.generate(), PrivateFormat.PKCS8),
            "encrypted": "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "long": "-----BEGIN PRIVATE KEY-----\n" + "A" * 4000 + "\n-----END PRIVATE KEY-----\n",
            "chain": CHAIN,
        }
    )


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ db.pem | filter_pem }}", CHAIN + ROOT.crt),
        ("{{ db.pem | filter_pem('EC PRIVATE KEY') }}", LEAF.traditional),
        ("{{ db.pem | filter_pem('PRIVATE KEY') }}", LEAF.traditional),
        ("{{ db.pem | pem }}", f"{LEAF.traditional}{CHAIN}{ROOT.crt}"),
        ("{{ db.pem | replace('\\n', ' ') | pem }}", f"{LEAF.traditional}{CHAIN}{ROOT.crt}"),
        ("{{ db.pem | b64encode | pem }}", f"{LEAF.traditional}{CHAIN}{ROOT.crt}"),
        ("{{ db.pem | replace('\\n', ' ') | filter_pem }}", CHAIN + ROOT.crt),
        ("{{ db.pem | replace('\\n', ' ') | filter_cert_chain }}", LEAF.crt),
        ("{{ db.pem | b64encode | filter_cert_chain }}", LEAF.crt),
        ("{{ db.pem | filter_cert_chain }}", LEAF.crt),
        ("{{ db.pem | filter_cert_chain('intermediate') }}", SECOND.crt + FIRST.crt),
        ("{{ db.pem | filter_cert_chain(part='root') }}", ROOT.crt),
        ("{{ '' | filter_cert_chain }}", ""),
        ("{{ db.pem | traditional_key }}", LEAF.traditional),
        ("{{ db.pkcs8 | traditional_key }}", LEAF.traditional),
        ("{{ db.rsa | traditional_key }}", _write_rsa(PrivateFormat.TraditionalOpenSSL)),
        ("{{ db.store | pkcs12_key(db.pass) }}", LEAF.pem),
        ("{{ db.store | b64decode | pkcs12_key(db.pass) }}", LEAF.pem),
        ("{{ db.plain | pkcs12_key }}", LEAF.pem),
        ("{{ db.store | pkcs12_cert(password=db.pass) }}", CHAIN + ROOT.crt),
        ("{{ db.trust | pkcs12_cert(db.pass) }}", STRANGER.crt + ROOT.crt),
    ],
)
def test_certificates_and_keys_are_taken_out(template: str, expected: str) -> None:
    assert filled(template, _db()) == expected


def test_a_binary_source_is_opened() -> None:
    store = LEAF.pkcs12()
    assert filled(f"{{{{ db | pkcs12_key('{PASSWORD}') }}}}", store) == LEAF.pem


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ db.pem | filter_pem('CANARY') }}", "filter_pem finds no block of that kind"),
        ("{{ db.pass | pem }}", "pem finds no PEM block: -----BEGIN …----- to -----END …-----"),
        ("{{ db.store | pem }}", "pem finds no PEM block: -----BEGIN …----- to -----END …-----"),
        ("{{ db.pass | filter_cert_chain }}", "filter_cert_chain: no PEM in it"),
        ("{{ db.chain | traditional_key }}", "traditional_key: no private key in it"),
        ("{{ db.encrypted | traditional_key }}", "traditional_key: the private key is encrypted"),
        (
            "{{ db.others | traditional_key }}",
            "traditional_key: the private key is neither of RSA nor of a curve of NIST",
        ),
        (
            "{{ db.long | traditional_key }}",
            "traditional_key: the private key is longer than one of RSA with 4,096 bits",
        ),
        ("{{ db.pass | pkcs12_key }}", "not base64: it is base64url, with - and _"),
        ("{{ db.pem | pkcs12_key }}", "PEM, and not a file: filter_pem gives its parts"),
        ("{{ 'Y2FuYXJ5' | pkcs12_key }}", "pkcs12_key: no PKCS#12"),
        ("{{ '/u3+7WNhbmFyeQ==' | pkcs12_cert }}", f"pkcs12_cert: no PKCS#12, but {KEYSTORE}"),
        ("{{ db.trust | pkcs12_key(db.pass) }}", "pkcs12_key: no private keys in it; a TLS Secret has one"),
        (
            "{{ '-----BEGIN PGP MESSAGE-----\n\nY2Fu\n=YXJ5\n-----END PGP MESSAGE-----' | pem }}",
            "pem: the block PGP MESSAGE in it is of PGP, which is no PEM: leave it as it is",
        ),
        ("{{ db.store | pkcs12_key }}", "pkcs12_key: no PKCS#12, or it has a password"),
        ("{{ db.store | pkcs12_key('canary-x') }}", "pkcs12_key: no PKCS#12, or that password does not open it"),
        ("\n{{ db.store | pkcs12_cert('canary-x') }}", "pkcs12_cert: no PKCS#12, or that password does not open it"),
        (
            "{{ db.pem | filter_cert_chain('stem') }}",
            "filter filter_cert_chain: part is one of leaf, intermediate, root",
        ),
        (
            "{{ db.pem | filter_cert_chain(db.pass) }}",
            "filter_cert_chain: parts of a chain are leaf, intermediate and root",
        ),
    ],
)
def test_what_is_not_there_or_does_not_open_says_so(template: str, said: str) -> None:
    line = template.count("\n") + 1
    assert refused(template, _db()) == f"line {line} of the template: {said}"


# What can be known before


@pytest.mark.parametrize(
    ("template", "line", "said"),
    [
        ("{{ db | b64encode(1) }}", 1, "filter b64encode: too many positional arguments"),
        ("\n{{ db | bcrypt(cost=4) }}", 2, "filter bcrypt: got an unexpected keyword argument 'cost'"),
        ("{{ db | replace('a') }}", 1, "filter replace: missing a required argument: 'new'"),
        ("{{ db | bcrypt(rounds=30) }}", 1, "filter bcrypt: rounds is one of 4"),
        ("{{ db | filter_cert_chain('stem') }}", 1, "filter filter_cert_chain: part is one of leaf"),
        ("{% if db is divisibleby %}{% endif %}", 1, "test divisibleby: missing a required argument: 'num'"),
        ("{{ 1 if db is defined(1) }}", 1, "test defined: too many positional arguments"),
        ("a\n{% if db is present %}{% endif %}", 2, "No test named 'present'. Did you mean defined?"),
        ("{% if db %}{% if db is strin %}{% endif %}{% endif %}", 1, "No test named 'strin'. Did you mean string?"),
        ("{{ 1 if db is xyzzy }}", 1, "No test named 'xyzzy'.$"),
    ],
)
def test_a_filter_or_a_test_that_is_given_what_it_does_not_take_is_known_before(
    template: str, line: int, said: str
) -> None:
    with pytest.raises(ValueError, match=f"^line {line} of the template: {said}"):
        list_variables(template)


@pytest.mark.parametrize(
    "template",
    [
        "{{ db | bcrypt(*a) }}",
        "{{ db | bcrypt(**a) }}",
        "{{ db | bcrypt(rounds=r) }}",
        "{{ db | join(',') }}",
        "{{ db | map('upper') | list }}",
        "{% if db is lower and db is in ['a'] and db is divisibleby(3) and db is callable %}{% endif %}",
        "{{ db | dictsort(true, 'key') }}",
        "{% filter upper %}x{% endfilter %}",
        "{{ db | indent(2, first=true) }}",
        "{{ db | default('x', true) }}",
    ],
)
def test_what_cannot_be_known_before_is_let_through(template: str) -> None:
    assert list_variables(template).keys() <= {"db", "a", "r"}


def test_a_name_has_the_line_that_uses_it_first() -> None:
    assert list_variables("{{ a }}\n{{ b }}{% set c = 1 %}{{ c }}\n{{ b ~ a }}") == {"a": 1, "b": 2}


def test_a_template_is_read_once() -> None:
    text = "{{ read.once }}"
    assert list_variables(text) is list_variables(text)
    before = template._compile.cache_info()
    for content in ("1", "2"):
        assert template.fill(text, {"read": {"once": content}}, "here", Budget()) == content
    after = template._compile.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (1, 1)
    assert after.maxsize is not None


# The same, always

_RENDER = """
import json, sys
from tests.unit.samples import mapping, rendered, value
data, db = json.load(sys.stdin)
found = rendered(mapping(data=data), {"db": value(db)})
json.dump({key: content.reveal().hex() for key, content in found.items()}, sys.stdout)
"""


def test_another_process_makes_the_same_bytes() -> None:
    db = json.loads(_db()) | {"b": 1, "a": [1, {"z": 1, "c": 2}]}
    templates = {
        "hash": "{{ db.pass | bcrypt(4) }}{{ db.pass | bcrypt(4) }}",
        "yaml": "{{ db.a | toyaml }}",
        "json": "{{ {'x': db.a, 'y': 1} | tojson }}",
        "key": "{{ db.store | pkcs12_key(db.pass) }}",
        "certificates": "{{ db.store | pkcs12_cert(db.pass) }}",
        "unique": "{% for x in ['b', 'a', 'b'] | unique %}{{ x }}{% endfor %}",
    }
    data = {key: {"template": template} for key, template in templates.items()}
    asked = json.dumps([data, json.dumps(db)])
    here = {
        key: found.reveal().hex() for key, found in rendered(mapping(data=data), {"db": value(json.dumps(db))}).items()
    }
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(
            [sys.executable, "-c", _RENDER], input=asked, env=environment, capture_output=True, text=True, check=True
        )
        assert json.loads(done.stdout) == here


@settings(deadline=None, max_examples=50)
@given(
    st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), JSON, max_size=5),
    st.sampled_from(["toyaml", "tojson"]),
)
def test_the_same_values_make_the_same_bytes(content: dict[str, Any], how: str) -> None:
    template = f"{{{{ db | {how} }}}}{{{{ 'x' | bcrypt(4) }}}}"
    text = json.dumps(content)
    try:
        first = filled(template, text)
    except SourceUnusable as error:  # half a character
        assert "half a character" in str(error)
        return
    assert filled(template, text) == first
