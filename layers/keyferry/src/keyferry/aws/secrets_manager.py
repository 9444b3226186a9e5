"""Secrets Manager: values, tags, and the listing that a sweep and a `find` compare."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from keyferry.aws import errors
from keyferry.aws.calls import Together, once
from keyferry.aws.errors import translated
from keyferry.aws.sessions import Service
from keyferry.errors import SourceMissing, SourceUnavailable, SourceUnusable
from keyferry.formats import jsontext
from keyferry.model import SecretValue, SourceValue, moment
from keyferry.stores.find import checked, version_of
from keyferry.stores.secrets_manager import CURRENT, PENDING
from keyferry.stores.source import Source

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

CLIENT: Service = "secretsmanager"
TOGETHER: Together | None = None
"""BatchGetSecretValue has no resource-level permissions, so that only a find uses it."""
BATCH = 20
"""What BatchGetSecretValue takes."""


@dataclass(frozen=True)
class Listed:
    """A secret as the listing shows it."""

    arn: str
    name: str
    labels: Mapping[str, str]
    """Staging label → version id."""
    tags: Mapping[str, str]
    changed: str
    """When anything of it was changed, its tags too."""


def read(client: "SecretsManagerClient", source: Source) -> SourceValue:
    """Return what a source holds now: the value of a secret, its tags, or the values of all that it finds.

    Raises:
        SourceUnusable: the version is still pending, or nothing, or too much, is found.
        KeyferryError: as `keyferry.aws.errors.translated` says.
    """
    if source.find:
        return _find(client, source)
    return _read_tags(client, source) if source.metadata else _read_value(client, source)


def _read_value(client: "SecretsManagerClient", source: Source) -> SourceValue:
    """Return the value of a secret: the current one, that of a label, or that of a version.

    Raises:
        SourceUnusable: the version is still pending; such a value is never pushed.
        KeyferryError: as `keyferry.aws.errors.translated` says.
    """
    which = {"VersionId": source.version} if source.version else {"VersionStage": source.label or CURRENT}
    where = f"{source.identifier} ({', '.join(which.values())}) in {client.meta.region_name}"
    with translated(f"secretsmanager:GetSecretValue on {where}"):
        answer = client.get_secret_value(SecretId=source.identifier, **which)
    stages = answer.get("VersionStages", [])
    if PENDING in stages and CURRENT not in stages:
        raise SourceUnusable(f"secret {source.identifier}: version {answer['VersionId']} is pending, not current")
    return _value(answer, source.identifier)


def _value(answer: Mapping[str, Any], name: str) -> SourceValue:
    text, binary = answer.get("SecretString"), answer.get("SecretBinary")
    if text is None and binary is None:
        raise SourceUnusable(f"secret {name}: version {answer['VersionId']} is empty")
    content = text.encode() if text is not None else bytes(binary or b"")
    return SourceValue(SecretValue(content), answer["VersionId"], binary=text is None, created=answer["CreatedDate"])


def _read_tags(client: "SecretsManagerClient", source: Source) -> SourceValue:
    """Return the tags of a secret, as a JSON object.

    Raises:
        KeyferryError: as `keyferry.aws.errors.translated` says.
    """
    with translated(f"secretsmanager:DescribeSecret on {source.identifier} in {client.meta.region_name}"):
        answer = client.describe_secret(SecretId=source.identifier)
    return SourceValue(SecretValue(jsontext.text(dict(sorted(_tags(answer).items()))).encode()), _changed(answer))


def _find(client: "SecretsManagerClient", source: Source) -> SourceValue:
    """Return the current values of all secrets that a source finds, by name.

    Raises:
        SourceUnusable: it finds nothing, or too much.
        KeyferryError: one of them cannot be read; as `keyferry.aws.errors.translated` says.
    """
    listed = matching(source, listing(client, source.prefix).values())
    names = checked(str(source), {each.name: each.arn for each in listed})
    chunks = batched(names.items(), BATCH, strict=False)
    found = checked(str(source), {name: value for chunk in chunks for name, value in _fetch(client, chunk)})
    return SourceValue(SecretValue(b""), version_of({name: each.version for name, each in found.items()}), found=found)


def _fetch(client: "SecretsManagerClient", chunk: Iterable[tuple[str, str]]) -> Iterator[tuple[str, SourceValue]]:
    """Yield the values of a batch. What was scheduled for deletion since it was listed is left out, as by the listing.

    Raises:
        KeyferryError: one of them cannot be read.
    """
    left = {arn: name for name, arn in chunk}
    where = f"in {client.meta.region_name}"
    for page in _pages(client, list(left)):
        for each in page["SecretValues"]:
            yield each["Name"], _value(each, each["Name"])
            left.pop(each["ARN"], None)
        for error in page.get("Errors", []):
            name = left.pop(error["SecretId"], error["SecretId"])
            if not errors.is_deletion(error["ErrorCode"], error.get("Message", "")):
                action = f"secretsmanager:GetSecretValue on {name} {where}"
                refused = errors.refusal(error["ErrorCode"], error.get("Message", ""), action)
                # One of many that is missing is no source that is gone.
                raise SourceUnavailable(str(refused)) if isinstance(refused, SourceMissing) else refused
    if left:
        raise SourceUnusable(f"secrets {', '.join(left.values())} {where}: AWS answers with neither value nor error")


def _pages(client: "SecretsManagerClient", arns: list[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the answers about a batch; botocore has no paginator for it."""
    more: dict[str, str] = {}
    while True:
        with translated(f"secretsmanager:BatchGetSecretValue in {client.meta.region_name}"):
            page = client.batch_get_secret_value(SecretIdList=arns, **more)  # type: ignore[arg-type]
        yield page
        if not page.get("NextToken"):
            return
        more = {"NextToken": page["NextToken"]}


