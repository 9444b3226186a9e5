r"""Read PEM in the forms that people have it in, and write it as RFC 7468 says, in a time that is linear in its length.

What is read is what differs from the standard without being ambiguous: blocks on one line, indented, with line ends of
any kind or written out as `\n`, in UTF-16. Go (`encoding/pem`) and OpenSSL (`crypto/pem/pem_lib.c`) are stricter.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

CERTIFICATE = "CERTIFICATE"
PRIVATE_KEY = "PRIVATE KEY"
"""The end of the label of every type of private key."""
OPENSSH = "OPENSSH PRIVATE KEY"
"""The label of OpenSSH's own format."""
OPENSSH_PLAIN = b"openssh-key-v1\0\0\0\0\x04none"
"""How the content of an OpenSSH key begins that is not encrypted (PROTOCOL.key of OpenSSH)."""
_ALIASES = {"X509 CERTIFICATE": CERTIFICATE, "X.509 CERTIFICATE": CERTIFICATE, "TRUSTED CERTIFICATE": CERTIFICATE}
"""Old labels that OpenSSL reads beside the one of RFC 7468, and Go does not."""
_BOUNDARY = re.compile(rb"-----(BEGIN|END) ([A-Z0-9. ]{1,64})-----")
_STRICT = re.compile(
    rb"(?:^|(?<=\n))-----BEGIN ([A-Z0-9 ]+)-----[ \t]*\r?\n(?:[ \t]*\r?\n)?"
    rb"(?:[ \t]*[A-Za-z0-9+/=][A-Za-z0-9+/= \t]*\r?\n)+"
    rb"-----END \1-----(?=\s|\Z)"
)
"""A block that Go and OpenSSL read. They allow spaces in a line; OpenSSL takes an empty line for a header's end."""
_HEADERS = re.compile(rb"\s*Proc-Type:\s*4,ENCRYPTED\s+DEK-Info:\s*([A-Z0-9-]+,[0-9A-Fa-f]+)\s")
"""The lines of an encrypted key of OpenSSL's traditional format (RFC 1421, 4.6)."""
_ESCAPED = re.compile(rb"\\{1,4}(?:u00([0-9A-Fa-f]{2})|[nrt])")
_AS_ISSUED = "store the file as it was issued"
_DAMAGES = (
    (re.compile(rb"(?m)^[ \t]*>"), "its lines begin with >, as in a mail that was quoted"),
    (re.compile(rb"(?i)<[a-z/]|&[a-z]+;|&#"), "it has marks of a web page, as <br>"),
    (re.compile(rb"%[0-9A-Fa-f]{2}"), "it is written as in a URL, with %0A for a line end"),
    (re.compile(rb"\^[MJ]"), "it has ^M, as editors show a line end"),
    (re.compile(rb"\.\.\.|\xe2\x80\xa6|\[|\*\*"), "a part of it is left out"),
    (re.compile(rb"[,;]"), "it has commas between its lines"),
    (re.compile(rb"\A\s*M[A-Za-z0-9_\s=-]*\Z"), "it is base64url, which has - and _ instead of + and /"),
    (re.compile(rb"\A\s*+[A-Za-z0-9+/][A-Za-z0-9+/\s]*+=*+\s*+\Z"), "it was cut"),
)
"""What is within a block that is not base64 → what was done to it, the surest first."""
_UNPRINTED = re.compile(rb"\s|\xc2\xa0|\xe2\x80\x8b|\xef\xbb\xbf")
"""White space, and what looks like it in UTF-8: no-break and zero-width spaces, a byte order mark."""
_OTHERS = (
    (
        b"\xfe\xed\xfe\xed",
        "a Java keystore (JKS): make PKCS#12 of it, by keytool -importkeystore -deststoretype PKCS12",
    ),
    (b"\xce\xce\xce\xce", "a Java keystore (JCEKS): make PKCS#12 of it, by keytool -importkeystore"),
    (b"PuTTY-User-Key-File", "a key of PuTTY: export it as OpenSSH key, by puttygen -O private-openssh"),
    (b"{", "JSON, and not PEM or PKCS#12: give the path to its part; a JWK is read by the filter jwk_private_key_pem"),
    (b"ssh-", "a public key of OpenSSH, and no private key or certificate"),
    (b"ecdsa-", "a public key of OpenSSH, and no private key or certificate"),
)
"""How a file begins that is neither PEM nor DER → what it is, and the way to what can be read."""
_ALMOST = re.compile(rb"(?i)BEGIN ([A-Z0-9.]+ ){0,3}(CERTIFICATE|PRIVATE KEY)")
"""What is in a text that was PEM, before somebody or a word processor changed its dashes."""
_SEQUENCE = 0x30
"""The first byte of every DER sequence, and so of every certificate, key and PKCS#12 file."""
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class UnusableCertificate(ValueError):
    """Certificates or keys cannot be used as requested. The message quotes nothing of them."""


