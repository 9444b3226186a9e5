"""Certificates and keys for tests: a root, intermediates, leaves, and the forms in which they are kept."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

type Key = (
    ec.EllipticCurvePrivateKey
    | rsa.RSAPrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | dsa.DSAPrivateKey
)

PASSWORD = "canary-storepass"
EXPIRES = datetime(2035, 1, 31, tzinfo=UTC)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def crt(self) -> str:
        """The certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def pem(self) -> str:
        """The key as PEM (PKCS#8)."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def traditional(self) -> str:
        """The key as PEM of its own kind: EC PRIVATE KEY, RSA PRIVATE KEY."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()

    @property
    def openssh(self) -> str:
        """The key in OpenSSH's own format."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def public(self) -> str:
        """The public key as PEM."""
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def encrypted(self, kind: PrivateFormat = PrivateFormat.PKCS8) -> str:
        """Return the key as PEM, encrypted."""
        return self.key.private_bytes(Encoding.PEM, kind, BestAvailableEncryption(PASSWORD.encode())).decode()

    def pkcs12(self, *more: x509.Certificate, password: str | None = PASSWORD) -> bytes:
        """Return certificate and key, and more certificates, as PKCS#12."""
        encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        return pkcs12.serialize_key_and_certificates(b"me", self.key, self.certificate, more, encryption)


def issue(
    name: str,
    by: Pair | None = None,
    *,
    authority: bool = False,
    key: Key | None = None,
    begins: datetime = datetime(2020, 1, 1, tzinfo=UTC),
    expires: datetime = EXPIRES,
    identified: bool = False,
    names: Sequence[x509.GeneralName] = (),
) -> Pair:
    """Return a new pair, issued by another or by itself; with key identifiers where it is to be identified."""
    own = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signing = by.key if by else own
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(expires)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if identified:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        builder = builder.add_extension(identifier, critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    algorithm = None if isinstance(signing, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else hashes.SHA256()
    return Pair(builder.sign(signing, algorithm), own)


ROOT = issue("root", authority=True)
FIRST = issue("first", ROOT, authority=True)
SECOND = issue("second", FIRST, authority=True)
LEAF = issue("leaf.example.com", SECOND)
STRANGER = issue("stranger.example.com")
RSA = issue("rsa.example.com", SECOND, key=rsa.generate_private_key(65537, 2048))
EDWARDS = issue("ed25519.example.com", SECOND, key=ed25519.Ed25519PrivateKey.generate())
CHAIN = LEAF.crt + SECOND.crt + FIRST.crt


def replace_der(certificate: x509.Certificate, *replacements: tuple[str, str]) -> str:
    """Return a certificate as PEM in which parts of its DER, in hexadecimal, are replaced by others of their length."""
    content = certificate.public_bytes(Encoding.DER)
    for old, new in replacements:
        content = content.replace(bytes.fromhex(old), bytes.fromhex(new))
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(content).decode()}-----END CERTIFICATE-----\n"


UNKNOWN_KEY = ("06072a8648ce3d0201", "06072a8648ce3d0209")
"""The kind of an elliptic key → one that there is not."""
UNKNOWN_SIGNATURE = ("06082a8648ce3d040302", "06082a8648ce3d040309")
"""The algorithm of a signature → one that there is not."""
