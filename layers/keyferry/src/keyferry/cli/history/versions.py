"""The versions of a secret, as Secrets Manager tells of them without a value.

Parameter Store has no call for that: GetParameterHistory answers with values. Of a parameter the log and the Secrets
tell what there was.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keyferry.arn import Arn
from keyferry.aws.errors import translate_errors
from keyferry.cli.states import Row
from keyferry.cli.trace.subject import SourceName, reads
from keyferry.stores.secrets_manager import CURRENT, NAME


@dataclass(frozen=True)
class SecretVersion:
    """A version of a secret."""

    id: str
    created: datetime | None
    labels: frozenset[str]
    """Its staging labels."""

    @property
    def is_current(self) -> bool:
        """Whether it is what is read without a label."""
        return CURRENT in self.labels


@dataclass(frozen=True)
class SecretAddress:
    """Where a secret is."""

    id: str
    """Its name, or its ARN where somebody has written that."""
    region: str | None
    """None for the region of the stack."""


def list_addresses(subject: SourceName, rows: Iterable[Row]) -> list[SecretAddress]:
    """Return where the secrets are that targets read by a name; empty if it is none of a secret.

    The same name can be read in several regions and accounts. Whoever asks by an ARN means the one.
    """
    asked = Arn.parse(subject.identifier)
    found = [source for row in rows for source in row["sources"] if reads(source, subject.names)]
    secrets = [source for source in found if source["store"] == NAME]
    if asked and secrets:
        return [SecretAddress(subject.identifier, asked.region)]
    return list(dict.fromkeys(_address(source["name"], source.get("region")) for source in secrets))


def _address(name: str, region: str | None) -> SecretAddress:
    arn = Arn.parse(name)
    return SecretAddress(name, arn.region if arn else region)


def list_versions(client: Any, secret: str) -> list[SecretVersion]:  # noqa: ANN401  # one of boto3's generated classes
    """Return the versions of a secret (ListSecretVersionIds), also those without a label that AWS still has.

    Args:
        client: a client of Secrets Manager, in the region of the secret.
        secret: its name or ARN.

    Raises:
        KeyferryError: AWS refused the call or gave no answer (`keyferry.aws.errors.translate_errors`).
    """
    return list(_list_pages(client, secret))


def _list_pages(client: Any, secret: str) -> Iterator[SecretVersion]:  # noqa: ANN401  # as above
    asked: dict[str, Any] = {"SecretId": secret, "IncludeDeprecated": True, "MaxResults": 100}
    while True:
        with translate_errors(f"secretsmanager:ListSecretVersionIds on {secret}"):
            page = client.list_secret_version_ids(**asked)
        for each in page["Versions"]:
            labels = frozenset(each.get("VersionStages", ()))
            yield SecretVersion(each["VersionId"], each.get("CreatedDate"), labels)
        if "NextToken" not in page:
            return
        asked["NextToken"] = page["NextToken"]
