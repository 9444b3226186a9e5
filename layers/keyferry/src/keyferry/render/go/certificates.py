"""External Secrets' own functions for certificates and keys. They take what Go reads, and nothing more lenient."""

import base64
import hashlib
import re
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

from keyferry.budget import Budget
from keyferry.formats import go_encodings, jsontext
from keyferry.model import SecretValue
from keyferry.render.formatting import FilterError
from keyferry.render.go.function import function
from keyferry.render.go.values import Text, from_bytes, to_bytes
from keyferry.render.key_derivation import count_rounds
from keyferry.render.pki.pem import Block, UnusableCertificate, parse_blocks

if TYPE_CHECKING:
    from keyferry.render.pki.certificates import Bundle

_BLOCK = 16
"""The size of a block of AES, in bytes."""
_BEGIN = b"-----BEGIN "
_END = re.compile(rb"-----END [^\n]*-----[ \t]*\r?\n?\Z")


def _read[T](read: Callable[[], T]) -> T:
    try:
        return read()
    except UnusableCertificate as error:
        raise FilterError(str(error)) from None


def _parse_pem(text: Text) -> list[Block]:
    """Return the PEM blocks of a text.

    Raises:
        FilterError: it has none, or blocks that Go reads otherwise.
    """
    content = to_bytes(text)
    blocks = _read(lambda: parse_blocks(content))
    if not blocks or len(blocks) != content.count(_BEGIN):
        raise FilterError("there is no PEM, or a part of it that Go reads otherwise")
    for block in blocks:
        if block.form or (block.is_encrypted and b":" in block.body):
            raise FilterError(f"the block {block.label} has a form that Go reads otherwise: {block.form or 'headers'}")
    return blocks


@function("filterPEM(string, bytes) string")
def filter_pem(label: str, text: Text) -> str:
    """Return the PEM blocks of a label, written anew."""
    blocks = [block for block in _parse_pem(text) if block.label.casefold() == label.casefold()]
    if not blocks and not _END.search(to_bytes(text)):
        raise FilterError("there is no block of that label, and something behind the others")
    return b"".join(_read(lambda: [block.pem for block in blocks])).decode()


def _spend_chain(budget: Budget, _part: str, text: str) -> None:
    budget.spend(20_000 + 500 * text.count("BEGIN"))


@function("filterCertChain(string, string) string", price=_spend_chain)
def filter_chain(part: str, text: str) -> str:
    """Return the certificates that are `leaf`, `intermediate` or `root`."""
    from keyferry.render.go import chains  # noqa: PLC0415  # large, and few templates have certificates

    contents = _read(lambda: [block.content for block in _parse_pem(text)])
    links = [chains.read_link(content) for content in contents]
    return chains.write(chains.select(chains.order(links), part))


def _spend_jwk(budget: Budget, _text: str) -> None:
    budget.spend(400_000)  # the numbers of a key of RSA are checked for primes


@function("jwkPublicKeyPem(string) string", price=_spend_jwk)
def convert_public_jwk(text: str) -> str:
    """Return the public key of a JSON Web Key as PEM."""
    from keyferry.render.pki import jwk  # noqa: PLC0415  # as in filter_chain

    key = _parse_jwk(text)
    if isinstance(key, dict) and "d" in key:
        raise FilterError("it gets a private key, of which Go does not take the public one")
    return _read(lambda: jwk.convert_public_key(key)).decode()


@function("jwkPrivateKeyPem(string) string", price=_spend_jwk)
def convert_private_jwk(text: str) -> str:
    """Return the private key of a JSON Web Key as PEM."""
    from keyferry.render.pki import jwk  # noqa: PLC0415  # as in filter_chain

    return _read(lambda: jwk.convert_private_key(_parse_jwk(text))).decode()


def _parse_jwk(text: str) -> object:
    try:
        return jsontext.parse(text.encode())
    except ValueError:
        raise FilterError("it gets what is not JSON") from None


def _open(content: Text, password: str) -> "Bundle":
    """Return what is in a PKCS#12 file, whose bytes are never text."""
    from keyferry.render.pki import certificates  # noqa: PLC0415  # as in filter_chain

    if not isinstance(content, SecretValue):
        raise FilterError("it gets no PKCS#12 file; one in base64 needs b64dec first")
    return _read(lambda: certificates.open_pkcs12(content.reveal(), password.encode()))


def _spend_key(budget: Budget, content: Text) -> None:
    _spend_locked(budget, "", content)


