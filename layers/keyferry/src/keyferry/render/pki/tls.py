"""Check the keys of a TLS Secret as those who mount it read them: Go (`tls.X509KeyPair`) and OpenSSL.

What `data` says is written as it is, so what nobody could read is refused here. `secret.tls` writes it anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.x509 import Certificate

from keyferry.model import SecretValue
from keyferry.render.pki.certificates import open_bundle, parse_certificates
from keyferry.render.pki.chains import find_disorder, is_authority
from keyferry.render.pki.go_rules import describe_refusal
from keyferry.render.pki.pem import CERTIFICATE as CERTIFICATE_LABEL
from keyferry.render.pki.pem import (
    OPENSSH,
    Block,
    UnusableCertificate,
    decode_base64,
    describe_cut,
    describe_unknown,
    measure_der,
    parse_blocks,
    select_blocks,
)
from keyferry.render.pki.pem import PRIVATE_KEY as KEY_LABEL
from keyferry.render.pki.private_keys import (
    UnknownKind,
    fits,
    has_known_key,
    has_standard_key,
    is_labelled_right,
    load_key,
    name_kind_for_go,
)
from keyferry.secret_types import CA_CERTIFICATE, CERTIFICATE, PRIVATE_KEY

_INDEFINITE, _LONG = b"\x30\x80", (b"\x30\x81", b"\x30\x82", b"\x30\x83")
"""How a file begins that is in BER or in DER: without a length, or of more than 127 bytes."""
_BY_TLS, _BY_FILTER = "let secret.tls write it", "a template with the filter pem"


@dataclass(frozen=True)
class CertificateFacts:
    """What reports say of a TLS Secret."""

    begins: datetime | None
    """When its certificate becomes valid; None if the certificate cannot be parsed."""
    expires: datetime | None
    """When it expires; None as above."""
    notes: tuple[str, ...] = ()
    """What else is to be told, whatever the time is."""
    chain: tuple[datetime, ...] = ()
    """When the certificates after the first one expire."""

    def describe(self, now: datetime) -> tuple[str, ...]:
        """Return the sentences for a report: first when the certificate expires."""
        if self.begins is None or self.expires is None:
            return (f"{CERTIFICATE} holds no certificate in PEM that can be read",)
        verb = "expires" if self.expires > now else "has expired"
        begins = (f"the certificate in {CERTIFICATE} is not valid before {self.begins:%Y-%m-%d}",)
        expiry = f"the certificate in {CERTIFICATE} {verb} on {self.expires:%Y-%m-%d}"
        expired = (
            f"certificate {number} in {CERTIFICATE} has expired on {expires:%Y-%m-%d}"
            for number, expires in enumerate(self.chain, 2)
            if expires <= now
        )
        return (expiry, *(begins if self.begins > now else ()), *expired, *self.notes)


def check(data: Mapping[str, SecretValue]) -> None:
    """Check the keys of a TLS Secret, as far as they are there.

    Raises:
        UnusableCertificate: Go or OpenSSL could not read one of them, or the key does not fit the certificate. The
            message begins with the key of the Secret where it concerns one.
    """
    certificates = _check_certificates(data[CERTIFICATE].reveal(), CERTIFICATE) if CERTIFICATE in data else ()
    key = _check_key(data[PRIVATE_KEY].reveal()) if PRIVATE_KEY in data else None
    if CA_CERTIFICATE in data and data[CA_CERTIFICATE].reveal().strip():
        _check_certificates(data[CA_CERTIFICATE].reveal(), CA_CERTIFICATE)
    if not certificates or key is None or not has_known_key(certificates[0]):
        return
    private = load_key(key)
    matches = [number for number, certificate in enumerate(certificates, 1) if fits(private, certificate)]
    if not matches:
        raise UnusableCertificate(
            f"the private key in {PRIVATE_KEY} does not fit the certificate in {CERTIFICATE}: take both from one pair"
        )
    if matches[0] != 1:
        raise UnusableCertificate(
            f"the private key in {PRIVATE_KEY} fits certificate {matches[0]} in {CERTIFICATE}, and servers present the"
            " first: put it first, or let secret.tls put them in order"
        )


def get_facts(data: Mapping[str, SecretValue]) -> CertificateFacts:
    """Return what reports say of a TLS Secret that has a certificate."""
    try:
        blocks = parse_blocks(data[CERTIFICATE].reveal())
        certificates = parse_certificates(select_blocks(blocks, CERTIFICATE_LABEL))
        first = certificates[0]
    except (UnusableCertificate, IndexError):
        return CertificateFacts(None, None)
    notes = (*_describe_chain(blocks, certificates), *_describe_key(data, first), *_describe_authorities(data))
    chain = tuple(certificate.not_valid_after_utc for certificate in certificates[1:])
    return CertificateFacts(first.not_valid_before_utc, first.not_valid_after_utc, notes, chain)


def _read(content: bytes, key: str, label: str) -> list[Block]:
    """Return the blocks of a label; there is one at least, and all are of a form that everybody reads."""
    if not content.strip():
        raise UnusableCertificate(f"key {key}: empty")
    try:
        blocks = parse_blocks(content)
    except UnusableCertificate as error:
        raise UnusableCertificate(f"key {key}: {error}") from None
    wanted = select_blocks(blocks, label)
    if not wanted:
        raise UnusableCertificate(f"key {key}: {_describe_missing(content, blocks, label)}")
    for block in wanted:
        if block.form and not block.is_encrypted:
            what = f"PEM ({block.label}) {block.form}, which Go or OpenSSL do not read"
            raise UnusableCertificate(f"key {key}: {what}: {_name_way(block, key)}")
    return wanted


def _name_way(block: Block, key: str) -> str:
    """Return how a block gets a form that everybody reads.

    Raises:
        UnusableCertificate: in no way, for what it holds is not what its label says.
    """
    try:
        if block.label == CERTIFICATE_LABEL:
            parse_certificates([block])
        else:
            load_key(block)
    except UnknownKind:
        return f"have {_BY_FILTER} write it"
    except UnusableCertificate as error:
        raise UnusableCertificate(f"key {key}: {error}") from None
    return _BY_TLS if block.label == OPENSSH else f"{_BY_TLS}, or {_BY_FILTER}"


def _describe_missing(content: bytes, blocks: list[Block], label: str) -> str:
    noun = "private key" if label == KEY_LABEL else "certificate"
    if blocks:
        return f"no {noun} in it, but {' and '.join(dict.fromkeys(block.label for block in blocks))}"
    decoded = decode_base64(content)
    if b"-----BEGIN " in decoded:
        return "base64 of PEM: add decode: base64"
    for der in (content, decoded):
        length = measure_der(der)
        if length == len(der) or der.startswith(_INDEFINITE):
            return f"DER or PKCS#12 instead of PEM: {_describe_der(der, noun)}"
        if der.startswith(_LONG) and describe_cut(der):
            return f"DER or PKCS#12 instead of PEM{describe_cut(der)}"
    unknown = describe_unknown(content)
    wanted = "PRIVATE KEY" if label == KEY_LABEL else label
    return f"no PEM, which has -----BEGIN {wanted}-----" if unknown.startswith("neither") else unknown


def _describe_der(content: bytes, noun: str) -> str:
    """Return what is right for a file in DER or PKCS#12."""
    try:
        bundle = open_bundle(content, None)
    except UnusableCertificate:
        return f"{_BY_TLS}, with the password of the file"
    if not (bundle.keys if noun == "private key" else bundle.certificates):
        return f"and no {noun} in it, but a {'private key' if bundle.keys else 'certificate'}"
    return _BY_TLS


