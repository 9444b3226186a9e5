"""The regions that AWS has, as far as this version of botocore knows them. AWS adds some each year."""

import re
from collections.abc import Iterator, Mapping
from functools import cache

from botocore.loaders import create_loader

from keyferry.stores.source import Source

_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")


@cache
def list_regions() -> Mapping[str, str]:
    """Return each region with its partition, from the data files of botocore. Nothing is asked of AWS."""
    partitions = create_loader().load_data("partitions")["partitions"]  # no session: that reads the profile
    return {
        region: partition["id"]
        for partition in partitions
        for region in partition["regions"]
        if _REGION.fullmatch(region)
    }


def is_region(text: str) -> bool:
    """Return whether a text has the form of a region's name, whether AWS has that region or not."""
    return _REGION.fullmatch(text) is not None


def list_doubts(source: Source) -> Iterator[str]:
    """Yield which of the regions of a source are not known, or are of another partition than its ARN."""
    known = list_regions()
    for region in source.regions:
        if region not in known:
            yield describe_unknown(region)
    for replica in (source, *source.replicas):
        partition = known.get(replica.home_region or "")
        if replica.arn and partition not in (None, replica.arn.partition):
            yield (
                f"region {replica.home_region} is in partition {partition}, and the ARN names {replica.arn.partition}:"
                f" write arn:{partition}:…"
            )


def describe_unknown(region: str) -> str:
    """Return, for a message, that a region is not known, with those of a similar name."""
    return f"no region of AWS is called {region}, as far as this version knows: {_suggest(region)}"


def _suggest(region: str) -> str:
    similar = [name for name in sorted(list_regions()) if name.rpartition("-")[0] == region.rpartition("-")[0]]
    return f"there is {', '.join(similar)}" if similar else "look at its spelling, as eu-west-1"
