"""The certificates of one control plane, below an authority that is made like an EKS cluster's.

That authority has no subject key identifier and what it signs has no authority key identifier. Python's default TLS
context refuses such a chain since 3.13, on the local cloud as on EKS, so a client that works here works there.
"""

import ipaddress
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = timedelta(days=365)
_SKEW = timedelta(minutes=5)

_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True)
class Authority:
    """A cluster's certificate authority."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def pem(self) -> bytes:
        """The authority's certificate, which clients need."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def authority() -> Authority:
    """Make a cluster's authority: RSA, named `kubernetes`, without key identifiers."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = _name("kubernetes")
    builder = _builder(name, name, key)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return Authority(builder.sign(key, hashes.SHA256()), key)


def serving(issuer: Authority) -> Pair:
    """Make the API server's own certificate, for loopback."""
    loopback = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    names = x509.SubjectAlternativeName(loopback)
    return _signed(issuer, _name("kube-apiserver"), ExtendedKeyUsageOID.SERVER_AUTH, names)


def client(issuer: Authority, user: str, group: str = "") -> Pair:
    """Make a certificate that signs in as this user, in this group."""
    return _signed(issuer, _name(user, group), ExtendedKeyUsageOID.CLIENT_AUTH)


def signing_key() -> bytes:
    """Make the key that signs service account tokens."""
    return _pem(ec.generate_private_key(ec.SECP256R1()))


def trusting(authority: str | None) -> ssl.SSLContext:
    """Make the TLS settings of a client that trusts this authority (PEM), or those of the system where it is None."""
    context = ssl.create_default_context(cadata=authority)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # refuses an authority without key identifiers
    return context


def write(path: Path, content: bytes) -> Path:
    """Write a file that only its owner can read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    return path


def _signed(
    issuer: Authority,
    subject: x509.Name,
    purpose: x509.ObjectIdentifier,
    names: x509.SubjectAlternativeName | None = None,
) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(subject, issuer.certificate.subject, key)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    certificate = builder.sign(issuer.key, hashes.SHA256())
    return Pair(certificate.public_bytes(serialization.Encoding.PEM), _pem(key))


def _builder(subject: x509.Name, issuer: x509.Name, key: _Key) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - _SKEW).not_valid_after(now + _LIFETIME)


def _name(user: str, group: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=signs_certificates,  # as an EKS authority has it
        key_cert_sign=signs_certificates,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: _Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
