"""Read certificates and private keys from PEM and PKCS#12, and build what a TLS Secret holds.

This module is imported only for mappings that have certificates, since the library behind it is large. Errors of that
library never leave this module, since their messages can quote the content.
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509 import Certificate

from keyferry.formats.encodings import decode
from keyferry.render.key_derivation import MAX_ROUNDS, is_costly
from keyferry.render.pem import PRIVATE_KEY, extract_blocks

MAX_CERTIFICATES = 50
"""How many certificates a bundle may have: each is compared with the others. A chain has three or four."""
MAX_LISTED = 500
"""How many certificates one text may have; the authorities that browsers trust are about 150."""
_DER_SEQUENCE = b"\x30"
"""The first byte of every DER sequence, and so of every PKCS#12 file."""


class UnusableCertificate(ValueError):
    """Certificates or keys cannot be used as requested. The message quotes nothing of them."""


@dataclass(frozen=True)
class Bundle:
    """The certificates and private keys of one text or file, in their order."""

    certificates: tuple[Certificate, ...] = ()
    keys: tuple[bytes, ...] = ()
    """The private keys, as unencrypted PEM."""

    def __add__(self, other: "Bundle") -> "Bundle":
        """Return both bundles as one."""
        return Bundle(self.certificates + other.certificates, self.keys + other.keys)

    def __repr__(self) -> str:
        return "Bundle(…)"


@dataclass(frozen=True)
class Chain:
    """A private key, its certificate, and the certificates that lead from that to a root."""

    key: bytes
    """The private key, as unencrypted PEM."""
    leaf: Certificate
    intermediates: tuple[Certificate, ...]
    root: Certificate | None
    """The root; None if the bundle does not contain it."""

    def __repr__(self) -> str:
        return "Chain(…)"

    @property
    def pem(self) -> bytes:
        """All certificates, including the root."""
        return encode_pem([self.leaf, *self.intermediates, *([self.root] if self.root else [])])

    @property
    def data(self) -> dict[str, bytes]:
        """The data of a TLS Secret."""
        data = {"tls.crt": encode_pem([self.leaf, *self.intermediates]), "tls.key": self.key}
        return data | ({} if self.root is None else {"ca.crt": encode_pem([self.root])})


