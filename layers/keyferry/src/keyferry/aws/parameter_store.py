"""Read Parameter Store: values, tags, and the listing of parameters that sweeps and finds need."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from keyferry.aws.calls import BatchRead, cache_answers
from keyferry.aws.errors import translate_errors
from keyferry.aws.sessions import Service
from keyferry.errors import SourceUnavailable, VersionMissing
from keyferry.formats import jsontext
from keyferry.model import SecretValue, SourceState, SourceValue, format_time
from keyferry.stores.find import check_matches, digest_versions
from keyferry.stores.parameter_store import get_listing_grants
from keyferry.stores.source import Source

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

CLIENT: Service = "ssm"
MAX_NAMES = 10
"""How many names GetParameters takes."""


def read(client: "SSMClient", source: Source) -> SourceValue:
    """Return the current content of a source: a parameter's value or tags, or the values of all members of a find.

    Raises:
        SourceUnusable: the find has no members, or too many.
        KeyferryError: as `keyferry.aws.errors.translate_errors` says.
    """
    if source.find:
        return _read_find(client, source)
    return _read_tags(client, source) if source.metadata else _read_value(client, source)


def _read_value(client: "SSMClient", source: Source) -> SourceValue:
    """Return the decrypted value of a parameter of any type: the latest, or that of a version or label.

    Raises:
        VersionMissing: it has no such version, or none with the label.
    """
    name, region = format_name(source), client.meta.region_name
    try:
        with translate_errors(f"ssm:GetParameter on {name} in {region}", source.store.explain_missing(source)):
            return _parse_parameter(client.get_parameter(Name=name, WithDecryption=True)["Parameter"])
    except VersionMissing:
        selector = f"with the label {source.label}" if source.label else str(source.version)
        raise VersionMissing(
            f"parameter {source.identifier} in {region} has no version {selector}: "
            + ("move the label to one, or change the mapping" if source.label else "name one that it has, or none")
        ) from None


def _get_batch_name(source: Source) -> str | None:
    """Return the name of a parameter for GetParameters; None if that call cannot, or may not, read the source."""
    needs_own_call = source.find or source.metadata or source.failover or source.account
    return None if needs_own_call else format_name(source)


def _read_batch(client: "SSMClient", names: Sequence[str]) -> dict[str, SourceValue]:
    """Return the value of each parameter that exists, by its name with version or label."""
    with translate_errors(f"ssm:GetParameters on {', '.join(names)} in {client.meta.region_name}"):
        parameters = client.get_parameters(Names=list(names), WithDecryption=True)["Parameters"]
    return {parameter["Name"] + parameter.get("Selector", ""): _parse_parameter(parameter) for parameter in parameters}


def format_name(source: Source) -> str:
    """Return the name of a parameter for a call, with its version or label where the source has one: `/db:3`."""
    selector = source.version or source.label
    return f"{source.identifier}:{selector}" if selector else source.identifier


def _parse_parameter(parameter: Mapping[str, Any]) -> SourceValue:
    modified = parameter["LastModifiedDate"]
    return SourceValue(
        SecretValue(parameter["Value"].encode()), format_version(parameter["Version"], modified), created=modified
    )


def format_version(number: int, modified: datetime) -> str:
    """Return the version id `<number>@<date>`: a parameter that is created again counts from 1 again."""
    return f"{number}@{format_time(modified)}"


def _read_tags(client: "SSMClient", source: Source) -> SourceValue:
    """Return the tags of a parameter as a JSON object. Their version is always `tags`: AWS gives them none."""
    with translate_errors(f"ssm:ListTagsForResource on {source.identifier} in {client.meta.region_name}"):
        tag_list = client.list_tags_for_resource(ResourceType="Parameter", ResourceId=source.identifier)["TagList"]
    tags = {tag["Key"]: tag["Value"] for tag in sorted(tag_list, key=lambda tag: tag["Key"])}
    return SourceValue(SecretValue(jsontext.to_text(tags).encode()), "tags")


def _read_find(client: "SSMClient", source: Source) -> SourceValue:
    """Return the latest values of all parameters that a find matches, by name."""
    parameters = list_parameters(client, source.tags, (source.path or "").rstrip("/"))
    names = check_matches(str(source), dict.fromkeys(source.select_names(parameters)), optional=source.optional)
    chunks = batched(names, MAX_NAMES, strict=False)
    members = check_matches(
        str(source),
        {name: value for chunk in chunks for name, value in _read_members(client, chunk)},
        optional=source.optional,
    )
    version = digest_versions({name: value.version for name, value in members.items()})
    return SourceValue(SecretValue(b""), version, members=members)


def _read_members(client: "SSMClient", names: Iterable[str]) -> Iterator[tuple[str, SourceValue]]:
    """Yield the name and value of each parameter.

    Raises:
        SourceUnavailable: one of them has been deleted since it was listed.
    """
    requested = list(names)
    with translate_errors(f"ssm:GetParameters on {', '.join(requested)} in {client.meta.region_name}"):
        parameters = client.get_parameters(Names=requested, WithDecryption=True)["Parameters"]
    missing = set(requested) - {parameter["Name"] for parameter in parameters}
    if missing:
        raise SourceUnavailable(
            f"ssm:GetParameters on {', '.join(sorted(missing))} in {client.meta.region_name}: it does not exist any"
            " more; the next try looks again"
        )
    for parameter in parameters:
        yield parameter["Name"], _parse_parameter(parameter)


def list_parameters(
    client: "SSMClient", tags: Mapping[str, str] | None = None, path: str = ""
) -> dict[str, SourceState]:
    """Return the latest state of every parameter of a region, by name. Reads no value.

    Args:
        client: a client of the region.
        tags: only parameters with these tags; the listing itself does not show tags.
        path: only parameters below this path, at any depth.
    """
    filters: list[Any] = [{"Key": f"tag:{key}", "Values": [value]} for key, value in sorted((tags or {}).items())]
    if path:
        filters.append({"Key": "Path", "Option": "Recursive", "Values": [path]})
    with translate_errors(f"ssm:DescribeParameters in {client.meta.region_name}"):
        pages = client.get_paginator("describe_parameters").paginate(
            ParameterFilters=filters, PaginationConfig={"PageSize": 50}
        )
        return {parameter["Name"]: _build_state(parameter) for page in pages for parameter in page["Parameters"]}


def _build_state(parameter: Mapping[str, Any]) -> SourceState:
    modified = parameter["LastModifiedDate"]
    return SourceState(format_version(parameter["Version"], modified), modified, key=parameter.get("KeyId"))


def create_state_reader(get_client: "Callable[[str | None], SSMClient]") -> Callable[[Source], SourceState]:
    """Return a function that gives the state of a parameter, or of all members of a find.

    Nothing is known for a label, a fixed version, tags or a public parameter: the listing does not show them. Each
    region is listed once for the same tags.

    Args:
        get_client: returns the client of a region; None is the pipeline's own region.
    """
    list_once = cache_answers(lambda region, tags: list_parameters(get_client(region), dict(tags)))

    def read_state(source: Source) -> SourceState:
        if not any(get_listing_grants(source)):
            return SourceState()
        parameters = list_once(source.home_region, tuple(sorted(source.tags.items())))
        if source.find:
            members = {name: parameters[name] for name in source.select_names(parameters)}
            version = digest_versions({name: state.version for name, state in members.items()})
            return SourceState(version, max((each.changed for each in members.values() if each.changed), default=None))
        (name,) = source.event_names
        return parameters.get(f"/{name}") or parameters.get(name) or SourceState()

    return read_state


BATCH_READ: BatchRead | None = BatchRead(MAX_NAMES, _get_batch_name, _read_batch)
