"""Check the content that a type of Secret requires of its keys, and build the content of `.dockerconfigjson`."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from keyferry.errors import SourceUnusable, in_part
from keyferry.formats import jsontext
from keyferry.model import SecretValue
from keyferry.render.pki import ssh
from keyferry.render.pki.pem import UnusableCertificate, decode_base64
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
_TOKENS = ("identitytoken", "registrytoken")
"""What an account of Docker can have in place of a password."""


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
    if secret_type in _JSON and _JSON[secret_type] in data:
        with in_part(f"secret.data.{_JSON[secret_type]}"):
            _check_json(data[_JSON[secret_type]], secret_type, f"{where}, key {_JSON[secret_type]}")
    if secret_type == SSH_AUTH and SSH_PRIVATE_KEY in data:
        _check_ssh_key(data[SSH_PRIVATE_KEY], f"{where}, key {SSH_PRIVATE_KEY}")
    if secret_type == TLS and {CERTIFICATE, PRIVATE_KEY, CA_CERTIFICATE} & data.keys():
        from keyferry.render.pki import tls  # noqa: PLC0415  # large, and only TLS Secrets need it

        try:
            tls.check(data)
        except UnusableCertificate as error:
            separator = ", " if str(error).startswith("key ") else ": "
            keys = (key for key in (CERTIFICATE, CA_CERTIFICATE) if str(error).startswith(f"key {key}:"))
            with in_part(f"secret.data.{next(keys, PRIVATE_KEY)}"):
                raise SourceUnusable(f"{where}{separator}{error}") from None


@in_part(f"secret.data.{SSH_PRIVATE_KEY}")
def _check_ssh_key(value: SecretValue, where: str) -> None:
    try:
        ssh.check(value.reveal())
    except UnusableCertificate as error:
        raise SourceUnusable(f"{where}: {error}") from None


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
    """Return what reports say of a Secret: when its certificate expires, what others do not read."""
    if secret_type == SSH_AUTH and SSH_PRIVATE_KEY in data:
        return Facts(notes=ssh.describe(data[SSH_PRIVATE_KEY].reveal()))
    if secret_type in _JSON and _JSON[secret_type] in data:
        return Facts(notes=_describe_accounts(secret_type, _parse_json(data[_JSON[secret_type]].reveal())))
    if secret_type != TLS or CERTIFICATE not in data:
        return Facts()
    from keyferry.render.pki import tls  # noqa: PLC0415  # as in `check`

    return Facts(tls.get_facts(data))


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


def _parse_json(content: bytes) -> object:
    """Return a JSON document; None for anything else."""
    try:
        return jsontext.parse(content)
    except ValueError:
        return None


def _check_json(value: SecretValue, secret_type: str, where: str) -> None:
    document = _parse_json(value.reveal())
    if isinstance(document, dict):
        return
    way = ""
    if isinstance(document, str) and isinstance(_parse_json(document.encode()), dict):
        way = ", but one as text within JSON: a template with the filter fromjson takes it out"
    elif isinstance(_parse_json(decode_base64(value.reveal())), dict):
        way = ", but base64 of one: add decode: base64"
    raise SourceUnusable(f"{where}: no JSON object, as type {secret_type} needs it{way}")


def _describe_accounts(secret_type: str, document: object) -> tuple[str, ...]:
    """Return the notes on sign-ins to registries, as the kubelet reads them (kubernetes/pkg/credentialprovider)."""
    key = _JSON[secret_type]
    members = document if isinstance(document, dict) else {}
    accounts = members.get("auths") if secret_type == DOCKER_CONFIG_JSON else members
    if not isinstance(accounts, dict):
        return (f"{key} has no auths, an object with the registries, so nobody signs in by it",)
    if secret_type == DOCKER_CONFIG and isinstance(accounts.get("auths"), dict):
        return (f"{key} has auths, as type {DOCKER_CONFIG_JSON} wants it, so nobody signs in by it",)
    unusable = [_name_host(server) for server, account in accounts.items() if not _can_sign_in(account)]
    if not unusable:
        return ()
    kept = ", which a computer keeps elsewhere (credsStore)" if {"credsStore", "credHelpers"} & members.keys() else ""
    more = f" and {len(unusable) - 1} more" if len(unusable) > 1 else ""
    return (f"{key} has no user and password, nor base64 of both as auth, for {unusable[0]}{more}{kept}",)


def _name_host(server: str) -> str:
    """Return a registry as messages have it: without what stands before an @, which can be a password."""
    return jsontext.escape_surrogates(server.rpartition("@")[2])


def _can_sign_in(account: object) -> bool:
    """Return whether an account has a user and password, or a token."""
    if not isinstance(account, dict):
        return False
    if account.get("auth"):
        return b":" in decode_base64(str(account["auth"]).encode())
    return bool(account.get("username") and account.get("password")) or any(account.get(token) for token in _TOKENS)