def _check_certificates(content: bytes, key: str) -> tuple[Certificate, ...]:
    blocks = _read(content, key, CERTIFICATE_LABEL)
    try:
        return parse_certificates(blocks)
    except UnusableCertificate as error:
        raise UnusableCertificate(f"key {key}: {error}") from None


def _check_key(content: bytes) -> Block | None:
    """Return the first private key, which is the one that counts; None if its kind is not known."""
    block = _read(content, PRIVATE_KEY, KEY_LABEL)[0]
    if block.is_encrypted:
        raise UnusableCertificate(
            f"key {PRIVATE_KEY}: encrypted, and who mounts the Secret has no password for it: give that to secret.tls"
        )
    try:
        load_key(block)
    except UnknownKind:
        return None
    except UnusableCertificate as error:
        raise UnusableCertificate(f"key {PRIVATE_KEY}: {error}") from None
    if block.label == OPENSSH:
        raise UnusableCertificate(f"key {PRIVATE_KEY}: a key in OpenSSH's own format: let secret.tls write it")
    return block


def _describe_chain(blocks: list[Block], certificates: tuple[Certificate, ...]) -> list[str]:
    notes = []
    if any(block.is_key for block in blocks):
        notes.append(f"{CERTIFICATE} holds a private key too, which whoever reads certificates sees")
    if is_authority(certificates[0]):
        notes.append(f"the certificate in {CERTIFICATE} is one of an authority, which many clients refuse of a server")
    for number, certificate in enumerate(certificates, 1):
        if refusal := describe_refusal(certificate):
            notes.append(
                f"certificate {number} in {CERTIFICATE} has {refusal}, which programs in Go do not take: have it issued"
                " anew"
            )
    disorder = find_disorder(certificates)
    if disorder:
        notes.append(
            f"certificate {disorder} in {CERTIFICATE} did not issue the one before: secret.tls puts them in order"
        )
    return notes


