"""Check the private key of a Secret of type `kubernetes.io/ssh-auth`, as SSH clients read it."""

from keyferry.render.pki.pem import (
    OPENSSH,
    OPENSSH_PLAIN,
    PRIVATE_KEY,
    UnusableCertificate,
    decode_base64,
    describe_unknown,
    parse_blocks,
    select_blocks,
)
from keyferry.secret_types import SSH_AUTH, SSH_PRIVATE_KEY

_PUBLIC_KEYS = (b"ssh-", b"ecdsa-", b"sk-")
"""How the line of a public key begins (sshd(8), AUTHORIZED_KEYS FILE FORMAT)."""
_WAY = "a template with the filter pem makes it anew"


def check(content: bytes) -> None:
    """Check that a private key is not in a form that no client reads.

    Raises:
        UnusableCertificate: it is; or it is no private key.
    """
    if not content:
        raise UnusableCertificate(f"empty, and type {SSH_AUTH} needs a private key")
    blocks = parse_blocks(content)
    if blocks and not select_blocks(blocks, PRIVATE_KEY):
        labels = " and ".join(dict.fromkeys(block.label for block in blocks))
        raise UnusableCertificate(f"no private key in it, but {labels}")
    for block in blocks:
        if block.form and block.content:  # which raises an error where the filter would find no base64, either
            what = f"PEM ({block.label}) {block.form}, which no SSH client reads"
            raise UnusableCertificate(f"{what}: make it anew by a template with the filter pem")
    if content.startswith(_PUBLIC_KEYS):
        raise UnusableCertificate(f"a public key, and type {SSH_AUTH} needs a private key")
    if not blocks and b"-----BEGIN " in decode_base64(content):
        raise UnusableCertificate("base64 of PEM: add decode: base64")


def describe(content: bytes) -> tuple[str, ...]:
    """Return the notes on a private key. OpenSSH's parser takes its own format by the letter (sshkey.c)."""
    try:
        keys = select_blocks(parse_blocks(content), PRIVATE_KEY)
    except UnusableCertificate:
        keys = []
    if not keys:
        what = describe_unknown(content)
        other = "" if what.startswith("neither") else f", but {what}"
        return (f"{SSH_PRIVATE_KEY} holds no private key in PEM{other}",)
    notes, key = [], keys[0]
    if key.label == OPENSSH and not content.startswith(b"-----BEGIN"):
        notes.append(f"OpenSSH does not read {SSH_PRIVATE_KEY}, since it does not begin with the key: {_WAY}")
    elif key.label == OPENSSH and (b"\r" in content or not content.endswith(b"\n")):
        what = "its lines end in CRLF" if b"\r" in content else "its last line has no end"
        notes.append(f"OpenSSH does not read {SSH_PRIVATE_KEY}, since {what}: {_WAY}")
    if key.is_encrypted or (key.label == OPENSSH and not key.content.startswith(OPENSSH_PLAIN)):
        notes.append(f"the private key in {SSH_PRIVATE_KEY} is encrypted: who uses it needs its password too")
    return tuple(notes)