@dataclass(frozen=True)
class Block:
    """A PEM block, as it was written."""

    label: str
    """What follows `BEGIN`, such as `CERTIFICATE`."""
    body: bytes = field(repr=False)
    """What is between its first and its last line."""
    form: str = ""
    """What Go or OpenSSL do not read about the form of the block, such as `on one line`; empty where both read it."""

    @property
    def is_key(self) -> bool:
        """Whether it holds a private key."""
        return self.label.endswith(PRIVATE_KEY)

    @property
    def is_encrypted(self) -> bool:
        """Whether it is a private key that is encrypted; OpenSSH has that within the content."""
        return self.label == "ENCRYPTED PRIVATE KEY" or b"Proc-Type:" in self.body

    @property
    def content(self) -> bytes:
        """What the block holds, mostly in DER.

        Raises:
            UnusableCertificate: it is not base64.
        """
        return self._split()[1]

    @property
    def pem(self) -> bytes:
        """The block, written as RFC 7468 says: 64 characters in a line, and LF.

        Raises:
            UnusableCertificate: it is not base64.
        """
        cipher, content = self._split()
        return write_pem(self.label, content, cipher)

    def _split(self) -> tuple[bytes, bytes]:
        """Return the cipher of a traditional encrypted key (empty for any other), and what is in base64."""
        text = _ESCAPED.sub(lambda escaped: chr(int(escaped[1] or b"0a", 16)).encode(), self.body)
        text = _UNPRINTED.sub(b" ", text)
        headers = _HEADERS.match(text)
        text = text[headers.end() if headers else 0 :].translate(None, b" \\").rstrip(b"=")
        try:
            content = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
        except binascii.Error:
            content = b""
        if not content:
            reason = "is of PGP, which is no PEM: leave it as it is"
            if not self.label.startswith("PGP "):
                reason = f"holds something else than base64{_describe_damage(self.body)}: {_AS_ISSUED}"
            raise UnusableCertificate(f"the block {self.label} in it {reason}")
        return headers[1] if headers else b"", content


def write_pem(label: str, content: bytes, cipher: bytes = b"") -> bytes:
    """Return a PEM block.

    Args:
        label: what follows `BEGIN`.
        content: what it holds, mostly in DER.
        cipher: of an encrypted key in OpenSSL's traditional format, the cipher and its start, such as `DES-CBC,0A…`.
    """
    text = base64.b64encode(content)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    headers = [b"Proc-Type: 4,ENCRYPTED", b"DEK-Info: " + cipher, b""] if cipher else []
    name = label.encode()
    return b"\n".join([b"-----BEGIN " + name + b"-----", *headers, *lines, b"-----END " + name + b"-----", b""])


def parse_blocks(text: bytes) -> list[Block]:
    """Return the PEM blocks of a text, in their order; none where it has none. Text around them is left out.

    Raises:
        UnusableCertificate: a block does not end, or has no beginning: the text was cut.
    """
    return list(_list_blocks(text))


def select_blocks(blocks: Iterable[Block], label: str) -> list[Block]:
    """Return the blocks of a label; `PRIVATE KEY` stands for every type of private key."""
    return [block for block in blocks if block.label == label or (label == PRIVATE_KEY and block.is_key)]


