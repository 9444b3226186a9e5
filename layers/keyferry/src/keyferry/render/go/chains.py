"""Certificates in order, as External Secrets has them: by the identifiers of their keys alone, whoever signed them."""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from keyferry.render.formatting import FilterError
from keyferry.render.pki.certificates import without_warnings
from keyferry.render.pki.go_rules import describe_refusal
from keyferry.render.pki.pem import CERTIFICATE, write_pem


@dataclass(frozen=True)
class Link:
    """A certificate with the identifiers of its own key and of its issuer's; empty where it has none."""

    content: bytes
    own: bytes
    issuer: bytes

    @property
    def is_root(self) -> bool:
        """Whether it names no other issuer."""
        return not self.issuer or self.issuer == self.own


def read_link(content: bytes) -> Link:
    """Return a certificate in DER.

    Raises:
        FilterError: it is none, or Go does not read it.
    """
    try:
        with without_warnings():
            certificate = x509.load_der_x509_certificate(content)
            extensions = list(certificate.extensions)
        reason = describe_refusal(certificate)
    except Exception:  # what the library raises can quote the certificate
        raise FilterError("a certificate that cannot be read") from None
    if reason:
        raise FilterError(f"a certificate that Go does not read: {reason}")
    own = next((each.value.digest for each in extensions if isinstance(each.value, x509.SubjectKeyIdentifier)), b"")
    issuers = [each.value for each in extensions if isinstance(each.value, x509.AuthorityKeyIdentifier)]
    return Link(content, own, (issuers[0].key_identifier if issuers else None) or b"")


def order(links: Sequence[Link]) -> list[Link]:
    """Return certificates from the one that has issued none to the one that names no other issuer.

    Raises:
        FilterError: they are no chain.
    """
    parents: dict[int, int] = {}
    for child, link in enumerate(links):
        for parent, other in enumerate(links):
            if child != parent and link.issuer == other.own:
                parents[child] = parent
                break
    leaves = [number for number in range(len(links)) if number not in parents.values()]
    if len(leaves) != 1:
        raise FilterError("several chains, or none" if leaves else "no certificate that has issued no other")
    chain = leaves
    while chain[-1] in parents:
        chain.append(parents[chain[-1]])
        if len(chain) > len(links):
            raise FilterError("certificates that have issued each other")
    return [links[number] for number in chain]


def select(chain: Sequence[Link], part: str) -> list[Link]:
    """Return those of a chain that are `leaf`, `intermediate` or `root`; none for another word."""
    if part == "leaf":
        return [] if chain[0].is_root else [chain[0]]
    if part == "root":
        return [chain[-1]] if chain[-1].is_root else []
    roots = [number for number, link in enumerate(chain) if number and link.is_root]
    return list(chain[1 : min(roots, default=len(chain))]) if part == "intermediate" else []


def write(links: Sequence[Link]) -> str:
    """Return certificates as PEM."""
    return b"".join(write_pem(CERTIFICATE, link.content) for link in links).decode()
