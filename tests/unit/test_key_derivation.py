"""A key or file whose password would be hashed for hours is refused before it is opened."""

import base64

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, pkcs12

from keyferry.budget import MAX_STEPS, Budget
from keyferry.errors import SourceUnusable
from keyferry.render.key_derivation import MAX_ROUNDS, is_costly
from keyferry.render.pki import certificates, chains
from keyferry.render.pki.certificates import MAX_CERTIFICATES, MAX_LISTED, Bundle
from keyferry.render.pki.pem import UnusableCertificate, parse_blocks
from keyferry.render.templates import fill
from tests.unit.pki import CHAIN, LEAF

KEY = ec.generate_private_key(ec.SECP256R1())
PBKDF2 = bytes.fromhex("06092a864886f70d01050c")
SCRYPT = bytes.fromhex("06092b06010401da47040b")


def element(tag: int, *parts: bytes) -> bytes:
    """Return an element of DER."""
    content = b"".join(parts)
    length = len(content)
    size = bytes([length]) if length < 128 else b"\x82" + length.to_bytes(2)
    return bytes([tag]) + size + content


def number(value: int) -> bytes:
    return element(0x02, value.to_bytes(value.bit_length() // 8 + 1))


def parameters(*numbers: int, oid: bytes = PBKDF2) -> bytes:
    return element(0x30, oid, element(0x30, element(0x04, b"saltsalt"), *map(number, numbers)))


def test_files_of_the_usual_tools_are_not_costly() -> None:
    encrypted = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"canary"))
    assert not is_costly(encrypted)
    for rounds in (1000, 600_000):
        builder = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(rounds).hmac_hash(hashes.SHA256())
        file = pkcs12.serialize_key_and_certificates(b"x", KEY, None, None, builder.build(b"canary"))
        assert not is_costly(file)


@pytest.mark.parametrize(
    "content",
    [
        parameters(MAX_ROUNDS + 1),
        parameters(2**31 - 1),
        parameters(1_000_000, 2**20),  # the length of a key that is made of as many rounds
        parameters(2**20, 8, 1, oid=SCRYPT),
        element(0x30, element(0x30, b"\x05\x00"), element(0x04, b"salt"), number(2**30)),  # of a PKCS#12 file itself
        parameters(1_500_000) + parameters(1_500_000),
        element(0x30, element(0x04, parameters(2**30))),  # text that holds the file
        b"\x30\x80" + parameters(2**30) + b"\0\0",
        b"\x24\x80" + element(0x04, parameters(2**30)[:9]) + element(0x04, parameters(2**30)[9:]) + b"\0\0",
        element(0x24, element(0x04, parameters(2**30)[:9]), element(0x04, parameters(2**30)[9:])),
        b"\x1f\x81\x01\x00" + parameters(2**30),  # after a tag of several bytes
        b"\x30\x02\x05\x00" * 100_000,
        b"\x30\x80" * 1000,
    ],
)
def test_what_asks_for_too_much_is_costly(content: bytes) -> None:
    assert is_costly(content)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x30", b"\x30\x82", b"\x30\x85\x01", b"canary", parameters(600_000), b"\x04\x84\xff\xff\xff\xff", b"\x1f"],
)
def test_what_is_no_file_at_all_is_not_costly(content: bytes) -> None:
    assert not is_costly(content)


def test_a_costly_key_or_file_is_not_opened() -> None:
    block = base64.encodebytes(element(0x30, element(0x30, parameters(2**31 - 1)), element(0x04, b"canary")))
    pem = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + block + b"-----END ENCRYPTED PRIVATE KEY-----\n"
    for content in (pem, element(0x30, number(3), parameters(2**31 - 1))):
        with pytest.raises(UnusableCertificate, match="hashed more than 2,000,000 times: encrypt it again"):
            certificates.open_bundle(content, b"canary")


def test_more_certificates_than_a_chain_has_are_refused() -> None:
    leaf = certificates.parse_certificates(parse_blocks(LEAF.crt.encode()))[0]
    with pytest.raises(UnusableCertificate, match=f"51 certificates in it, and {MAX_CERTIFICATES} is the most"):
        chains.build_chain(Bundle((leaf,) * 51, (b"key",)))
    with pytest.raises(UnusableCertificate, match=f"501 certificates in it, and {MAX_LISTED} is the most"):
        certificates.parse_certificates(parse_blocks(LEAF.crt.encode() * 501))
    assert len(certificates.parse_certificates(parse_blocks(CHAIN.encode()))) > 0


def test_what_it_takes_to_open_files_is_counted_for_all_of_a_template() -> None:
    file = base64.b64encode(parameters(MAX_ROUNDS)).decode()
    budget = Budget()
    for _ in range(1 + MAX_STEPS // (20_000 + MAX_ROUNDS // 4)):
        left = budget.steps
        with pytest.raises(SourceUnusable, match="mapping db, key k"):
            fill(f"{{{{ '{file}' | pkcs12_key }}}}", {}, "mapping db, key k", budget)
        assert left - budget.steps > MAX_ROUNDS // 4
    with pytest.raises(SourceUnusable, match="computes too much"):
        fill(f"{{{{ '{file}' | pkcs12_key }}}}", {}, "mapping db, key k", budget)
