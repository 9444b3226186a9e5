"""Certificates and private keys: PEM and PKCS#12 → what a TLS Secret holds.

Imported only where a mapping has them: the library behind it is large. No error of that library gets out, since its
text can quote what it read.
"""

import re
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

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_PRIVATE_KEY = "PRIVATE KEY"
_DER = b"\x30"
"""What every DER sequence, and so every PKCS#12 file, begins with."""


class UnusableCertificate(ValueError):
    """Certificates or keys that cannot be used as asked. The text holds nothing of them."""


@dataclass(frozen=True)
class Bundle:
    """The certificates and private keys of one text or file, in its order."""

    certificates: tuple[Certificate, ...] = ()
    keys: tuple[bytes, ...] = ()
    """Each as unencrypted PEM."""

    def __add__(self, other: "Bundle") -> "Bundle":
        """Return both as one."""
        return Bundle(self.certificates + other.certificates, self.keys + other.keys)

    def __repr__(self) -> str:
        return "Bundle(…)"


@dataclass(frozen=True)
class Chain:
    """A key and the certificates that lead from its own to a root."""

    key: bytes
    leaf: Certificate
    intermediates: tuple[Certificate, ...]
    root: Certificate | None
    """None where the bundle does not have it."""

    def __repr__(self) -> str:
        return "Chain(…)"

    @property
    def pem(self) -> bytes:
        """All its certificates, the root too."""
        return pem([self.leaf, *self.intermediates, *([self.root] if self.root else [])])

    @property
    def data(self) -> dict[str, bytes]:
        """The keys of a TLS Secret."""
        made = {"tls.crt": pem([self.leaf, *self.intermediates]), "tls.key": self.key}
        return made | ({} if self.root is None else {"ca.crt": pem([self.root])})


def blocks(text: bytes, kind: str) -> list[bytes]:
    """Return the PEM blocks of a kind (`PRIVATE KEY`: of any kind of private key), each with its line end."""
    fits = str.endswith if kind == _PRIVATE_KEY else str.__eq__
    return [found[0] + b"\n" for found in _BLOCK.finditer(text) if fits(found[1].decode(), kind)]


def pem(certificates: Iterable[Certificate]) -> bytes:
    """Return certificates as PEM."""
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


def certificates(text: bytes) -> tuple[Certificate, ...]:
    """Return the certificates of a PEM text.

    Raises:
        UnusableCertificate: one of them cannot be read.
    """
    try:
        return tuple(x509.load_pem_x509_certificate(block) for block in blocks(text, "CERTIFICATE"))
    except Exception:
        raise UnusableCertificate("a certificate in it cannot be read") from None


def open_bundle(content: bytes, password: bytes | None) -> Bundle:
    """Return what a PEM text or a PKCS#12 file holds; either may be base64 once more.

    Args:
        content: the text or the file.
        password: of an encrypted key, or of the file.

    Raises:
        UnusableCertificate: it is neither, or the password does not open it. The text holds nothing of it.
    """
    for each in (content, _unwrapped(content)):
        if b"-----BEGIN " in each:
            return Bundle(certificates(each), tuple(_open_key(key, password) for key in blocks(each, _PRIVATE_KEY)))
        if each.startswith(_DER):
            return open_pkcs12(each, password)
    raise UnusableCertificate("neither PEM nor PKCS#12")


def _unwrapped(content: bytes) -> bytes:
    """Return what is base64; nothing where it is none."""
    try:
        return decode(content.strip(), "base64")
    except ValueError:
        return b""


def open_pkcs12(content: bytes, password: bytes | None) -> Bundle:
    """Return what a PKCS#12 file holds.

    Raises:
        UnusableCertificate: it is none, or the password does not open it.
    """
    try:
        try:
            found = pkcs12.load_pkcs12(content, password or None)
        except ValueError:
            found = pkcs12.load_pkcs12(content, password or b"")  # some tools write no password so
    except Exception:
        told = "that password does not open it" if password else "it has a password"
        raise UnusableCertificate(f"no PKCS#12, or {told}") from None
    every = [each.certificate for each in (found.cert, *found.additional_certs) if each is not None]
    return Bundle(tuple(every), () if found.key is None else (_pkcs8(found.key),))


