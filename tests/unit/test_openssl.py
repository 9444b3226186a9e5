"""Whatever the order and form of keys and certificates: OpenSSL reads what is written, and verifies its chain."""

import base64
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7, pkcs12
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.delivery.desired import Desired
from keyferry.errors import SourceUnusable
from tests import openssl
from tests.unit import pki
from tests.unit.forms import READ_BY_ALL, READ_BY_NONE, encode
from tests.unit.pki import CHAIN, FIRST, LEAF, PASSWORD, SECOND, STRANGER, Pair
from tests.unit.test_tls import by_data, desired, texts

DEPTH = 5
KEYS: Sequence[Sequence[pki.Key]] = [
    (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    )
    for _ in range(DEPTH)
]
"""A key of each usual kind for the leaf, and for each authority above it."""
FORMS = dict(READ_BY_ALL) | {name: change for name, (change, _) in READ_BY_NONE.items()}
FORMS_OF_HEADERS = [name for name in FORMS if name not in ("no space at all", "one long line of base64")]
"""Forms in which the headers of an encrypted key can still be told from its base64."""
KEY_TEMPLATES = ("{{ db.bundle | filter_pem('PRIVATE KEY') }}", f"{{{{ db.store | pkcs12_key('{PASSWORD}') }}}}")
LEGACY = (
    PrivateFormat.PKCS12.encryption_builder()
    .kdf_rounds(2048)
    .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
    .hmac_hash(hashes.SHA1())  # noqa: S303  # as Java before 8u301 writes it
    .build(PASSWORD.encode())
)


@dataclass(frozen=True)
class Material:
    """A chain: the leaf first, the root last; and the certificates that a source has, in any order."""

    chain: list[Pair]
    kept: list[Pair]

    @property
    def leaf(self) -> Pair:
        return self.chain[0]

    @property
    def expected(self) -> dict[str, str]:
        """The certificates that a Secret has of it."""
        *served, root = [pair for pair in self.chain if pair in self.kept]
        if root != self.chain[-1]:
            return {"tls.crt": "".join(pair.crt for pair in (*served, root))}
        return {"tls.crt": "".join(pair.crt for pair in served), "ca.crt": root.crt}


@st.composite
def materials(draw: st.DrawFn) -> Material:
    """Draw a chain of random kinds of keys, of which a source may lack the root, and what else the source has."""
    chain: list[Pair] = []
    identified = draw(st.booleans())
    for depth in range(draw(st.integers(1, DEPTH - 1)), -1, -1):
        name = f"authority {depth}" if depth else "leaf.example.com"
        key = draw(st.sampled_from(KEYS[depth]))
        chain.insert(0, pki.issue(name, *chain[:1], authority=depth > 0, key=key, identified=identified))
    leaf, *authorities = chain if draw(st.booleans()) else chain[:-1]
    more = [STRANGER, pki.issue("authority 1", authority=True), *authorities]
    if chain[-1] in authorities:
        more.append(_cross_sign(chain[-1]))
    return Material(chain, draw(st.permutations([leaf, *authorities, *draw(st.lists(st.sampled_from(more)))])))


def _cross_sign(root: Pair) -> Pair:
    """Return a root's certificate that another root has issued."""
    name = root.certificate.subject.rfc4514_string().removeprefix("CN=")
    return Pair(pki.issue(name, STRANGER, authority=True, key=root.key).certificate, root.key)


def _reform(draw: st.DrawFn, text: str) -> bytes:
    """Return a PEM text in one of the forms that people have it in, perhaps in base64."""
    form = draw(st.sampled_from(FORMS_OF_HEADERS if "ENCRYPTED" in text else list(FORMS)))
    content = encode(FORMS[form](text))
    return base64.b64encode(content) if draw(st.booleans()) else content


def _encode_key(draw: st.DrawFn, pair: Pair) -> bytes:
    """Return a private key in one of its formats."""
    if draw(st.booleans()):
        der = pair.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return base64.b64encode(der) if draw(st.booleans()) else der
    texts_of_key = [pair.pem, pair.openssh, pair.encrypted()]
    if not isinstance(pair.key, ed25519.Ed25519PrivateKey):  # which has no other format
        texts_of_key += [pair.traditional, pair.encrypted(PrivateFormat.TraditionalOpenSSL)]
    return _reform(draw, draw(st.sampled_from(texts_of_key)))


