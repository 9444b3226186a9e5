"""The secrets and parameters that mappings read: which are missing in a local cloud, and values to try with."""

import json
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Place
from keyferry_local.aws import Aws

_WORD = re.compile(r"[A-Za-z_]\w*")
_OURS = "canary-"
"""What the values that are made here begin with."""
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


def look(catalog: Catalog, aws: Aws, say: Callable[[str], None], *, create_missing: bool) -> None:
    """Tell which secrets and parameters are missing; or create them, and the keys that those made so lack by now."""
    wanted = list_wanted(catalog, aws.region)
    missing = [each for each in wanted if is_missing(aws, each)]
    for each in missing:
        if create_missing:
            create(aws, each)
        say(f"  {'created' if create_missing else 'missing'} in {each.region}: {each.name}")
    for each in wanted if create_missing else []:
        if each not in missing and (keys := complete(aws, each)):
            say(f"  {each.name} has got {', '.join(keys)} in {each.region}")
    if missing and not create_missing:
        say("  create them with `aws`, or say --create-missing")


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


def complete(aws: Aws, wanted: Wanted) -> list[str]:
    """Give a value that `create` made the keys that it lacks by now; return these. One of somebody else stays."""
    if not wanted.keys:
        return []
    old = _read(aws, wanted)
    lacking = _list_lacking(old, wanted.keys)
    if lacking:
        document = _parse(old) or {}
        _write(aws, wanted, json.dumps(document | {key: _invent() for key in lacking}))
    return lacking


def _list_lacking(old: str, keys: set[str]) -> list[str]:
    """Return the keys that a value lacks; none where a part of it does not begin with `canary-`."""
    document = _parse(old)
    parts = [old] if document is None else list(document.values())
    is_ours = all(isinstance(part, str) and part.startswith(_OURS) for part in parts)
    return sorted(keys - (document or {}).keys()) if is_ours else []


def _read(aws: Aws, wanted: Wanted) -> str:
    if wanted.store == "secretsmanager":
        client = aws.client("secretsmanager", region=wanted.region)
        return str(client.get_secret_value(SecretId=wanted.name).get("SecretString", ""))
    client = aws.client("ssm", region=wanted.region)
    return str(client.get_parameter(Name=wanted.name, WithDecryption=True)["Parameter"]["Value"])


def _write(aws: Aws, wanted: Wanted, value: str) -> None:
    if wanted.store == "secretsmanager":
        aws.client("secretsmanager", region=wanted.region).put_secret_value(SecretId=wanted.name, SecretString=value)
    else:
        client = aws.client("ssm", region=wanted.region)
        client.put_parameter(Name=wanted.name, Value=value, Type="SecureString", Overwrite=True)


def rotate(aws: Aws, wanted: Wanted, key: str | None) -> str:
    """Give it a new value, and say what is new: of a JSON object one key, or else the whole.

    Args:
        aws: the local cloud.
        wanted: the secret or parameter.
        key: the key; None for the first that is a text.
    """
    changed, new = _change(_read(aws, wanted), key)
    _write(aws, wanted, new)
    return changed


def _change(old: str, key: str | None) -> tuple[str, str]:
    """Return what changes, and the new value."""
    document = _parse(old)
    if document is None:
        return "a new value", _invent()
    texts = [name for name, value in document.items() if isinstance(value, str)]
    chosen = key or ("password" if "password" in texts else next(iter(texts), "password"))
    return f"a new value of key {chosen}", json.dumps(document | {chosen: _invent()})


def _parse(value: str) -> dict[str, Any] | None:
    """Return a JSON object; None for any other value."""
    try:
        document = json.loads(value)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _invent() -> str:
    return f"{_OURS}{secrets.token_hex(4)}"