def _describe_key(data: Mapping[str, SecretValue], certificate: Certificate) -> list[str]:
    """Return the notes on a key that has passed `check`."""
    if PRIVATE_KEY not in data:
        return []
    unchecked = f"whether the private key in {PRIVATE_KEY} fits the certificate cannot be checked: its kind is unknown"
    try:
        keys = select_blocks(parse_blocks(data[PRIVATE_KEY].reveal()), KEY_LABEL)
        kind = name_kind_for_go(keys[0])
    except (UnusableCertificate, IndexError):
        return [unchecked]
    notes = [] if has_known_key(certificate) else [unchecked]
    if kind:
        notes.append(f"the private key in {PRIVATE_KEY} is {kind}, which programs in Go do not take")
    elif not notes and not has_standard_key(certificate):
        notes.append(
            f"the certificate in {CERTIFICATE} writes its public key in a way that programs in Go do not take: have it"
            " issued for a key of RSA, of a named curve, or Ed25519"
        )
    if not is_labelled_right(keys[0]):
        notes.append(
            f"{PRIVATE_KEY} is labelled {keys[0].label}, and of another format, which OpenSSL before 3.0 does not read:"
            " secret.tls writes it anew"
        )
    if len(keys) > 1:
        notes.append(f"{PRIVATE_KEY} holds {len(keys)} private keys, of which the first counts")
    return notes


def _describe_authorities(data: Mapping[str, SecretValue]) -> list[str]:
    """Return the notes on authorities; none on what nobody can read, which `check` refuses."""
    try:
        blocks = parse_blocks(data[CA_CERTIFICATE].reveal()) if CA_CERTIFICATE in data else []
        certificates = parse_certificates(select_blocks(blocks, CERTIFICATE_LABEL))
    except UnusableCertificate:
        return []
    notes = [f"{CA_CERTIFICATE} holds a private key too"] if select_blocks(blocks, KEY_LABEL) else []
    for number, certificate in enumerate(certificates, 1):
        if refusal := describe_refusal(certificate):
            notes.append(f"certificate {number} in {CA_CERTIFICATE} has {refusal}, so programs in Go leave it out")
    return notes
