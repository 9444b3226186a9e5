"""Check the content that a type of Secret requires of its keys, and build the content of `.dockerconfigjson`."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from keyferry.errors import SourceUnusable
from keyferry.formats import jsontext
from keyferry.model import SecretValue
from keyferry.render.pki.pem import OPENSSH, UnusableCertificate, parse_blocks, select_blocks
from keyferry.render.pki.pem import PRIVATE_KEY as PRIVATE_KEY_LABEL
from keyferry.secret_types import (
    CA_CERTIFICATE,
    CERTIFICATE,
    DOCKER_CONFIG,
    DOCKER_CONFIG_JSON,
    DOCKER_CONFIG_JSON_KEY,
    DOCKER_CONFIG_KEY,
    PRIVATE_KEY,
    SSH_AUTH,
    SSH_PRIVATE_KEY,
    TLS,
)

if TYPE_CHECKING:
    from keyferry.render.pki import tls

_JSON = {DOCKER_CONFIG_JSON: DOCKER_CONFIG_JSON_KEY, DOCKER_CONFIG: DOCKER_CONFIG_KEY}
"""Type of Secret → its key, whose value has to be a JSON object."""
_PUBLIC_KEYS = (b"ssh-", b"ecdsa-", b"sk-")
"""How the line of a public key begins (sshd(8), AUTHORIZED_KEYS FILE FORMAT)."""


def check(secret_type: str, data: Mapping[str, SecretValue], where: str) -> None:
    """Check the content of the keys that belong to the type of a Secret.

    Args:
        secret_type: the type of the Secret.
        data: the data of the Secret. Keys that are missing are not an error here.
        where: the name of the mapping, for messages.

    Raises:
        SourceUnusable: the API server would refuse the content, or nobody could use it: a private key that does not
            belong to the certificate, for example. The message quotes no value.
    """
    if secret_type in _JSON and _JSON[secret_type] in data and not _is_json_object(data[_JSON[secret_type]]):
        raise SourceUnusable(f"{where}, key {_JSON[secret_type]}: no JSON object, as type {secret_type} needs it")
    if secret_type == SSH_AUTH and SSH_PRIVATE_KEY in data and not len(data[SSH_PRIVATE_KEY]):
        raise SourceUnusable(f"{where}, key {SSH_PRIVATE_KEY}: empty, and type {secret_type} needs a private key")
    if secret_type == SSH_AUTH and SSH_PRIVATE_KEY in data:
        _check_ssh_key(data[SSH_PRIVATE_KEY].reveal(), f"{where}, key {SSH_PRIVATE_KEY}")
    if secret_type == TLS and {CERTIFICATE, PRIVATE_KEY, CA_CERTIFICATE} & data.keys():
        from keyferry.render.pki import tls  # noqa: PLC0415  # large, and only TLS Secrets need it

        try:
            tls.check(data)
        except UnusableCertificate as error:
            separator = ", " if str(error).startswith("key ") else ": "
            raise SourceUnusable(f"{where}{separator}{error}") from None


def _check_ssh_key(content: bytes, where: str) -> None:
    """Check that a private key for SSH is not in a form that no client reads."""
    try:
        blocks = parse_blocks(content)
    except UnusableCertificate as error:
        raise SourceUnusable(f"{where}: {error}") from None
    for block in blocks:
        if block.form:
            raise SourceUnusable(
                f"{where}: PEM ({block.label}) {block.form}, which no SSH client reads: make it anew by a template with"
                " the filter pem"
            )
    if content.startswith(_PUBLIC_KEYS) or (blocks and not select_blocks(blocks, PRIVATE_KEY_LABEL)):
        raise SourceUnusable(f"{where}: a public key or a certificate, and type {SSH_AUTH} needs a private key")


@dataclass(frozen=True)
class Facts:
    """What reports say of the content of a Secret."""

    certificate: "tls.CertificateFacts | None" = None
    notes: tuple[str, ...] = ()
    """What is to be told, whatever the time is."""

    def describe(self, now: datetime) -> tuple[str, ...]:
        """Return the sentences for a report."""
        return (*(self.certificate.describe(now) if self.certificate else ()), *self.notes)


def get_facts(secret_type: str, data: Mapping[str, SecretValue]) -> Facts:
    """Return what reports say of a Secret: when its certificate expires, which key others do not take."""
    if secret_type == SSH_AUTH and SSH_PRIVATE_KEY in data:
        return Facts(notes=_describe_ssh_key(data[SSH_PRIVATE_KEY].reveal()))
    if secret_type != TLS or CERTIFICATE not in data:
        return Facts()
    from keyferry.render.pki import tls  # noqa: PLC0415  # as in `check`

    return Facts(tls.get_facts(data))


def _describe_ssh_key(content: bytes) -> tuple[str, ...]:
    """Return the notes on a private key for SSH. OpenSSH's parser takes its own format by the letter (sshkey.c)."""
    try:
        keys = select_blocks(parse_blocks(content), PRIVATE_KEY_LABEL)
    except UnusableCertificate:
        keys = []
    if not keys:
        return (f"{SSH_PRIVATE_KEY} holds no private key in PEM",)
    way = "a template with the filter pem makes it anew"
    if keys[0].label == OPENSSH and not content.startswith(b"-----BEGIN"):
        return (f"OpenSSH does not read {SSH_PRIVATE_KEY}, since it does not begin with the key: {way}",)
    if keys[0].label == OPENSSH and (b"\r" in content or not content.endswith(b"\n")):
        what = "its lines end in CRLF" if b"\r" in content else "its last line has no end"
        return (f"OpenSSH does not read {SSH_PRIVATE_KEY}, since {what}: {way}",)
    return ()


def build_docker_config(accounts: Mapping[str, Mapping[str, str]]) -> str:
    """Return the content of `.dockerconfigjson`, with which Kubernetes signs in to image registries.

    Args:
        accounts: host of a registry → `username`, `password` and, optionally, `email`.
    """
    return jsontext.to_text(
        {"auths": {server: {**account, **_build_auth(account)} for server, account in accounts.items()}}
    )


def _build_auth(account: Mapping[str, str]) -> dict[str, str]:
    pair = f"{account['username']}:{account['password']}"
    return {"auth": base64.b64encode(pair.encode()).decode()}


def _is_json_object(value: SecretValue) -> bool:
    try:
        return isinstance(jsontext.parse(value.reveal()), dict)
    except ValueError:
        return False
