"""Read Secrets Manager: values, tags, and the listing of secrets that sweeps and finds need."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from keyferry.aws import errors
from keyferry.aws.calls import BatchRead, cache_answers
from keyferry.aws.errors import translate_errors
from keyferry.aws.sessions import Service
from keyferry.errors import SourceMissing, SourceUnavailable, SourceUnusable, VersionMissing
from keyferry.formats import jsontext
from keyferry.model import Rotation, SecretValue, SourceState, SourceValue, format_time
from keyferry.stores.find import check_matches, digest_versions
from keyferry.stores.secrets_manager import CURRENT, PENDING, PREVIOUS
from keyferry.stores.source import Source

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

CLIENT: Service = "secretsmanager"
BATCH_READ: BatchRead | None = None
"""Only a find uses BatchGetSecretValue, because IAM cannot limit that action to some secrets."""
MAX_SECRETS = 20
"""How many secrets BatchGetSecretValue takes."""


@dataclass(frozen=True)
class SecretListEntry:
    """A secret in the answer of ListSecrets."""

    arn: str
    name: str
    labels: Mapping[str, str]
    """The version id of each staging label."""
    tags: Mapping[str, str]
    changed: datetime | None
    """When the secret was last changed in any way, its tags included."""
    rotation: Rotation
    key: str | None = None
    """The KMS key that it is under; None for AWS's own key."""
    is_deleted: bool = False
    """Whether it is scheduled for deletion."""


def read(client: "SecretsManagerClient", source: Source) -> SourceValue:
    """Return the current content of a source: a secret's value or tags, or the values of all members of a find.

    Raises:
        SourceUnusable: the version is still pending or has no value, or the find has no members, or too many.
        KeyferryError: as `keyferry.aws.errors.translate_errors` says.
    """
    if source.find:
        return _read_find(client, source)
    return _read_tags(client, source) if source.metadata else _read_value(client, source)


def _read_value(client: "SecretsManagerClient", source: Source) -> SourceValue:
    """Return the value of a secret: the current one, or that of a label or version.

    Raises:
        SourceUnusable: the version is still pending; such a value is never pushed.
        VersionMissing: no version has the id or label.
    """
    selector = {"VersionId": source.version} if source.version else {"VersionStage": source.label or CURRENT}
    secret = f"{source.identifier} ({', '.join(selector.values())}) in {client.meta.region_name}"
    try:
        with translate_errors(f"secretsmanager:GetSecretValue on {secret}", source.store.explain_missing(source)):
            answer = client.get_secret_value(SecretId=source.identifier, **selector)
    except VersionMissing:
        raise _explain_version(source, client.meta.region_name) from None
    labels = answer.get("VersionStages", [])
    if PENDING in labels and CURRENT not in labels:
        raise SourceUnusable(f"secret {source.identifier}: version {answer['VersionId']} is pending, not current")
    return _parse_value(answer, source.identifier)


def _explain_version(source: Source, region: str) -> VersionMissing:
    secret = f"secret {source.identifier} in {region}"
    if source.version:
        return VersionMissing(f"{secret} has no version {source.version}: name one that it has, or none")
    if source.label in (None, CURRENT):
        return VersionMissing(f"{secret} has no value yet: put one into it")
    when = "; AWS gives it at the second value" if source.label == PREVIOUS else ""
    return VersionMissing(
        f"{secret} has no version with the label {source.label}{when}: move the label to one, or change the mapping"
    )


def _parse_value(answer: Mapping[str, Any], name: str) -> SourceValue:
    text, binary = answer.get("SecretString"), answer.get("SecretBinary")
    if text is None and binary is None:
        raise SourceUnusable(f"secret {name}: version {answer['VersionId']} is empty")
    content = text.encode() if text is not None else bytes(binary or b"")
    return SourceValue(SecretValue(content), answer["VersionId"], binary=text is None, created=answer["CreatedDate"])


def _read_tags(client: "SecretsManagerClient", source: Source) -> SourceValue:
    """Return the tags of a secret as a JSON object. Their version is the date of the secret's last change."""
    call = f"secretsmanager:DescribeSecret on {source.identifier} in {client.meta.region_name}"
    with translate_errors(call, source.store.explain_missing(source)):
        answer = client.describe_secret(SecretId=source.identifier)
    tags = dict(sorted(_parse_tags(answer).items()))
    return SourceValue(
        SecretValue(jsontext.to_text(tags).encode()),
        format_time(answer.get("LastChangedDate") or answer["CreatedDate"]),
    )


def _read_find(client: "SecretsManagerClient", source: Source) -> SourceValue:
    """Return the current values of all secrets that a find matches, by name."""
    entries = select_members(source, list_secrets(client, source.find_prefix).values())
    arns = check_matches(str(source), {entry.name: entry.arn for entry in entries}, optional=source.optional)
    chunks = batched(arns.items(), MAX_SECRETS, strict=False)
    members = check_matches(
        str(source),
        {name: value for chunk in chunks for name, value in _read_members(client, chunk)},
        optional=source.optional,
    )
    version = digest_versions({name: value.version for name, value in members.items()})
    return SourceValue(SecretValue(b""), version, members=members)


