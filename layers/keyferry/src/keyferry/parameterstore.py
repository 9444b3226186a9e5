"""Parameter Store: values, and the versions that a sweep compares."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from keyferry.aws import translated
from keyferry.events import parameter_name
from keyferry.model import SecretValue, SourceValue
from keyferry.source import Source

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


def read(client: "SSMClient", source: Source) -> SourceValue:
    """Return the value of a parameter of any type, decrypted: the latest, or that of a version or label.

    Raises:
        KeyferryError: as `keyferry.aws.translated` says.
    """
    which = source.version or source.label
    selector = f"{source.identifier}:{which}" if which else source.identifier
    with translated(f"ssm:GetParameter on {selector} in {client.meta.region_name}"):
        parameter = client.get_parameter(Name=selector, WithDecryption=True)["Parameter"]
    return SourceValue(
        SecretValue(parameter["Value"].encode()),
        version_of(parameter["Version"], parameter["LastModifiedDate"]),
    )


def version_of(number: int, modified: datetime) -> str:
    """Return what identifies a version: its number alone does not, since a parameter made anew counts from 1."""
    return f"{number}@{modified.astimezone(UTC).isoformat(timespec='seconds')}"


def versions(client: "SSMClient") -> dict[str, str]:
    """Return name (without leading slash) → latest version of every parameter of the region, without a value."""
    with translated("ssm:DescribeParameters"):
        return {
            parameter_name(parameter["Name"]): version_of(parameter["Version"], parameter["LastModifiedDate"])
            for page in client.get_paginator("describe_parameters").paginate(PaginationConfig={"PageSize": 50})
            for parameter in page["Parameters"]
        }