def decode_base64(content: bytes) -> bytes:
    """Return what is in base64, whatever its lines are like; nothing if it is not base64."""
    with suppress(UnusableCertificate):
        return Block("", content).content
    return b""


def _describe_damage(body: bytes) -> str:
    """Return what was done to what was base64; empty where nothing is seen."""
    damages = (description for pattern, description in _DAMAGES if pattern.search(body))
    return "".join(f", for {damage}" for damage in (next(damages, ""),) if damage)


def measure_der(content: bytes) -> int | None:
    """Return how long DER is by its own account; None for what is not DER, or says nothing of its length."""
    if len(content) < 2 or content[0] != _SEQUENCE or content[1] == 0x80:
        return None
    size = content[1] & 0x7F if content[1] & 0x80 else 0
    return 2 + size + (int.from_bytes(content[2 : 2 + size]) if size else content[1])


def describe_cut(content: bytes) -> str:
    """Return, for the end of a message, that DER was cut, and what is right; empty where it is whole, or no DER."""
    return f": it was cut, so {_AS_ISSUED}" if (measure_der(content) or 0) > len(content) else ""


def describe_unknown(content: bytes) -> str:
    """Return what a text or file is that is neither PEM nor PKCS#12, and the way to what can be read."""
    if not content.strip():
        return "empty"
    for beginning, description in _OTHERS:
        if content.lstrip().startswith(beginning) or decode_base64(content).startswith(beginning):
            return description
    if _ALMOST.search(content):
        return "nearly PEM: its lines BEGIN and END need five dashes on either side, and capital letters"
    return "neither PEM nor PKCS#12"


def _list_blocks(text: bytes) -> Iterator[Block]:
    encoding = "in UTF-16" if text.startswith(_UTF16) else ""
    if encoding:
        text = text.decode("utf-16", "replace").encode()
    begin: re.Match[bytes] | None = None
    for boundary in _BOUNDARY.finditer(text):
        if (boundary[1] == b"BEGIN") == (begin is not None) or (begin and begin[2] != boundary[2]):
            raise UnusableCertificate(_describe_cut(begin or boundary))
        if begin:
            label = begin[2].decode()
            form = encoding or _describe_form(text, begin, boundary)
            yield Block(_ALIASES.get(label, label), text[begin.end() : boundary.start()], form)
        begin = None if begin else boundary
    if begin:
        raise UnusableCertificate(_describe_cut(begin))


def _describe_cut(boundary: re.Match[bytes]) -> str:
    verb, other = ("begins", "END") if boundary[1] == b"BEGIN" else ("ends", "BEGIN")
    label = boundary[2].decode()
    return f"a block {label} {verb} in it without its line -----{other} {label}-----: it was cut, or mixed up"


def _describe_form(text: bytes, begin: re.Match[bytes], end: re.Match[bytes]) -> str:
    """Return what Go or OpenSSL do not read about the form of a block; empty where they read it."""
    body, label = text[begin.end() : end.start()], begin[2].decode()
    if label in _ALIASES:
        return f"labelled {label} instead of {_ALIASES[label]}"
    if _STRICT.match(text, begin.start()):
        return "" if len(b"".join(body.split())) % 4 == 0 else "without the = at the end of its base64"
    if _HEADERS.match(body):  # an encrypted key has other lines, too
        return ""
    if b"\\" in body:
        return "with its line ends written out, as \\n"
    if b"\n" not in body:
        return "with CR alone as its line ends" if b"\r" in body else "on one line"
    if text.startswith(b"-----", end.end()):
        return "joined to the next block without a line end"
    if text.startswith(b"\xef\xbb\xbf-----"):
        return "after a byte order mark"
    before = text[max(0, begin.start() - 1) : begin.start()], text[end.start() - 1 : end.start()]
    if any(character and character not in b"\n" for character in before):
        return "indented" if all(not character.strip() for character in before) else "within a line of other text"
    return "with empty lines, or other text, between its lines"
