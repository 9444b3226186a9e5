"""Parameter Store: values, tags, and the listing that a sweep and a `find` compare."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from keyferry.aws.errors import translated
from keyferry.errors import SourceUnavailable
from keyferry.formats import jsontext
from keyferry.model import SecretValue, SourceValue, moment
from keyferry.stores.find import checked, version_of
from keyferry.stores.source import Source

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

BATCH = 10
"""What GetParameters takes."""


def read(client: "SSMClient", source: Source) -> SourceValue:
    """Return the value of a parameter of any type, decrypted: the latest, or that of a version or label.

    Raises:
        KeyferryError: as `keyferry.aws.errors.translated` says.
    """
    name = selector(source)
    with translated(f"ssm:GetParameter on {name} in {client.meta.region_name}"):
        return _value(client.get_parameter(Name=name, WithDecryption=True)["Parameter"])


def read_together(client: "SSMClient", sources: Iterable[Source]) -> dict[str, SourceValue]:
    """Return selector → value of up to ten parameters; what is not there is left out.

    Raises:
        KeyferryError: as `keyferry.aws.errors.translated` says.
    """
    names = list(map(selector, sources))
    with translated(f"ssm:GetParameters on {', '.join(names)} in {client.meta.region_name}"):
        answer = client.get_parameters(Names=names, WithDecryption=True)["Parameters"]
    return {each["Name"] + each.get("Selector", ""): _value(each) for each in answer}


def selector(source: Source) -> str:
    """Return how calls name a parameter: with its version or label, where one is asked for."""
    which = source.version or source.label
    return f"{source.identifier}:{which}" if which else source.identifier


def _value(parameter: Mapping[str, Any]) -> SourceValue:
    modified = parameter["LastModifiedDate"]
    return SourceValue(
        SecretValue(parameter["Value"].encode()), numbered(parameter["Version"], modified), created=modified
    )


def numbered(number: int, modified: datetime) -> str:
    """Return what identifies a version: its number alone does not, since a parameter made anew counts from 1."""
    return f"{number}@{moment(modified)}"


def read_tags(client: "SSMClient", source: Source) -> SourceValue:
    """Return the tags of a parameter, as a JSON object. Nothing tells one state of them from another.

    Raises:
        KeyferryError: as `keyferry.aws.errors.translated` says.
    """
    with translated(f"ssm:ListTagsForResource on {source.identifier} in {client.meta.region_name}"):
        found = client.list_tags_for_resource(ResourceType="Parameter", ResourceId=source.identifier)["TagList"]
    tags = {tag["Key"]: tag["Value"] for tag in sorted(found, key=lambda tag: tag["Key"])}
    return SourceValue(SecretValue(jsontext.text(tags).encode()), "tags")


def find(client: "SSMClient", source: Source) -> SourceValue:
    """Return the latest values of all parameters that a source finds, by name.

    Raises:
        SourceUnusable: it finds nothing, or too much.
        KeyferryError: one of them cannot be read; as `keyferry.aws.errors.translated` says.
    """
    listed = listing(client, source.tags, (source.path or "").rstrip("/"))
    names = checked(str(source), {name: version for name, version in listed.items() if source.finds(name)})
    chunks = batched(names, BATCH, strict=False)
    found = checked(str(source), {name: value for chunk in chunks for name, value in _fetch(client, chunk)})
    return SourceValue(SecretValue(b""), version_of({name: each.version for name, each in found.items()}), found=found)


def _fetch(client: "SSMClient", names: Iterable[str]) -> Iterator[tuple[str, SourceValue]]:
    wanted = list(names)
    where = f"{', '.join(wanted)} in {client.meta.region_name}"
    with translated(f"ssm:GetParameters on {where}"):
        answer = client.get_parameters(Names=wanted, WithDecryption=True)
    missing = set(wanted) - {each["Name"] for each in answer["Parameters"]}
    if missing:
        raise SourceUnavailable(
            f"ssm:GetParameters on {', '.join(sorted(missing))} in {client.meta.region_name}: it does not exist any"
            " more; the next try looks again"
        )
    for each in answer["Parameters"]:
        yield each["Name"], _value(each)


def listing(client: "SSMClient", tags: Mapping[str, str] | None = None, path: str = "") -> dict[str, str]:
    """Return name → latest version of every parameter of the region, without a value.

    Args:
        client: of the region.
        tags: those that it must have: the listing does not show them.
        path: what it must be below, at any depth.
    """
    filters: list[Any] = [{"Key": f"tag:{key}", "Values": [value]} for key, value in sorted((tags or {}).items())]
    if path:
        filters.append({"Key": "Path", "Option": "Recursive", "Values": [path]})
    with translated(f"ssm:DescribeParameters in {client.meta.region_name}"):
        pages = client.get_paginator("describe_parameters").paginate(
            ParameterFilters=filters, PaginationConfig={"PageSize": 50}
        )
        return {
            parameter["Name"]: numbered(parameter["Version"], parameter["LastModifiedDate"])
            for page in pages
            for parameter in page["Parameters"]
        }