def chain(bundle: Bundle) -> Chain:
    """Return the key of a bundle, the certificate that it fits, and those that lead from it to a root.

    Certificates that are there twice or lead nowhere are left out. Of two with the same key, as a renewal leaves them,
    that which expires last is taken, in whatever order they are.

    Raises:
        UnusableCertificate: there is no key, or more than one, or it fits no certificate.
    """
    keys = tuple(dict.fromkeys(bundle.keys))
    if len(keys) != 1:
        raise UnusableCertificate(f"{len(keys) or 'no'} private keys in it; a TLS Secret has one")
    if not bundle.certificates:
        raise UnusableCertificate("no certificate in it")
    own = [each for each in bundle.certificates if _belongs(each, keys[0])]
    if not own:
        raise UnusableCertificate("the private key does not fit the certificate: they are not of one pair")
    leaf = _latest(own)
    return Chain(keys[0], leaf, *_path(leaf, bundle.certificates))


def fits(certificate: bytes, key: bytes) -> bool | None:
    """Return whether a private key fits the first certificate of a PEM text; None where one of them cannot be read."""
    try:
        first = certificates(certificate)[0]
        own = _open_key(blocks(key, _PRIVATE_KEY)[0], None)
    except (UnusableCertificate, IndexError):
        return None
    return _belongs(first, own)


def expiry(certificate: bytes) -> datetime | None:
    """Return when the first certificate of a PEM text expires; None where it cannot be read."""
    try:
        return certificates(certificate)[0].not_valid_after_utc
    except (UnusableCertificate, IndexError):
        return None


def part(text: bytes, kind: str) -> bytes:
    """Return the certificates of a PEM text that are a part of a chain, as External Secrets' `filterCertChain` does.

    Args:
        text: the PEM text.
        kind: `leaf` (of no authority), `intermediate` (of one, issued by another), or `root` (issued by itself).

    Raises:
        UnusableCertificate: a certificate cannot be read, or a chain has no such part.
    """
    if kind not in ("leaf", "intermediate", "root"):
        raise UnusableCertificate("parts of a chain are leaf, intermediate and root")
    return pem(each for each in certificates(text) if _part_of(each) == kind)


def _open_key(block: bytes, password: bytes | None) -> bytes:
    """Return a private key unencrypted: the PEM as it is where it was so, PKCS#8 otherwise."""
    encrypted = block.startswith(b"-----BEGIN ENCRYPTED ") or b"Proc-Type: 4,ENCRYPTED" in block
    if encrypted and not password:
        raise UnusableCertificate("the private key is encrypted: give its password")
    try:
        found = load_pem_private_key(block, password if encrypted else None)
    except Exception:
        told = "opened with that password" if encrypted else "read"
        raise UnusableCertificate(f"the private key cannot be {told}") from None
    return _pkcs8(found) if encrypted else block


def _pkcs8(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _belongs(certificate: Certificate, key: bytes) -> bool:
    """Return whether a certificate is that of a private key (unencrypted PEM)."""
    public = load_pem_private_key(key, None).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == public
    except Exception:  # of a kind that the library does not know
        return False


def _path(leaf: Certificate, known: Sequence[Certificate]) -> tuple[tuple[Certificate, ...], Certificate | None]:
    """Return the intermediates in order, and the root."""
    path: list[Certificate] = []
    last = leaf
    while not _is_root(last):
        left = [each for each in known if each != leaf and each not in path]
        issuers = [each for each in left if _issued(each, last)]
        if not issuers:
            return tuple(path), None
        last = _latest([each for each in issuers if _is_root(each)] or issuers)
        path.append(last)
    return (tuple(path[:-1]), last) if path else ((), None)


def _issued(issuer: Certificate, certificate: Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # another name, another key, or an algorithm that the library does not know
        return False
    return True


def _is_root(certificate: Certificate) -> bool:
    # By its signature: a root that an older one of the same name has signed leads on to that.
    return _issued(certificate, certificate)


def _latest(known: Iterable[Certificate]) -> Certificate:
    """Return the certificate that expires last."""
    return max(known, key=lambda each: (each.not_valid_after_utc, each.public_bytes(Encoding.DER)))


def _part_of(certificate: Certificate) -> str:
    try:
        authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        authority = False
    if not authority:
        return "leaf"
    return "root" if _is_root(certificate) else "intermediate"
