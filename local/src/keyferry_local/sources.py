"""The secrets and parameters that mappings read: which are missing in a local cloud, and values to try with."""

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Place
from keyferry_local.aws import Aws

_WORD = re.compile(r"[A-Za-z_]\w*")
_MISSING = ("ResourceNotFoundException", "ParameterNotFound")


@dataclass
class Wanted:
    """A secret or parameter that a mapping reads."""

    store: str
    name: str
    """Its name, or ARN."""
    region: str
    keys: set[str] = field(default_factory=set)
    """The keys that are read of its JSON; none where it is read as a whole."""


def list_wanted(catalog: Catalog, region: str) -> list[Wanted]:
    """Return what the mappings name, in each place; not what a `find` may find.

    Args:
        catalog: the mappings.
        region: that of sources that name none.
    """
    found: dict[tuple[str, str, str], Wanted] = {}
    for mapping in catalog.mappings.values():
        for alias, source in mapping.spec.sources.items():
            for place in _list_places(catalog, mapping):
                resolved = source.resolve(place)
                key = resolved.store_name, resolved.identifier, resolved.home_region or region
                if resolved.identifier:
                    found.setdefault(key, Wanted(*key)).keys.update(_list_keys(mapping, alias))
    return list(found.values())


def _list_places(catalog: Catalog, mapping: SecretMapping) -> Iterator[Place]:
    for cluster in catalog.clusters_of(mapping):
        for namespace in mapping.spec.namespace_names:
            yield Place(cluster.name, namespace)


def _list_keys(mapping: SecretMapping, alias: str) -> set[str]:
    """Return the keys that paths and templates name at first."""
    text = mapping.spec.secret.model_dump_json(by_alias=True, exclude_defaults=True)
    in_templates = re.findall(rf"\b{re.escape(alias)}\.([A-Za-z_]\w*)", text)
    paths = _list_paths(json.loads(text), alias)
    return {*in_templates, *(match[0] for path in paths if (match := _WORD.match(path)))}


def _list_paths(part: object, alias: str) -> Iterator[str]:
    """Yield the paths into the source that are anywhere in a part of a mapping."""
    if isinstance(part, dict) and part.get("from") == alias and part.get("path"):
        yield part["path"]
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    for each in inner:
        yield from _list_paths(each, alias)


def is_missing(aws: Aws, wanted: Wanted) -> bool:
    """Return whether the local cloud has none of that name."""
    try:
        if wanted.store == "secretsmanager":
            aws.client("secretsmanager", region=wanted.region).describe_secret(SecretId=wanted.name)
        else:
            aws.client("ssm", region=wanted.region).get_parameter(Name=wanted.name)
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            return True
        raise
    return False


def create(aws: Aws, wanted: Wanted) -> None:
    """Create it, with a value that begins with `canary-` under each of its keys."""
    value = _invent() if not wanted.keys else json.dumps({key: _invent() for key in sorted(wanted.keys)})
    name = wanted.name.partition(":secret:")[2] or wanted.name
    if wanted.store == "secretsmanager":
        aws.client("secretsmanager", region=wanted.region).create_secret(Name=name, SecretString=value)
    else:
        name = wanted.name.partition(":parameter")[2] or wanted.name
        aws.client("ssm", region=wanted.region).put_parameter(Name=name, Value=value, Type="SecureString")


def rotate(aws: Aws, wanted: Wanted, key: str | None) -> str:
    """Give it a new value, and say what is new: of a JSON object one key, or else the whole.

    Args:
        aws: the local cloud.
        wanted: the secret or parameter.
        key: the key; None for the first that is a text.
    """
    is_secret = wanted.store == "secretsmanager"
    client = aws.client("secretsmanager" if is_secret else "ssm", region=wanted.region)
    if is_secret:
        old = client.get_secret_value(SecretId=wanted.name).get("SecretString", "")
    else:
        old = client.get_parameter(Name=wanted.name, WithDecryption=True)["Parameter"]["Value"]
    changed, new = _change(old, key)
    if is_secret:
        client.put_secret_value(SecretId=wanted.name, SecretString=new)
    else:
        client.put_parameter(Name=wanted.name, Value=new, Type="SecureString", Overwrite=True)
    return changed


def _change(old: str, key: str | None) -> tuple[str, str]:
    """Return what changes, and the new value."""
    try:
        document = json.loads(old)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return "a new value", _invent()
    texts = [name for name, value in document.items() if isinstance(value, str)]
    chosen = key or ("password" if "password" in texts else next(iter(texts), "password"))
    return f"a new value of key {chosen}", json.dumps(document | {chosen: _invent()})


def _invent() -> str:
    return f"canary-{secrets.token_hex(4)}"
