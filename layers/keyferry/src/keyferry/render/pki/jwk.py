"""Read JSON Web Keys (RFC 7517, 7518, 8037): of RSA, elliptic curves, and Edwards curves.

As in `certificates`, errors of the library never leave this module.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import cast

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x448, x25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keyferry.render.pki.pem import UnusableCertificate, write_pem
from keyferry.render.pki.private_keys import encode_key

type _Jwk = Mapping[str, object]

_CURVES: Mapping[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
    "secp256k1": ec.SECP256K1(),
}
_EDWARDS: Mapping[str, tuple[Callable[[bytes], PrivateKeyTypes], Callable[[bytes], PublicKeyTypes]]] = {
    "Ed25519": (ed25519.Ed25519PrivateKey.from_private_bytes, ed25519.Ed25519PublicKey.from_public_bytes),
    "Ed448": (ed448.Ed448PrivateKey.from_private_bytes, ed448.Ed448PublicKey.from_public_bytes),
    "X25519": (x25519.X25519PrivateKey.from_private_bytes, x25519.X25519PublicKey.from_public_bytes),
    "X448": (x448.X448PrivateKey.from_private_bytes, x448.X448PublicKey.from_public_bytes),
}
_MAX_LENGTH = 684
"""The longest number of a key, in characters of base64url: RSA of 4,096 bits, which is checked for a second."""


def convert_private_key(jwk: object) -> bytes:
    """Return the private key of a JWK as PEM (PKCS#8).

    Raises:
        UnusableCertificate: it is no JWK, or has no private key.
    """
    return encode_key(cast(PrivateKeyTypes, _load(jwk, private=True)))


def convert_public_key(jwk: object) -> bytes:
    """Return the public key of a JWK as PEM.

    Raises:
        UnusableCertificate: it is no JWK of a key pair.
    """
    key = cast(PublicKeyTypes, _load(jwk, private=False))
    return write_pem("PUBLIC KEY", key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _load(jwk: object, *, private: bool) -> PrivateKeyTypes | PublicKeyTypes:
    if not isinstance(jwk, Mapping) or "kty" not in jwk:
        keys = jwk.get("keys") if isinstance(jwk, Mapping) else None
        way = ": it is a set of keys, of which keys[0] is the first" if isinstance(keys, list) else ", which has kty"
        raise UnusableCertificate(f"no JSON Web Key{way}")
    readers = {"RSA": _read_rsa, "EC": _read_ec, "OKP": _read_edwards}
    if jwk["kty"] not in readers:
        raise UnusableCertificate("the kty of a key pair is RSA, EC or OKP")
    if private and "d" not in jwk:
        raise UnusableCertificate("the key is a public one: it has no d")
    try:
        return readers[str(jwk["kty"])](jwk, private)
    except UnusableCertificate:
        raise
    except Exception:
        raise UnusableCertificate("the key cannot be read") from None


def _read_rsa(jwk: _Jwk, private: bool) -> PrivateKeyTypes | PublicKeyTypes:
    public = rsa.RSAPublicNumbers(_get_number(jwk, "e"), _get_number(jwk, "n"))
    if not private:
        return public.public_key()
    d = _get_number(jwk, "d")
    p, q = (
        (_get_number(jwk, "p"), _get_number(jwk, "q"))
        if "p" in jwk
        else rsa.rsa_recover_prime_factors(public.n, public.e, d)
    )
    dmp1, dmq1, iqmp = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, dmp1, dmq1, iqmp, public).private_key()


def _read_ec(jwk: _Jwk, private: bool) -> PrivateKeyTypes | PublicKeyTypes:
    curve = _CURVES.get(str(jwk.get("crv")))
    if curve is None:
        raise UnusableCertificate(f"the crv of an EC key is {', '.join(_CURVES)}")
    public = ec.EllipticCurvePublicNumbers(_get_number(jwk, "x"), _get_number(jwk, "y"), curve)
    return (
        ec.EllipticCurvePrivateNumbers(_get_number(jwk, "d"), public).private_key() if private else public.public_key()
    )


def _read_edwards(jwk: _Jwk, private: bool) -> PrivateKeyTypes | PublicKeyTypes:
    if jwk.get("crv") not in _EDWARDS:
        raise UnusableCertificate(f"the crv of an OKP key is {', '.join(_EDWARDS)}")
    read_private, read_public = _EDWARDS[str(jwk["crv"])]
    return read_private(_get_bytes(jwk, "d")) if private else read_public(_get_bytes(jwk, "x"))


def _get_number(jwk: _Jwk, name: str) -> int:
    return int.from_bytes(_get_bytes(jwk, name))


def _get_bytes(jwk: _Jwk, name: str) -> bytes:
    text = jwk.get(name)
    if not isinstance(text, str) or len(text) > _MAX_LENGTH:
        raise UnusableCertificate(f"its {name} is missing, too long, or no text")
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise UnusableCertificate(f"its {name} is not in base64url") from None