@st.composite
def stores(draw: st.DrawFn, material: Material) -> bytes:
    """Draw PKCS#12 with the key and the certificates of a chain, encrypted as it is today or as it was."""
    leaf, more = material.leaf, [pair.certificate for pair in material.kept]
    if draw(st.booleans()):
        return pkcs12.serialize_key_and_certificates(b"me", leaf.key, leaf.certificate, more, LEGACY)
    return leaf.pkcs12(*more)


@st.composite
def sources(draw: st.DrawFn, material: Material) -> dict[str, bytes]:
    """Draw the parts of `secret.tls` that hold the key and the certificates of a chain."""
    crts = [pair.crt for pair in material.kept]
    kind = draw(st.sampled_from(["bundle", "parts", "PKCS#7", "PKCS#12"]))
    if kind == "bundle":
        return {"from": _reform(draw, "".join(draw(st.permutations([*crts, material.leaf.pem]))))}
    if kind == "PKCS#12":
        store = draw(stores(material))
        return {"from": base64.b64encode(store) if draw(st.booleans()) else store}
    if kind == "PKCS#7":
        certificates = [pair.certificate for pair in material.kept]
        certificate = pkcs7.serialize_certificates(certificates, draw(st.sampled_from([Encoding.PEM, Encoding.DER])))
        return {"certificate": certificate, "key": _encode_key(draw, material.leaf)}
    parts = {"certificate": material.leaf.crt, "chain": "".join(crts)}
    return {name: _reform(draw, text) for name, text in parts.items()} | {"key": _encode_key(draw, material.leaf)}


def by_tls(parts: Mapping[str, bytes]) -> Desired:
    """Return the Secret that `secret.tls` makes of its parts, with the password of all that may be encrypted."""
    entries = {name: {"from": name} for name in parts if name != "from"} | {"password": {"value": PASSWORD}}
    return desired(
        {name.replace("from", "all"): content for name, content in parts.items()},
        tls=entries | ({"from": "all"} if "from" in parts else {}),
    )


def judge(secret: Desired) -> str:
    """Return what OpenSSL says against a Secret."""
    with tempfile.TemporaryDirectory() as folder:
        for key, content in secret.data.items():
            (Path(folder) / key).write_bytes(content.reveal())
        return openssl.judge(Path(folder))


@given(st.data(), materials())
@settings(max_examples=60)
def test_what_secret_tls_writes_is_read_and_verified(data: st.DataObject, material: Material) -> None:
    secret = by_tls(data.draw(sources(material)))
    assert judge(secret) == ""
    written = texts(secret)
    assert written.pop("tls.key").startswith("-----BEGIN ")
    assert written == material.expected


@given(materials(), st.sampled_from(list(FORMS)), st.sampled_from(list(FORMS)))
@settings(max_examples=40)
def test_what_data_writes_as_it_is_can_be_read_or_is_refused(material: Material, crt: str, key: str) -> None:
    chain = "".join(pair.crt for pair in material.chain)
    try:
        secret = by_data(crt=FORMS[crt](chain), key=FORMS[key](material.leaf.pem))
    except SourceUnusable:
        assert {crt, key} & READ_BY_NONE.keys()
    else:
        assert judge(secret) == ""


@given(st.data(), materials())
@settings(max_examples=30)
def test_what_filters_write_is_read_and_verified(data: st.DataObject, material: Material) -> None:
    chain = "".join(pair.crt for pair in material.chain)
    form = data.draw(st.sampled_from([name for name in FORMS if name != "UTF-16"]))  # JSON has text
    bundle = FORMS[form](chain + material.leaf.pem)
    store = base64.b64encode(data.draw(stores(material))).decode()
    written = {
        "tls.crt": "{{ db.bundle | filter_pem }}",
        "tls.key": data.draw(st.sampled_from(KEY_TEMPLATES)),
        "ca.crt": "{{ db.bundle | filter_cert_chain('root') }}",
    }
    keys = {key: {"template": template} for key, template in written.items()}
    secret = desired({"db": json.dumps({"bundle": bundle, "store": store})}, type="kubernetes.io/tls", data=keys)
    assert judge(secret) == ""


@pytest.mark.parametrize(
    ("crt", "said"),
    [
        (LEAF.crt, ""),
        (CHAIN, ""),
        (LEAF.crt + FIRST.crt, "certificate 1 and the next: "),
        (LEAF.crt + SECOND.crt + STRANGER.crt, "certificate 2 and the next: "),
    ],
)
def test_a_chain_without_a_root_is_verified_from_each_certificate_to_the_next(
    crt: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "tls.crt").write_text(crt)
    (tmp_path / "tls.key").write_text(LEAF.pem)
    assert openssl.judge(tmp_path).startswith(said)
    assert bool(openssl.judge(tmp_path)) is bool(said)
