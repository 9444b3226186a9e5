"""Open private keys, and compare them with certificates.

As in `certificates`, errors of the library never leave this module.
"""

from collections.abc import Sequence

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
    load_ssh_private_key,
)
from cryptography.x509 import Certificate

from keyferry.render.key_derivation import MAX_ROUNDS, is_costly
from keyferry.render.pki.pem import (
    CERTIFICATE,
    OPENSSH,
    OPENSSH_PLAIN,
    PRIVATE_KEY,
    Block,
    UnusableCertificate,
    describe_cut,
    write_pem,
)

_GO_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
"""The curves that Go's crypto/tls signs with."""
_MIN_RSA_BITS = 1024
"""The fewest bits of a key of RSA that Go signs with."""
_MAX_KEY = 2_400
"""How many bytes a key of RSA with 4,096 bits has at most, which is checked for half a second."""
_BY_PARAMETERS = b"\x06\x07*\x86H\xce=\x01\x01"
"""The identifier of a prime field (RFC 3279, 2.3.5): a key names the parameters of its curve, and not the curve."""
_RSA_PSS = b"\x06\x09*\x86H\x86\xf7\r\x01\x01\n"
"""The identifier of keys for RSASSA-PSS alone (RFC 4055, 1.2), which the library takes for any of RSA."""
_BEGINNING = 128
"""Within how many bytes of a private key those identifiers are."""


class UnknownKind(UnusableCertificate):
    """A key is of a kind, or on a curve, that the library does not know: others may know it."""


def open_key(block: Block, password: bytes | None) -> bytes:
    """Return a private key as PEM: unencrypted, and of a format that Go and OpenSSL read.

    Args:
        block: the block that holds the key.
        password: the password, if the key may be encrypted.

    Raises:
        UnusableCertificate: it is encrypted and the password is missing or wrong, or it cannot be read.
        UnknownKind: its kind is not known.
    """
    if not block.is_encrypted:
        key = load_key(block)
        return block.pem if is_labelled_right(block) else encode_key(key)
    if not password:
        raise UnusableCertificate("the private key is encrypted: give its password to secret.tls, as password")
    check_rounds(block.content)
    try:
        return encode_key(load_pem_private_key(block.pem, password))
    except Exception as error:
        reason = _name_cause(error) or describe_password(password)
        raise UnusableCertificate(f"the private key cannot be opened with that password{reason}") from None


def load_key(block: Block) -> PrivateKeyTypes:
    """Return the private key of a block that is not encrypted, whatever the label says of its format.

    Raises:
        UnusableCertificate: as `open_key`.
        UnknownKind: as `open_key`.
    """
    content = block.content
    if block.label == OPENSSH and not content.startswith(OPENSSH_PLAIN):
        raise UnusableCertificate("the private key is encrypted by OpenSSH: take its password off, by ssh-keygen -p")
    try:
        return load_ssh_private_key(block.pem, None) if block.label == OPENSSH else load_der_private_key(content, None)
    except UnsupportedAlgorithm:
        raise UnknownKind(
            "the private key is of a kind, or on a curve, that is not known here: a key of data can have it"
        ) from None
    except Exception:
        raise UnusableCertificate(f"the private key cannot be read{describe_cut(content)}") from None


def is_labelled_right(block: Block) -> bool:
    """Return whether the label of a private key, which is not encrypted, names the format of its content."""
    try:
        load_pem_private_key(block.pem, None)
    except Exception:
        return False
    return True


def encode_key(key: PrivateKeyTypes) -> bytes:
    """Return a private key as PEM (PKCS#8)."""
    return write_pem(PRIVATE_KEY, key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def encode_traditional(blocks: Sequence[Block]) -> bytes:
    """Return the private key of PEM blocks in the format of its own kind: PKCS#1 for RSA, SEC 1 for elliptic curves.

    It is the last block that is no certificate, as the Secrets Store CSI driver has it
    (`getPrivateKey` in pkg/util/secretutil/secret.go).

    Raises:
        UnusableCertificate: there is none, it is encrypted, or of another kind.
    """
    block = next((block for block in reversed(blocks) if block.label != CERTIFICATE), None)
    if block is None:
        raise UnusableCertificate("no private key in it")
    if block.is_encrypted:
        raise UnusableCertificate("the private key is encrypted")
    if len(block.content) > _MAX_KEY:
        raise UnusableCertificate("the private key is longer than one of RSA with 4,096 bits")
    key = load_key(block)
    is_curve = isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, (*_GO_CURVES, ec.SECP224R1))
    if not (is_curve or isinstance(key, rsa.RSAPrivateKey)):
        raise UnusableCertificate("the private key is neither of RSA nor of a curve of NIST")
    label = f"{'EC' if is_curve else 'RSA'} {PRIVATE_KEY}"
    return write_pem(label, key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()))


def encode_public_key(key: PrivateKeyTypes) -> bytes:
    """Return the public key of a private key, in DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def fits(key: PrivateKeyTypes, certificate: Certificate) -> bool:
    """Return whether a private key belongs to a certificate; not to one with a kind of key that is not known."""
    try:
        public = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception:  # a kind of key that the library does not know
        return False
    return public == encode_public_key(key)


def has_known_key(certificate: Certificate) -> bool:
    """Return whether the library knows the kind of a certificate's public key."""
    try:
        certificate.public_key()
    except Exception:
        return False
    return True


def has_standard_key(certificate: Certificate) -> bool:
    """Return whether a certificate's public key, of a kind that the library knows, is written in the usual way.

    Keys for RSASSA-PSS alone are not, nor are those with compressed points or with the parameters of their curve.
    """
    public = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return public in certificate.tbs_certificate_bytes


def name_kind_for_go(block: Block) -> str:
    """Return the kind of a private key that Go's TLS does not take, such as `brainpoolP256r1`; empty if it takes it.

    Raises:
        UnusableCertificate: as `load_key`.
    """
    key = load_key(block)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if not isinstance(key.curve, _GO_CURVES):
            return key.curve.name
        return "with the parameters of its curve" if _BY_PARAMETERS in block.content[:_BEGINNING] else ""
    if isinstance(key, rsa.RSAPrivateKey):
        if _RSA_PSS in block.content[:_BEGINNING]:
            return "for RSASSA-PSS alone"
        return "" if key.key_size >= _MIN_RSA_BITS else f"RSA of {key.key_size} bits"
    kind = type(key).__name__.removesuffix("PrivateKey").lstrip("_")
    return "" if isinstance(key, ed25519.Ed25519PrivateKey) else kind


def check_rounds(content: bytes) -> None:
    """Check how often a password would be hashed to open a file.

    Raises:
        UnusableCertificate: too often.
    """
    if is_costly(content):
        raise UnusableCertificate(
            f"its password is hashed more than {MAX_ROUNDS:,} times: encrypt it again with fewer iterations"
        )


def describe_password(password: bytes) -> str:
    """Return what may be wrong with a password that opens nothing; empty where nothing is seen."""
    ends = password.endswith((b"\n", b"\r"))
    return ", which ends in a line end: a template with the filter trim takes it off" if ends else ""


def _name_cause(error: Exception) -> str:
    """Return what to do where the cipher, not the password, is what the library does not take."""
    if "unknown cipher" in str(error) or "Unknown key encryption" in str(error):
        return ": its cipher is too old; encrypt it again, by openssl pkcs8 -topk8 -v2 aes-256-cbc"
    return ""
