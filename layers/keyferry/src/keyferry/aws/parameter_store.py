"""Parameter Store: values, tags, and the listing that a sweep and a `find` compare."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from keyferry.aws.calls import Together, once
from keyferry.aws.errors import translated
from keyferry.aws.sessions import Service
from keyferry.errors import SourceUnavailable
from keyferry.formats import jsontext
from keyferry.model import SecretValue, SourceValue, moment
from keyferry.stores.find import checked, version_of
from keyferry.stores.source import Source

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

CLIENT: Service = "ssm"
BATCH = 10
"""What GetParameters takes."""


def read(client: "SSMClient", source: Source) -> SourceValue:
    """Return what a source holds now: the value of a parameter, its tags, or the values of all that it finds.

    Raises:
        SourceUnusable: nothing, or too much, is found.
        KeyferryError: as `keyferry.aws.errors.translated` says.
    """
    if source.find:
        return _find(client, source)
    return _read_tags(client, source) if source.metadata else _read_value(client, source)


def _read_value(client: "SSMClient", source: Source) -> SourceValue:
    """Return the value of a parameter of any type, decrypted: the latest, or that of a version or label."""
    name = selector(source)
    with translated(f"ssm:GetParameter on {name} in {client.meta.region_name}"):
        return _value(client.get_parameter(Name=name, WithDecryption=True)["Parameter"])


def _name_together(source: Source) -> str | None:
    """Return how GetParameters names a parameter; None for one that it does not read, or may not."""
    alone = source.find or source.metadata or source.failover or source.account
    return None if alone else selector(source)


def _read_together(client: "SSMClient", names: Sequence[str]) -> dict[str, SourceValue]:
    with translated(f"ssm:GetParameters on {', '.join(names)} in {client.meta.region_name}"):
        answer = client.get_parameters(Names=list(names), WithDecryption=True)["Parameters"]
    return {parameter["Name"] + parameter.get("Selector", ""): _value(parameter) for parameter in answer}


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


def _read_tags(client: "SSMClient", source: Source) -> SourceValue:
    """Return the tags of a parameter, as a JSON object. Nothing tells one state of them from another.

    Raises:
        KeyferryError: as `keyferry.aws.errors.translated` says.
    """
    with translated(f"ssm:ListTagsForResource on {source.identifier} in {client.meta.region_name}"):
        found = client.list_tags_for_resource(ResourceType="Parameter", ResourceId=source.identifier)["TagList"]
    tags = {tag["Key"]: tag["Value"] for tag in sorted(found, key=lambda tag: tag["Key"])}
    return SourceValue(SecretValue(jsontext.text(tags).encode()), "tags")


def _find(client: "SSMClient", source: Source) -> SourceValue:
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


def versions(client_in: "Callable[[str | None], SSMClient]") -> Callable[[Source], str | None]:
    """Return a look-up of the versions that parameters have now; each region is listed once for the same tags.

    Args:
        client_in: returns the client for a region; None stands for the pipeline's own.

    Returns:
        What gives the version of a source; None where it is not known: the listing shows neither labels nor earlier
        versions, nor tags.
    """
    list_once = once(lambda region, tags: listing(client_in(region), dict(tags)))

    def version(source: Source) -> str | None:
        if source.version or source.label or source.metadata:
            return None
        listed = list_once(source.home_region, tuple(sorted(source.tags.items())))
        if source.find:
            return version_of({name: latest for name, latest in listed.items() if source.finds(name)})
        (name,) = source.names
        return listed.get(f"/{name}") or listed.get(name)

    return version


TOGETHER: Together | None = Together(BATCH, _name_together, _read_together)