def listing(client: "SecretsManagerClient", prefix: str = "") -> dict[str, Listed]:
    """Return by name every secret of the region that is not scheduled for deletion, without reading a value.

    The listing lags by up to five minutes.

    Args:
        client: of the region.
        prefix: what names begin with, to ask for less; others may come all the same.
    """
    filters = {"Filters": [{"Key": "name", "Values": [prefix]}]} if prefix else {}
    with translated(f"secretsmanager:ListSecrets in {client.meta.region_name}"):
        pages = client.get_paginator("list_secrets").paginate(PaginationConfig={"PageSize": 100}, **filters)  # type: ignore[arg-type]
        return {
            each["Name"]: _listed(each) for page in pages for each in page["SecretList"] if "DeletedDate" not in each
        }


def versions(client_in: "Callable[[str | None], SecretsManagerClient]") -> Callable[[Source], str | None]:
    """Return a look-up of the versions that secrets have now; each region is listed once.

    Args:
        client_in: returns the client for a region; None stands for the pipeline's own.

    Returns:
        What gives the version of a source; None where it is not known.
    """
    list_once = once(lambda region: listing(client_in(region)))

    def version(source: Source) -> str | None:
        listed = list_once(source.home_region)
        if source.find:
            return version_of({secret.name: secret.labels.get(CURRENT) for secret in matching(source, listed.values())})
        secret = next((listed[name] for name in source.names if name in listed), None)
        if secret is None:
            return None
        if source.metadata:
            return secret.changed
        if source.version:
            return source.version if source.version in secret.labels.values() else None
        return secret.labels.get(source.label or CURRENT)

    return version


def matching(source: Source, listed: Iterable[Listed]) -> list[Listed]:
    """Return the secrets that a source finds."""
    return [each for each in listed if source.finds(each.name) and source.tags.items() <= each.tags.items()]


def _listed(secret: Mapping[str, Any]) -> Listed:
    stages = secret.get("SecretVersionsToStages", {})
    labels = {label: version for version, labels in stages.items() for label in labels}
    return Listed(secret["ARN"], secret["Name"], labels, _tags(secret), _changed(secret))


def _tags(secret: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in secret.get("Tags") or ()}


def _changed(secret: Mapping[str, Any]) -> str:
    found = secret.get("LastChangedDate") or secret.get("CreatedDate")
    return moment(found) if isinstance(found, datetime) else ""
