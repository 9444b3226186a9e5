"""Check the content that a type of Secret requires of its keys, and build the content of `.dockerconfigjson`."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from keyferry.errors import SourceUnusable
from keyferry.formats import jsontext
from keyferry.model import SecretValue
from keyferry.secret_types import (
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

_JSON = {DOCKER_CONFIG_JSON: DOCKER_CONFIG_JSON_KEY, DOCKER_CONFIG: DOCKER_CONFIG_KEY}
"""Type of Secret → its key, whose value has to be a JSON object."""


@dataclass(frozen=True)
class Certificate:
    """The certificate of a TLS Secret, as far as reports describe it."""

    expires: datetime | None
    """When it expires; None if the certificate cannot be parsed."""

    def describe(self, now: datetime) -> str:
        """Return the sentence for a report that says when the certificate expires."""
        if self.expires is None:
            return f"{CERTIFICATE} holds no certificate in PEM that can be read"
        verb = "expires" if self.expires > now else "has expired"
        return f"the certificate in {CERTIFICATE} {verb} on {self.expires:%Y-%m-%d}"


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
    if secret_type == TLS and {CERTIFICATE, PRIVATE_KEY} <= data.keys():
        from keyferry.render import certificates  # noqa: PLC0415  # large, and only TLS Secrets need it

        if certificates.is_key_pair(data[CERTIFICATE].reveal(), data[PRIVATE_KEY].reveal()) is False:
            raise SourceUnusable(
                f"{where}: the private key in {PRIVATE_KEY} does not fit the certificate in {CERTIFICATE}:"
                " take both from one pair"
            )


def get_certificate(secret_type: str, data: Mapping[str, SecretValue]) -> Certificate | None:
    """Return the certificate of a TLS Secret; None for any other Secret, and for one without a certificate."""
    if secret_type != TLS or CERTIFICATE not in data:
        return None
    from keyferry.render import certificates  # noqa: PLC0415  # as in `check`

    return Certificate(certificates.get_expiry(data[CERTIFICATE].reveal()))


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
