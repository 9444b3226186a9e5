"""Makes sources of mappings of the objects of a SecretProviderClass."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from keyferry.arn import Arn
from keyferry.cli.migrate.provider_class.descriptors import Parameters, get_service
from keyferry.cli.migrate.provider_class.objects import Entry
from keyferry.mapping.mapping import PLACE_NAMES, VARIABLES

_FIELDS = {"secretsmanager": "secretsManager", "ssm": "parameterStore"}
_RESERVED = PLACE_NAMES | {VARIABLES}


def name_sources(entries: Iterable[Entry]) -> Mapping[int, str]:
    """Return a name in the mapping for each object, by its line: the end of its name in AWS."""
    names = dict[int, str]()
    for entry in entries:
        names[entry.line] = next(name for name in _list_names(entry) if name not in names.values())
    return names


def _list_names(entry: Entry) -> Iterator[str]:
    """Yield the names that an object can have, the best one first."""
    written = entry.get("objectName").text
    arn = Arn.parse(written)
    name = re.sub(r"-[A-Za-z0-9]{6}$", "", arn.resource.partition(":")[2]) if arn else written
    words = re.findall(r"[A-Za-z0-9]+", name.rpartition("/")[2] or name)
    base = "_".join(words) or "source"
    base = f"_{base}" if base[0].isdigit() else base
    base = f"{base}_secret" if base in _RESERVED else base
    yield base
    yield from (f"{base}_{number}" for number in range(2, 1000))


def build_source(entry: Entry, parameters: Parameters) -> dict[str, Any]:
    """Return the source of a mapping for an object.

    Raises:
        Refusal: no source says the same.
    """
    name = entry.get("objectName").text
    source: dict[str, Any] = {_FIELDS[get_service(entry)]: name}
    if Arn.parse(name) is None and parameters.source_region:
        source["region"] = parameters.source_region
    version, label = entry.get("objectVersion").text, entry.get("objectVersionLabel").text
    if version:
        source["version"] = version
    if label and (label, get_service(entry)) != ("AWSCURRENT", "secretsmanager"):
        source["label"] = label
    if parameters.failover_region:
        source["failover"] = [_build_failover(entry, parameters.failover_region)]
    return source


def _build_failover(entry: Entry, region: str) -> Any:  # noqa: ANN401  # the region alone, or with a name
    failover = entry.failover or Entry(entry.line, {})
    name, own = failover.get("objectName").text, entry.get("objectName").text
    label = failover.get("objectVersionLabel").text
    if label not in ("", entry.get("objectVersionLabel").text):
        what = f"the label {label} is for the failover region alone, and a mapping has one label for all regions"
        raise failover.refuse(what, "use one label in both regions", "objectVersionLabel")
    if not name and Arn.parse(own):
        what = f"the provider asks {region} for {own}, which is not there, and fails"
        raise entry.refuse(what, "give the object a failoverObject, or a name in place of the ARN", "objectName")
    return {"region": region, "name": name} if name not in ("", own) else region
