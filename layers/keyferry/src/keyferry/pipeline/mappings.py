"""The mappings that are deployed, in pages: what `keyferry plan` compares a folder with. They hold no value."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import Field

from keyferry.errors import Overtaken
from keyferry.mapping.catalog import Catalog
from keyferry.model import Record
from keyferry.pipeline.status import MAX_BYTES

type Page = dict[str, Any]
"""A part of the compiled mappings, in their own form: `{"stack", "clusters", "mappings", "verdicts"}`."""


class Position(Record):
    """Where the next page begins."""

    deployment: str
    """The digest of the mappings that the pages before are of."""
    first: int = Field(ge=0)
    """How many clusters and mappings these pages have."""


def list_mappings(catalog: Catalog, cursor: Position | None, max_bytes: int = MAX_BYTES) -> Page:
    """Return a page of the mappings and clusters, and the cursor of the next page.

    Args:
        catalog: the mappings and clusters of this deployment.
        cursor: where to go on; None at the beginning.
        max_bytes: how much of JSON the page may hold; one entry is on it in any case.

    Returns:
        `{"deployment": …, "stack": {…}, "clusters": {…}, "mappings": {…}, "verdicts": {…}, "cursor": …}`; without a
        cursor where nothing is left. The pages together are what was compiled, without the places in the files.

    Raises:
        Overtaken: another deployment has taken the place of the one that the pages before are of.
    """
    if cursor and cursor.deployment != catalog.digest:
        raise Overtaken("other mappings were deployed while these were listed; ask again from the beginning")
    page: Page = {"deployment": catalog.digest, "stack": _dump(catalog.stack)}
    first = cursor.first if cursor else 0
    left = max_bytes
    for number, entry in enumerate(_list_entries(catalog)):
        if number < first:
            continue
        size = len(json.dumps(entry).encode())
        if size > left < max_bytes:
            return page | {"cursor": Position(deployment=catalog.digest, first=number).model_dump()}
        left -= size
        for part, named in entry.items():
            page.setdefault(part, {}).update(named)
    return page


def _list_entries(catalog: Catalog) -> Iterator[Page]:
    """Yield the clusters, then the mappings, each with what the policy says of it."""
    for name, cluster in sorted(catalog.clusters.items()):
        yield {"clusters": {name: _dump(cluster)}}
    for name, mapping in sorted(catalog.mappings.items()):
        verdict = catalog.verdicts.get(name)
        yield {"mappings": {name: _dump(mapping)}, **({"verdicts": {name: _dump(verdict)}} if verdict else {})}


def _dump(record: Record) -> Page:
    return record.model_dump(mode="json", by_alias=True, exclude_defaults=True)
