"""Secrets Manager: values, and the versions that a sweep compares."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from keyferry.aws import translated
from keyferry.errors import SourceUnusable
from keyferry.model import CURRENT, SecretValue, SourceValue
from keyferry.source import Source

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

PENDING = "AWSPENDING"


def read(client: "SecretsManagerClient", source: Source) -> SourceValue:
    """Return the value of a secret: the current one, that of a label, or that of a version.

    Raises:
        SourceUnusable: the version is still pending; such a value is never pushed.
        KeyferryError: as `keyferry.aws.translated` says.
    """
    which = {"VersionId": source.version} if source.version else {"VersionStage": source.label or CURRENT}
    where = f"{source.identifier} ({', '.join(which.values())}) in {client.meta.region_name}"
    with translated(f"secretsmanager:GetSecretValue on {where}"):
        answer = client.get_secret_value(SecretId=source.identifier, **which)
    stages = answer.get("VersionStages", [])
    if PENDING in stages and CURRENT not in stages:
        raise SourceUnusable(f"secret {source.identifier}: version {answer['VersionId']} is pending, not current")
    text, binary = answer.get("SecretString"), answer.get("SecretBinary")
    if text is None and binary is None:
        raise SourceUnusable(f"secret {source.identifier}: version {answer['VersionId']} is empty")
    content = text.encode() if text is not None else bytes(binary or b"")
    return SourceValue(SecretValue(content), answer["VersionId"], binary=text is None)


def versions(client: "SecretsManagerClient") -> dict[str, Mapping[str, str]]:
    """Return name → label → version id of every secret of the region, without reading a value.

    The listing lags by up to five minutes.
    """
    with translated("secretsmanager:ListSecrets"):
        return {
            secret["Name"]: {label: version for version, labels in stages.items() for label in labels}
            for page in client.get_paginator("list_secrets").paginate(PaginationConfig={"PageSize": 100})
            for secret in page["SecretList"]
            if (stages := secret.get("SecretVersionsToStages", {}))
        }
