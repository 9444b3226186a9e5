"""Make the chain of a certificate of the parts that `secret.tls` names."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from keyferry.errors import SourceUnusable, in_part
from keyferry.render.pki import certificates, chains
from keyferry.render.pki.pem import UnusableCertificate


def join(parts: Mapping[str, bytes], password: bytes | None, where: str) -> chains.Chain:
    """Return the chain that some parts make.

    Args:
        parts: name of a field of `secret.tls` → its content.
        password: the password of the PKCS#12 file or of the private key; None without one.
        where: the mapping and `tls`, for messages.

    Raises:
        SourceUnusable: a part is no certificate or key, or they do not go together.
    """
    bundle = certificates.Bundle()
    for name, content in parts.items():
        with in_part(f"secret.tls.{name}"), _explain(f"{where}.{name}"):
            bundle += certificates.open_part(name, content, password)
    with _explain(where):
        return chains.build_chain(bundle)


@contextmanager
def _explain(where: str) -> Iterator[None]:
    try:
        yield
    except UnusableCertificate as error:
        raise SourceUnusable(f"{where}: {error}") from None
