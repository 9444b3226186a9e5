"""Put certificates in order: from the one that a private key fits, by what has issued what, to a root.

As in `certificates`, errors of the library never leave this module.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate

from keyferry.render.pki.certificates import MAX_CERTIFICATES, Bundle, encode_pem, parse_certificates
from keyferry.render.pki.pem import UnusableCertificate, parse_blocks
from keyferry.render.pki.private_keys import fits, load_key


@dataclass(frozen=True)
class Chain:
    """A private key, its certificate, and the certificates that lead from that to a root."""

    key: bytes
    """The private key, as unencrypted PEM."""
    leaf: Certificate
    intermediates: tuple[Certificate, ...]
    root: Certificate | None
    """The root; None if the bundle does not contain it."""
    notes: tuple[str, ...] = ()
    """What of the bundle is left out, for a report."""

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


def build_chain(bundle: Bundle) -> Chain:
    """Return the private key of a bundle with its certificate, and the certificates that lead from that to a root.

    The order of the bundle does not matter. Certificates that occur twice or lead nowhere are left out. Where several
    have the same key, as after a renewal, the one that expires last is used, and one of an authority only where there
    is no other.

    Raises:
        UnusableCertificate: the bundle has no private key or several, no certificate, or none for its key.
    """
    keys = tuple(dict.fromkeys(bundle.keys))
    if len(keys) != 1:
        others = f", and no {' or '.join(dict.fromkeys(bundle.others))}" if bundle.others and not keys else ""
        raise UnusableCertificate(f"{len(keys) or 'no'} private keys in it; a TLS Secret has one{others}")
    if not bundle.certificates:
        raise UnusableCertificate("no certificate in it")
    if len(bundle.certificates) > MAX_CERTIFICATES:
        raise UnusableCertificate(
            f"{len(bundle.certificates):,} certificates in it, and {MAX_CERTIFICATES} is the most"
        )
    [block] = parse_blocks(keys[0])
    key = load_key(block)
    leaves = [certificate for certificate in bundle.certificates if fits(key, certificate)]
    if not leaves:
        raise UnusableCertificate("the private key does not fit the certificate: they are not of one pair")
    leaf = _select_latest([certificate for certificate in leaves if not is_authority(certificate)] or leaves)
    intermediates, root = _select_issuers(leaf, bundle.certificates)
    used = {leaf, *intermediates, *([root] if root else [])}
    left_out = len(set(bundle.certificates) - used)
    return Chain(keys[0], leaf, intermediates, root, _describe_left_out(left_out, bundle.others))


def list_certificates(bundle: Bundle) -> bytes:
    """Return the certificates of a bundle as PEM: in order, or as they are where no private key says which is first.

    Raises:
        UnusableCertificate: as `build_chain`.
    """
    if bundle.keys or not bundle.certificates:
        return build_chain(bundle).pem
    return encode_pem(bundle.certificates)


def _describe_left_out(certificates: int, others: Iterable[str]) -> tuple[str, ...]:
    """Return the notes on what of a bundle is not in the Secret."""
    notes = []
    if certificates:
        of_what = "1 certificate is" if certificates == 1 else f"{certificates} certificates are"
        notes.append(f"{of_what} left out, which the certificate of the key does not lead to")
    notes += [f"{label} is left out; a key of data can have it" for label in dict.fromkeys(others)]
    return tuple(notes)


def find_disorder(certificates: Sequence[Certificate]) -> int | None:
    """Return the number, from 2 on, of the first certificate that did not issue the one before; None if all did."""
    pairs = enumerate(pairwise(certificates), 2)
    return next((number for number, (issued, issuer) in pairs if not has_issued(issuer, issued)), None)


def is_authority(certificate: Certificate) -> bool:
    """Return whether a certificate is one of an authority, by its basic constraints."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except Exception:  # none, or one that cannot be parsed
        return False


def select_part(text: bytes, part: str) -> bytes:
    """Return some certificates of a PEM text, as External Secrets' `filterCertChain` selects them.

    Args:
        text: the PEM text.
        part: `leaf` (not of an authority), `intermediate` (of an authority, issued by another) or `root` (issued by
            itself).

    Raises:
        UnusableCertificate: the text is no PEM, a certificate cannot be parsed, or `part` has another value.
    """
    if part not in ("leaf", "intermediate", "root"):
        raise UnusableCertificate("parts of a chain are leaf, intermediate and root")
    blocks = parse_blocks(text)
    if text.strip() and not blocks:
        raise UnusableCertificate("no PEM in it")
    return encode_pem(certificate for certificate in parse_certificates(blocks) if _get_part(certificate) == part)


def _select_issuers(
    leaf: Certificate, candidates: Sequence[Certificate]
) -> tuple[tuple[Certificate, ...], Certificate | None]:
    """Return the intermediate certificates, in order, and the root; None for a root that is missing."""
    issuers: list[Certificate] = []
    last = leaf
    while not _is_root(last):
        unused = [candidate for candidate in candidates if candidate != leaf and candidate not in issuers]
        matches = [candidate for candidate in unused if has_issued(candidate, last)]
        if not matches:
            return tuple(issuers), None
        last = _select_latest([match for match in matches if _is_root(match)] or matches)
        issuers.append(last)
    return (tuple(issuers[:-1]), last) if issuers else ((), None)


def has_issued(issuer: Certificate, certificate: Certificate) -> bool:
    """Return whether a certificate has issued another, by names and signature.

    Where the library does not know the algorithm of the signature, the identifiers of the keys decide.
    """
    if _normalize(issuer.subject) != _normalize(certificate.issuer):
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return False
    except Exception as error:  # an algorithm that the library does not know, or a name in another encoding
        if "does not match issuer key type" in str(error):
            return False
        own, wanted = _get_key_identifier(issuer), _get_authority_identifier(certificate)
        return own is None or wanted is None or own == wanted
    return True


def _normalize(name: x509.Name) -> list[frozenset[tuple[str, str]]]:
    """Return a name as RFC 5280 (7.1) compares it: whatever the case, white space and encoding of its parts."""
    return [
        frozenset((part.oid.dotted_string, " ".join(str(part.value).casefold().split())) for part in parts)
        for parts in name.rdns
    ]


def _get_key_identifier(certificate: Certificate) -> bytes | None:
    """Return the subject key identifier; None where there is none."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except Exception:  # none, or one that cannot be parsed
        return None


def _get_authority_identifier(certificate: Certificate) -> bytes | None:
    """Return the identifier of the key that signed a certificate; None where there is none."""
    try:
        return certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except Exception:  # as above
        return None


def _is_root(certificate: Certificate) -> bool:
    # The signature decides, not the name: an older root of the same name can have signed a newer one.
    return has_issued(certificate, certificate)


def _select_latest(certificates: Iterable[Certificate]) -> Certificate:
    """Return the certificate that expires last."""
    # Two can expire at the same time: the same one has to be selected every time.
    return max(
        certificates, key=lambda certificate: (certificate.not_valid_after_utc, certificate.public_bytes(Encoding.DER))
    )


def _get_part(certificate: Certificate) -> str:
    """Return `leaf`, `intermediate` or `root`."""
    if not is_authority(certificate):
        return "leaf"
    return "root" if _is_root(certificate) else "intermediate"