def _spend_locked(budget: Budget, _password: str, content: Text) -> None:
    budget.spend(20_000 + count_rounds(to_bytes(content)) // 4)


@function("pkcs12key(bytes) string", price=_spend_key)
def read_key(content: Text) -> str:
    """Return the private key of a PKCS#12 file without a password."""
    return read_locked_key("", content)


@function("pkcs12keyPass(string, bytes) string", price=_spend_locked)
def read_locked_key(password: str, content: Text) -> str:
    """Return the private key of a PKCS#12 file."""
    from keyferry.render.pki import chains  # noqa: PLC0415  # as in filter_chain

    return _read(lambda: chains.build_chain(_open(content, password)).key).decode()


@function("pkcs12cert(bytes) string", price=_spend_key)
def read_certificates(content: Text) -> str:
    """Return the certificates of a PKCS#12 file without a password."""
    return read_locked_certificates("", content)


@function("pkcs12certPass(string, bytes) string", price=_spend_locked)
def read_locked_certificates(password: str, content: Text) -> str:
    """Return the certificates of a PKCS#12 file, from the one of its key to the root.

    Go leaves those that are of several chains as they are; here that is an error.
    """
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415  # as in filter_chain

    from keyferry.render.go import chains  # noqa: PLC0415  # as in filter_chain

    bundle = _open(content, password)
    if len(bundle.keys) != 1:
        raise FilterError("there is not one private key in it")
    links = [chains.read_link(each.public_bytes(Encoding.DER)) for each in bundle.certificates]
    if len({link.own for link in links}) != len(links):
        raise FilterError("there are several certificates of one key in it")
    return chains.write(chains.order(links))


@function("certSANs(bytes) strings")
def list_names(text: Text) -> list[str]:
    """Return what the first certificate is for: DNS names, IP addresses, e-mail addresses and URIs."""
    from cryptography import x509  # noqa: PLC0415  # large, and few templates have certificates

    block = _parse_pem(text)[0]
    try:
        extensions = x509.load_der_x509_certificate(block.content).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    except ValueError:
        raise FilterError("the first block is no certificate") from None
    addresses = names.get_values_for_type(x509.IPAddress)
    if any(isinstance(address, IPv6Address) and address.ipv4_mapped for address in addresses):
        raise FilterError("an IPv4 address in the form of IPv6")
    texts = names.get_values_for_type(x509.DNSName), names.get_values_for_type(x509.RFC822Name)
    return [*texts[0], *map(str, addresses), *texts[1], *names.get_values_for_type(x509.UniformResourceIdentifier)]


@function("rsaDecrypt(string, string, bytes, bytes) string")
def decrypt(scheme: str, digest: str, content: Text, key: Text) -> Text:
    """Return what RSA-OAEP has encrypted; with the scheme None, the content as it is."""
    if scheme == "None":
        return content
    if scheme != "RSA-OAEP":
        raise FilterError("it knows the schemes RSA-OAEP and None")
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415  # as in list_names
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415

    algorithm = {"SHA1": hashes.SHA1, "SHA512": hashes.SHA512}.get(digest, hashes.SHA256)()
    try:
        private = serialization.load_pem_private_key(_parse_pem(key)[0].pem, None)
        if not isinstance(private, rsa.RSAPrivateKey):
            raise FilterError("the key is none of RSA")
        return from_bytes(private.decrypt(to_bytes(content), padding.OAEP(padding.MGF1(algorithm), algorithm, None)))
    except (ValueError, TypeError) as error:
        raise error if isinstance(error, FilterError) else FilterError("the key does not open it") from None


@function("decryptAES(string, string) string")
def decrypt_aes(password: str, text: str) -> Text:
    """Return what AES-CBC has encrypted by a password of 32 bytes at most, in base64 behind its first block."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415  # as in list_names

    if not text:
        return ""
    try:
        content = go_encodings.decode_base64(text)
    except go_encodings.NotDecodable:
        raise FilterError("it gets what is not base64") from None
    if len(content) < 2 * _BLOCK or len(content) % _BLOCK:
        raise FilterError("it gets no whole blocks")
    decryptor = Cipher(algorithms.AES(password.encode()[:32].ljust(32, b"\0")), modes.CBC(content[:_BLOCK])).decryptor()
    opened = decryptor.update(content[_BLOCK:]) + decryptor.finalize()
    if opened[-1] > len(opened):
        raise FilterError("the password does not open it")
    return from_bytes(opened[: len(opened) - opened[-1]])


@function("htpasswd(string, string, constant) string", subject=0)
def write_password(user: str, password: str, algorithm: str) -> str:
    """Return a line of a file of passwords, with SHA-1: bcrypt, for which another algorithm stands, has a salt."""
    if algorithm != "sha" or ":" in user:
        raise FilterError("it knows the algorithm sha alone, and users without a colon")
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return f"{user}:{{SHA}}{base64.b64encode(digest).decode()}"