def encode_pem(certificates: Iterable[Certificate]) -> bytes:
    """Return certificates as a PEM text."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def parse_certificates(text: bytes) -> tuple[Certificate, ...]:
    """Return the certificates of a PEM text.

    Raises:
        UnusableCertificate: one of them cannot be parsed, or there are too many.
    """
    blocks = extract_blocks(text, "CERTIFICATE")
    if len(blocks) > MAX_LISTED:
        raise UnusableCertificate(f"{len(blocks):,} certificates in it, and {MAX_LISTED} is the most")
    try:
        return tuple(x509.load_pem_x509_certificate(block) for block in blocks)
    except Exception:
        raise UnusableCertificate("a certificate in it cannot be read") from None


def open_bundle(content: bytes, password: bytes | None) -> Bundle:
    """Return the certificates and keys of a PEM text or a PKCS#12 file. Either can be encoded as base64.

    Args:
        content: the text or the file.
        password: the password of an encrypted key, or of the file.

    Raises:
        UnusableCertificate: the content is neither, or the password is wrong.
    """
    for decoded in (content, _decode_base64(content)):
        if b"-----BEGIN " in decoded:
            blocks = extract_blocks(decoded, PRIVATE_KEY)
            return Bundle(parse_certificates(decoded), tuple(_decrypt_key(block, password) for block in blocks))
        if decoded.startswith(_DER_SEQUENCE):
            return open_pkcs12(decoded, password)
    raise UnusableCertificate("neither PEM nor PKCS#12")


def _decode_base64(content: bytes) -> bytes:
    """Return the decoded content; nothing if it is not base64."""
    try:
        return decode(content.strip(), "base64")
    except ValueError:
        return b""


def open_pkcs12(content: bytes, password: bytes | None) -> Bundle:
    """Return the certificates and the key of a PKCS#12 file.

    Raises:
        UnusableCertificate: the content is not PKCS#12, the password is wrong, or it is hashed too often.
    """
    _check_rounds(content)
    try:
        try:
            file = pkcs12.load_pkcs12(content, password or None)
        except ValueError:
            file = pkcs12.load_pkcs12(content, password or b"")  # some tools write an empty password instead of none
    except Exception:
        reason = "that password does not open it" if password else "it has a password"
        raise UnusableCertificate(f"no PKCS#12, or {reason}") from None
    entries = (file.cert, *file.additional_certs)
    certificates = tuple(entry.certificate for entry in entries if entry is not None)
    return Bundle(certificates, () if file.key is None else (_encode_pkcs8(file.key),))


def build_chain(bundle: Bundle) -> Chain:
    """Return the private key of a bundle with its certificate, and the certificates that lead from that to a root.

    The order of the bundle does not matter. Certificates that occur twice or lead nowhere are left out. Where several
    have the same key, as after a renewal, the one that expires last is used.

    Raises:
        UnusableCertificate: the bundle has no private key or several, no certificate, or none for its key.
    """
    keys = tuple(dict.fromkeys(bundle.keys))
    if len(keys) != 1:
        raise UnusableCertificate(f"{len(keys) or 'no'} private keys in it; a TLS Secret has one")
    if not bundle.certificates:
        raise UnusableCertificate("no certificate in it")
    if len(bundle.certificates) > MAX_CERTIFICATES:
        raise UnusableCertificate(
            f"{len(bundle.certificates):,} certificates in it, and {MAX_CERTIFICATES} is the most"
        )
    public = _get_public_key(keys[0])
    leaves = [certificate for certificate in bundle.certificates if _has_public_key(certificate, public)]
    if not leaves:
        raise UnusableCertificate("the private key does not fit the certificate: they are not of one pair")
    leaf = _select_latest(leaves)
    return Chain(keys[0], leaf, *_select_issuers(leaf, bundle.certificates))


def is_key_pair(certificate: bytes, key: bytes) -> bool | None:
    """Return whether a private key belongs to a certificate; None if one of them cannot be parsed.

    Args:
        certificate: a PEM text, whose first certificate counts.
        key: a PEM text, whose first private key counts.
    """
    try:
        first_certificate = parse_certificates(certificate)[0]
        first_key = _decrypt_key(extract_blocks(key, PRIVATE_KEY)[0], None)
    except (UnusableCertificate, IndexError):
        return None
    return _has_public_key(first_certificate, _get_public_key(first_key))


def get_expiry(text: bytes) -> datetime | None:
    """Return when the first certificate of a PEM text expires; None if it cannot be parsed."""
    try:
        return parse_certificates(text)[0].not_valid_after_utc
    except (UnusableCertificate, IndexError):
        return None


def select_part(text: bytes, part: str) -> bytes:
    """Return some certificates of a PEM text, as External Secrets' `filterCertChain` selects them.

    Args:
        text: the PEM text.
        part: `leaf` (not of an authority), `intermediate` (of an authority, issued by another) or `root` (issued by
            itself).

    Raises:
        UnusableCertificate: a certificate cannot be parsed, or `part` has another value.
    """
    if part not in ("leaf", "intermediate", "root"):
        raise UnusableCertificate("parts of a chain are leaf, intermediate and root")
    return encode_pem(certificate for certificate in parse_certificates(text) if _get_part(certificate) == part)


def _decrypt_key(block: bytes, password: bytes | None) -> bytes:
    """Return the PEM block of a private key: as it is if it is unencrypted, otherwise decrypted, as PKCS#8."""
    is_encrypted = block.startswith(b"-----BEGIN ENCRYPTED ") or b"Proc-Type: 4,ENCRYPTED" in block
    if is_encrypted and not password:
        raise UnusableCertificate("the private key is encrypted: give its password")
    if is_encrypted:
        lines = [line for line in block.splitlines() if not line.startswith(b"-----") and b":" not in line]
        _check_rounds(base64.b64decode(b"".join(lines) + b"=="))
    try:
        key = load_pem_private_key(block, password if is_encrypted else None)
    except Exception:
        reason = "opened with that password" if is_encrypted else "read"
        raise UnusableCertificate(f"the private key cannot be {reason}") from None
    return _encode_pkcs8(key) if is_encrypted else block


def _encode_pkcs8(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _check_rounds(content: bytes) -> None:
    if is_costly(content):
        raise UnusableCertificate(
            f"its password is hashed more than {MAX_ROUNDS:,} times: encrypt it again with fewer iterations"
        )


def _get_public_key(key: bytes) -> bytes:
    """Return the public key of a private key, which is unencrypted PEM."""
    private = load_pem_private_key(key, None)
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _has_public_key(certificate: Certificate, public: bytes) -> bool:
    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == public
    except Exception:  # a type of key that the library does not know
        return False


def _select_issuers(
    leaf: Certificate, candidates: Sequence[Certificate]
) -> tuple[tuple[Certificate, ...], Certificate | None]:
    """Return the intermediate certificates, in order, and the root; None for a root that is missing."""
    issuers: list[Certificate] = []
    last = leaf
    while not _is_root(last):
        unused = [candidate for candidate in candidates if candidate != leaf and candidate not in issuers]
        matches = [candidate for candidate in unused if _has_issued(candidate, last)]
        if not matches:
            return tuple(issuers), None
        last = _select_latest([match for match in matches if _is_root(match)] or matches)
        issuers.append(last)
    return (tuple(issuers[:-1]), last) if issuers else ((), None)


def _has_issued(issuer: Certificate, certificate: Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # another name or key, or an algorithm that the library does not know
        return False
    return True


def _is_root(certificate: Certificate) -> bool:
    # The signature decides, not the name: an older root of the same name can have signed a newer one.
    return _has_issued(certificate, certificate)


def _select_latest(certificates: Iterable[Certificate]) -> Certificate:
    """Return the certificate that expires last."""
    # Two can expire at the same time: the same one has to be selected every time.
    return max(
        certificates, key=lambda certificate: (certificate.not_valid_after_utc, certificate.public_bytes(Encoding.DER))
    )


def _get_part(certificate: Certificate) -> str:
    """Return `leaf`, `intermediate` or `root`."""
    try:
        is_authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    if not is_authority:
        return "leaf"
    return "root" if _is_root(certificate) else "intermediate"
