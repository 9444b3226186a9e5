"""JSON Web Keys become PEM, alone and out of a set; what is none is told without a value."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.unit.pki import EDWARDS, LEAF, RSA, Pair, issue
from tests.unit.test_filters import filled, refused


def _number(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8)).rstrip(b"=").decode()


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def jwk(pair: Pair) -> dict[str, Any]:
    """Return a pair's key as a JWK."""
    key = pair.key
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        public = numbers.public_numbers
        return {
            "kty": "RSA",
            **{name: _number(getattr(public, name)) for name in "en"},
            **{name: _number(getattr(numbers, name)) for name in "dpq"},
        }
    if isinstance(key, ec.EllipticCurvePrivateKey):
        private = key.private_numbers()
        public_numbers = private.public_numbers
        return {
            "kty": "EC",
            "crv": "P-256",
            "x": _number(public_numbers.x),
            "y": _number(public_numbers.y),
            "d": _number(private.private_value),
        }
    assert isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    return {
        "kty": "OKP",
        "crv": type(key).__name__.strip("_").removesuffix("PrivateKey"),
        "x": _text(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
        "d": _text(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())),
    }


PAIRS = [LEAF, RSA, EDWARDS, issue("me", key=ed448.Ed448PrivateKey.generate())]


@pytest.mark.parametrize("pair", PAIRS, ids=["EC", "RSA", "Ed25519", "Ed448"])
def test_a_key_becomes_pem(pair: Pair) -> None:
    document = json.dumps(jwk(pair))
    assert filled("{{ db | jwk_private_key_pem }}", document) == pair.pem
    assert filled("{{ db | jwk_public_key_pem }}", document) == pair.public
    as_text = json.dumps({"key": document})
    assert filled("{{ db.key | jwk_private_key_pem }}", as_text) == pair.pem
    public = {name: text for name, text in jwk(pair).items() if name not in "dpq"}
    assert filled("{{ db['keys'][0] | jwk_public_key_pem }}", json.dumps({"keys": [public]})) == pair.public


def test_a_key_of_rsa_without_its_primes_becomes_pem() -> None:
    short = {name: text for name, text in jwk(RSA).items() if name not in "pq"}
    written = filled("{{ db | jwk_private_key_pem }}", json.dumps(short))
    assert filled("{{ db.k | pem }}", json.dumps({"k": written})) == written
    assert len(written) == len(RSA.pem)


def test_certificates_beside_a_key_become_pem() -> None:
    document = json.dumps({"x5c": [base64.b64encode(LEAF.der).decode()]})
    template = (
        "{% for c in db.x5c %}{{ ('-----BEGIN CERTIFICATE-----' ~ c ~ '-----END CERTIFICATE-----') | pem }}{% endfor %}"
    )
    assert filled(template, document) == LEAF.crt


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kty": "oct"}, "the kty of a key pair is RSA, EC or OKP"),
        ({"d": None}, "its d is missing, too long, or no text"),
        ({"d": "canary!"}, "its d is not in base64url"),
        ({"d": "AAAA"}, "the key cannot be read"),
        ({"d": "A" * 5000}, "its d is missing, too long, or no text"),
        ({"crv": "P-1"}, "the crv of an EC key is P-256, P-384, P-521, secp256k1"),
        ({"kty": "OKP"}, "the crv of an OKP key is Ed25519, Ed448, X25519, X448"),
    ],
)
def test_a_key_that_is_none_is_told(change: dict[str, Any], said: str) -> None:
    assert refused("{{ db | jwk_private_key_pem }}", json.dumps(jwk(LEAF) | change)).endswith(
        f"jwk_private_key_pem: {said}"
    )


def test_what_has_no_private_key_is_told() -> None:
    public = {name: text for name, text in jwk(LEAF).items() if name != "d"}
    said = refused("{{ db | jwk_private_key_pem }}", json.dumps(public))
    assert said.endswith("jwk_private_key_pem: the key is a public one: it has no d")
    said = refused("{{ db | jwk_public_key_pem }}", json.dumps({"keys": [public]}))
    assert said.endswith("jwk_public_key_pem: no JSON Web Key: it is a set of keys, of which keys[0] is the first")
    assert refused("{{ db.a | jwk_public_key_pem }}", '{"a": "[1]"}').endswith("no JSON Web Key, which has kty")


def test_a_few_keys_of_rsa_are_the_most_that_one_secret_may_convert() -> None:
    document = json.dumps(jwk(RSA))
    assert filled("{% for i in range(2) %}{{ db | jwk_public_key_pem }}{% endfor %}", document)
    said = refused("{% for i in range(3) %}{{ db | jwk_public_key_pem }}{% endfor %}", document)
    assert "computes too much" in said
    assert "jwk_public_key_pem" in said
