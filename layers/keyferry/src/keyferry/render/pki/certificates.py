"""Read certificates and private keys from PEM, DER, PKCS#7 and PKCS#12.

This module is imported only for mappings that have certificates, since the library behind it is large. Errors of that
library never leave this module, since their messages can quote the content.
"""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key, pkcs7, pkcs12
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509 import Certificate

from keyferry.render.pki.pem import (
    CERTIFICATE,
    Block,
    UnusableCertificate,
    decode_base64,
    describe_cut,
    describe_unknown,
    measure_der,
    parse_blocks,
    write_pem,
)
from keyferry.render.pki.private_keys import check_rounds, describe_password, encode_key, open_key

MAX_CERTIFICATES = 50
"""How many certificates a bundle may have: each is compared with the others. A chain has three or four."""
MAX_LISTED = 500
"""How many certificates one text may have; the authorities that browsers trust are about 150."""
_PKCS7 = ("PKCS7", "CMS", "PKCS #7 SIGNED DATA")
_DER_SEQUENCE = b"\x30"
"""The first byte of every DER sequence, and so of every certificate, key and PKCS#12 file."""
_PARAMETERS = ("EC PARAMETERS",)
"""Blocks that say nothing that the key beside them does not say."""


@dataclass(frozen=True)
class Bundle:
    """The certificates and private keys of one text or file, in their order."""

    certificates: tuple[Certificate, ...] = ()
    keys: tuple[bytes, ...] = ()
    """The private keys, as unencrypted PEM."""
    others: tuple[str, ...] = ()
    """The labels of PEM blocks that hold neither, such as `DH PARAMETERS`."""

    def __add__(self, other: "Bundle") -> "Bundle":
        """Return both bundles as one."""
        return Bundle(self.certificates + other.certificates, self.keys + other.keys, self.others + other.others)

    def __repr__(self) -> str:
        return "Bundle(…)"


@contextmanager
def without_warnings() -> Iterator[None]:
    """Let the library say nothing of what it will not read one day: what others do not read is noted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        yield


def encode_pem(certificates: Iterable[Certificate]) -> bytes:
    """Return certificates as a PEM text."""
    return b"".join(write_pem(CERTIFICATE, certificate.public_bytes(Encoding.DER)) for certificate in certificates)


def parse_certificates(blocks: Iterable[Block]) -> tuple[Certificate, ...]:
    """Return the certificates of PEM blocks; those of PKCS#7 too.

    Raises:
        UnusableCertificate: one of them cannot be parsed, or there are too many.
    """
    wanted = [block for block in blocks if block.label in (CERTIFICATE, *_PKCS7)]
    if len(wanted) > MAX_LISTED:
        raise UnusableCertificate(f"{len(wanted):,} certificates in it, and {MAX_LISTED} is the most")
    certificates: list[Certificate] = []
    for block in wanted:
        content = block.content
        try:
            certificates += [parse_certificate(content)] if block.label == CERTIFICATE else _parse_pkcs7(content)
        except Exception:
            raise UnusableCertificate(f"a certificate in it cannot be read{describe_cut(content)}") from None
    if len(certificates) > MAX_LISTED:
        raise UnusableCertificate(f"{len(certificates):,} certificates in it, and {MAX_LISTED} is the most")
    return tuple(certificates)


@without_warnings()
def parse_certificate(content: bytes) -> Certificate:
    """Return the certificate in DER. What OpenSSL writes after one that it trusts is left out.

    Raises:
        ValueError: it is none. The message can quote the content.
    """
    try:
        return x509.load_der_x509_certificate(content)
    except ValueError:
        return x509.load_der_x509_certificate(content[: measure_der(content)])


@without_warnings()
def open_bundle(content: bytes, password: bytes | None) -> Bundle:
    """Return the certificates and keys of a text or file: PEM, DER, PKCS#7 or PKCS#12, each also as base64.

    Args:
        content: the text or the file.
        password: the password of an encrypted key, or of the file.

    Raises:
        UnusableCertificate: the content is none of them, or the password is wrong.
    """
    for decoded in (content, decode_base64(content)):
        if blocks := parse_blocks(decoded):
            return _open_blocks(blocks, password)
        if decoded.startswith(_DER_SEQUENCE):
            return _open_der(decoded, password)
    raise UnusableCertificate(describe_unknown(content))


def open_part(name: str, content: bytes, password: bytes | None) -> Bundle:
    """Return what a part of `secret.tls` holds.

    Args:
        name: the field: `certificate`, `key`, `chain`, or `from`, which holds all.
        content: as in `open_bundle`.
        password: as in `open_bundle`.

    Raises:
        UnusableCertificate: as in `open_bundle`; or the part has not what its field is for.
    """
    bundle = open_bundle(content, password)
    noun, present = {
        "certificate": ("certificate", bundle.certificates),
        "key": ("private key", bundle.keys),
    }.get(name, ("", (name,)))
    if not present:
        other = "a certificate" if bundle.certificates else "a private key" if bundle.keys else ", ".join(bundle.others)
        raise UnusableCertificate(f"no {noun} in it{', but ' if other else ''}{other}")
    return bundle


@without_warnings()
def open_pkcs12(content: bytes, password: bytes | None) -> Bundle:
    """Return the certificates and the key of a PKCS#12 file.

    Raises:
        UnusableCertificate: the content is not PKCS#12, the password is wrong, or it is hashed too often.
    """
    if not content.startswith(_DER_SEQUENCE):
        unknown = describe_unknown(content)
        raise UnusableCertificate("no PKCS#12" + ("" if unknown.startswith("neither") else f", but {unknown}"))
    check_rounds(content)
    try:
        try:
            file = pkcs12.load_pkcs12(content, password or None)
        except ValueError:
            file = pkcs12.load_pkcs12(content, password or b"")  # some tools write an empty password instead of none
    except Exception:
        reason = f"that password does not open it{describe_password(password)}" if password else "it has a password"
        raise UnusableCertificate(f"no PKCS#12, or {reason}") from None
    entries = (file.cert, *file.additional_certs)
    certificates = tuple(entry.certificate for entry in entries if entry is not None)
    return Bundle(certificates, () if file.key is None else (encode_key(file.key),))


def _open_blocks(blocks: list[Block], password: bytes | None) -> Bundle:
    known = (CERTIFICATE, *_PKCS7, *_PARAMETERS)
    return Bundle(
        parse_certificates(blocks),
        tuple(open_key(block, password) for block in blocks if block.is_key),
        tuple(block.label for block in blocks if not block.is_key and block.label not in known),
    )


def _open_der(content: bytes, password: bytes | None) -> Bundle:
    """Return what a DER file holds: a certificate, PKCS#7, a private key of any format, or PKCS#12."""
    check_rounds(content)
    for given in dict.fromkeys((None, password)):
        with suppress(Exception):
            return Bundle(keys=(encode_key(load_der_private_key(content, given)),))
    with suppress(Exception):
        return Bundle((x509.load_der_x509_certificate(content),))
    with suppress(Exception):
        return Bundle(tuple(_parse_pkcs7(content)))
    return open_pkcs12(content, password)


@without_warnings()
def _parse_pkcs7(content: bytes) -> list[Certificate]:
    """Return the certificates of PKCS#7 in DER.

    Raises:
        ValueError: it is none. The message can quote the content.
    """
    return pkcs7.load_der_pkcs7_certificates(content)
