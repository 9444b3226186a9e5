"""What the keys of a typed Secret hold: checked before it is written, and made where a mapping gives the parts."""

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
"""Type → its key that holds a JSON object."""


@dataclass(frozen=True)
class Certificate:
    """What can be said of the certificate of a Secret."""

    expires: datetime | None
    """When it expires; None where it cannot be read."""

    def note(self, now: datetime) -> str:
        """Return what a report says of it."""
        if self.expires is None:
            return f"{CERTIFICATE} holds no certificate in PEM that can be read"
        verb = "expires" if self.expires > now else "has expired"
        return f"the certificate in {CERTIFICATE} {verb} on {self.expires:%Y-%m-%d}"


def check(kind: str, data: Mapping[str, SecretValue], where: str) -> None:
    """Check what the keys hold that a type gives a meaning to.

    Args:
        kind: the type of the Secret.
        data: its data. A key that is missing is not checked here.
        where: the mapping, for errors.

    Raises:
        SourceUnusable: what the API server, or whoever uses the Secret, could not use. The text holds no value.
    """
    if kind in _JSON and _JSON[kind] in data and not _is_object(data[_JSON[kind]]):
        raise SourceUnusable(f"{where}, key {_JSON[kind]}: no JSON object, as type {kind} needs it")
    if kind == SSH_AUTH and SSH_PRIVATE_KEY in data and not len(data[SSH_PRIVATE_KEY]):
        raise SourceUnusable(f"{where}, key {SSH_PRIVATE_KEY}: empty, and type {kind} needs a private key")
    if kind == TLS and {CERTIFICATE, PRIVATE_KEY} <= data.keys():
        from keyferry.render import certificates  # noqa: PLC0415  # large, and only TLS Secrets need it

        if certificates.fits(data[CERTIFICATE].reveal(), data[PRIVATE_KEY].reveal()) is False:
            raise SourceUnusable(
                f"{where}: the private key in {PRIVATE_KEY} does not fit the certificate in {CERTIFICATE}:"
                " take both from one pair"
            )


def certificate(kind: str, data: Mapping[str, SecretValue]) -> Certificate | None:
    """Return what can be said of the certificate of a TLS Secret; None for a Secret that has none."""
    if kind != TLS or CERTIFICATE not in data:
        return None
    from keyferry.render import certificates  # noqa: PLC0415  # as in `check`

    return Certificate(certificates.expiry(data[CERTIFICATE].reveal()))


def docker_config(accounts: Mapping[str, Mapping[str, str]]) -> str:
    """Return the JSON with which Kubernetes signs in to registries.

    Args:
        accounts: server → username, password and, where there is one, email.
    """
    return jsontext.to_text({"auths": {server: {**account, **_auth(account)} for server, account in accounts.items()}})


def _auth(account: Mapping[str, str]) -> dict[str, str]:
    pair = f"{account['username']}:{account['password']}"
    return {"auth": base64.b64encode(pair.encode()).decode()}


def _is_object(value: SecretValue) -> bool:
    try:
        return isinstance(jsontext.parse(value.reveal()), dict)
    except ValueError:
        return False