def _read_members(
    client: "SecretsManagerClient", chunk: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, SourceValue]]:
    """Yield the name and value of each secret, except secrets that have been scheduled for deletion since the listing.

    Args:
        client: a client of the region.
        chunk: the name and ARN of each secret, `MAX_SECRETS` at most.

    Raises:
        KeyferryError: one of them cannot be read.
    """
    remaining = {arn: name for name, arn in chunk}
    region = f"in {client.meta.region_name}"
    for page in _read_pages(client, list(remaining)):
        for secret in page["SecretValues"]:
            yield secret["Name"], _parse_value(secret, secret["Name"])
            remaining.pop(secret["ARN"], None)
        for error in page.get("Errors", []):
            name = remaining.pop(error["SecretId"], error["SecretId"])
            if not errors.is_deletion(error["ErrorCode"], error.get("Message", "")):
                call = f"secretsmanager:GetSecretValue on {name} {region}"
                failure = errors.build_error(error["ErrorCode"], error.get("Message", ""), call)
                # One missing member does not mean that the source is missing.
                raise SourceUnavailable(str(failure)) if isinstance(failure, SourceMissing) else failure
    if remaining:
        names = ", ".join(remaining.values())
        raise SourceUnusable(f"secrets {names} {region}: AWS answers with neither value nor error")


def _read_pages(client: "SecretsManagerClient", arns: list[str]) -> Iterator[Mapping[str, Any]]:
    """Yield each page of the answer of BatchGetSecretValue, for which botocore has no paginator."""
    next_token: dict[str, str] = {}
    while True:
        with translate_errors(f"secretsmanager:BatchGetSecretValue in {client.meta.region_name}"):
            page = client.batch_get_secret_value(SecretIdList=arns, **next_token)  # type: ignore[arg-type]
        yield page
        if not page.get("NextToken"):
            return
        next_token = {"NextToken": page["NextToken"]}


def list_secrets(client: "SecretsManagerClient", prefix: str = "") -> dict[str, SecretListEntry]:
    """Return every secret of a region by name, those that are scheduled for deletion as well. Reads no value.

    The listing can be up to five minutes behind.

    Args:
        client: a client of the region.
        prefix: asks AWS for names that begin so, to list fewer; the answer can hold other names too.
    """
    filters = {"Filters": [{"Key": "name", "Values": [prefix]}]} if prefix else {}
    with translate_errors(f"secretsmanager:ListSecrets in {client.meta.region_name}"):
        pages = client.get_paginator("list_secrets").paginate(
            PaginationConfig={"PageSize": 100},
            IncludePlannedDeletion=True,
            **filters,  # type: ignore[arg-type]
        )
        return {secret["Name"]: _parse_entry(secret) for page in pages for secret in page["SecretList"]}


def create_state_reader(
    get_client: "Callable[[str | None], SecretsManagerClient]",
) -> Callable[[Source], SourceState]:
    """Return a function that gives the state of a secret, or of all members of a find. Each region is listed once.

    Args:
        get_client: returns the client of a region; None is the pipeline's own region.
    """
    list_once = cache_answers(lambda region: list_secrets(get_client(region)))

    def read_state(source: Source) -> SourceState:
        entries = list_once(source.home_region)
        if source.find:
            members = select_members(source, entries.values())
            version = digest_versions({entry.name: entry.labels.get(CURRENT) for entry in members})
            return SourceState(version, max((entry.changed for entry in members if entry.changed), default=None))
        candidates = (entries[name] for name in source.event_names if name in entries)
        entry = next((entry for entry in candidates if _is_entry_of(entry, source)), None)
        if entry is None or entry.is_deleted:
            return SourceState(is_deleted=entry is not None)
        return SourceState(_get_version(entry, source), entry.changed, entry.rotation, entry.key)

    return read_state


def _get_version(entry: SecretListEntry, source: Source) -> str | None:
    if source.metadata:
        return format_time(entry.changed) if entry.changed else ""
    if source.version:
        return source.version if source.version in entry.labels.values() else None
    return entry.labels.get(source.label, "") if source.label else entry.labels.get(CURRENT)


def _is_entry_of(entry: SecretListEntry, source: Source) -> bool:
    """Return whether a secret of the right name is the one that an ARN, whole or without its end, names."""
    return source.arn is None or entry.arn in (source.identifier, f"{source.identifier}{entry.arn[-7:]}")


def select_members(source: Source, entries: Iterable[SecretListEntry]) -> list[SecretListEntry]:
    """Return the secrets that a find matches, without those that are scheduled for deletion.

    Raises:
        SourceUnusable: its regular expression takes too long for so many.
    """
    live = (entry for entry in entries if not entry.is_deleted)
    tagged = {entry.name: entry for entry in live if source.tags.items() <= entry.tags.items()}
    return [tagged[name] for name in sorted(source.select_names(tagged))]


def _parse_entry(secret: Mapping[str, Any]) -> SecretListEntry:
    versions = secret.get("SecretVersionsToStages", {})
    labels = {label: version for version, stages in versions.items() for label in stages}
    rotation = Rotation(
        secret.get("RotationEnabled", False), secret.get("LastRotatedDate"), secret.get("NextRotationDate")
    )
    changed = secret.get("LastChangedDate") or secret.get("CreatedDate")
    key = secret.get("KmsKeyId")
    tags, is_deleted = _parse_tags(secret), "DeletedDate" in secret
    return SecretListEntry(secret["ARN"], secret["Name"], labels, tags, changed, rotation, key, is_deleted)


def _parse_tags(secret: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in secret.get("Tags") or ()}
