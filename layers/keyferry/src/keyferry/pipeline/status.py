"""The state of the targets, in pages: what `keyferry status` shows. It reads no value."""

import json
import shlex
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Lock
from typing import Any

from keyferry.delivery.desired import REVISION_LENGTH
from keyferry.delivery.observed import CERTIFICATE_EXPIRES, REVISION, WRITTEN, Observed
from keyferry.delivery.report import Locate, build_owner_field
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Place, SourceState, format_time
from keyferry.pipeline.comparison import ClusterComparison, Look, Readers, Scope
from keyferry.pipeline.reach import is_unlisted
from keyferry.stores.source import Source

MAX_BYTES = 4_000_000
"""How much of JSON one page holds. Lambda answers with 6 MB at most (AWS Lambda, Quotas)."""
CLUSTERS_AT_ONCE = 8
"""How many clusters are compared side by side."""

type Row = dict[str, Any]
"""What is known of one target, as `keyferry status --output json` has it."""


def list_status(scope: Scope, catalog: Catalog, readers: Readers, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Return a page of rows, one for each target, and the cursor of the next page.

    Args:
        scope: what to look at, and where to go on.
        catalog: the mappings and clusters of this deployment.
        readers: what to ask.
        max_bytes: how much of JSON the page may hold.

    Returns:
        `{"deployment": …, "rows": […], "cursor": …}`; without a cursor where nothing is left. The digest of the
        deployment tells whether two answers are of the same mappings.

    Raises:
        UnknownName: this deployment has no mapping, cluster or namespace that the scope names.
    """
    pairs, cursor = scope.select_pairs(catalog), scope.cursor or {}
    work = {
        name: ClusterComparison(catalog.clusters[name], mappings, readers, cursor.get(name), scope.namespace)
        for name, mappings in pairs.items()
    }
    room = _Room(max_bytes)
    with ThreadPoolExecutor(CLUSTERS_AT_ONCE) as pool:
        futures = {
            name: pool.submit(_look, name, comparison, room, catalog.locate) for name, comparison in work.items()
        }
        rows = [row for name in work for row in futures[name].result()]
    left = {name: comparison.position for name, comparison in work.items() if not comparison.is_away}
    position = {name: place.model_dump(exclude_defaults=True) for name, place in left.items() if place}
    page = {"deployment": catalog.digest, "rows": sorted(rows, key=_get_key)}
    return page | ({"cursor": position} if position else {})


def _get_key(row: Row) -> tuple[str, ...]:
    return row["mapping"], row["cluster"], row["namespace"]


def _look(cluster: str, comparison: ClusterComparison, room: "_Room", locate: Locate) -> list[Row]:
    rows: list[Row] = []
    for looks in comparison.run():
        seen = [_build_row(cluster, look, locate) for look in looks]
        rows += seen
        if seen and not room.take(seen):
            break
    return rows


def _build_row(cluster: str, look: Look, locate: Locate) -> Row:
    mapping, error = look.mapping, look.error
    why = f"{type(error).__name__}: {error}" if error else _explain(cluster, look)
    fields = {
        "mapping": mapping.name,
        "cluster": cluster,
        "namespace": look.namespace,
        "secret": mapping.spec.secret.name,
        "state": look.comparison.state,
        "why": why,
        "at": locate(mapping.name, cluster, error) if error else "",
        **build_owner_field(mapping.spec.owner),
        **_describe_observed(look.observed),
        "restart": describe_restart(mapping),
        "since": _format(_find_since(look)),
        "written": _format(look.observed.get_notice(WRITTEN) if look.observed else None),
        "certificateExpires": _format(look.observed.get_notice(CERTIFICATE_EXPIRES) if look.observed else None),
        "release": look.observed.get_release() if look.observed else None,
        "sources": list(_list_sources(cluster, look)),
    }
    return {key: value for key, value in fields.items() if value or key == "namespace"}


def _explain(cluster: str, look: Look) -> str:
    """Return why a target is in its state, with the sources that a delivery would not find."""
    state, why = look.comparison.state, look.comparison.why
    if state not in ("unknown", "gone", "stale"):
        return why
    missing = [
        _explain_missing(alias, source.resolve(Place(cluster, look.namespace)), look.sources[alias])
        for alias, source in look.mapping.spec.sources.items()
        if _is_missing(source, look.sources.get(alias))
    ]
    return "; ".join(missing if missing and state == "unknown" else [why, *missing])


def _is_missing(source: Source, state: SourceState | None) -> bool:
    """Return whether a listing that would show a source does not have it. It can be five minutes behind."""
    return state is not None and not state.is_seen and not is_unlisted(source)


def _explain_missing(alias: str, source: Source, state: SourceState) -> str:
    what = f"source {alias}: {source.store.NOUN} {source}"
    if state.is_deleted:
        region = f" --region {source.home_region}" if source.home_region else ""
        restore = f"aws secretsmanager restore-secret --secret-id {shlex.quote(str(source))}{region}"
        return f"{what} is scheduled for deletion, which `{restore}` ends"
    return f"{what} is not listed: {'it is of another account, or ' if source.arn else ''}it does not exist"


def _describe_observed(observed: Observed | None) -> Row:
    """Return what tells one state of the Secret from another, without its content; empty for one that is not known."""
    if observed is None:
        return {}
    revision = observed.annotations.get(REVISION, "")  # as anybody may have written it
    known = revision if len(revision) == REVISION_LENGTH and revision.isalnum() else ""
    return {"uid": observed.uid, "resourceVersion": observed.resource_version, "revision": known}


def describe_restart(mapping: SecretMapping) -> str | list[str]:
    """Return what restarts with the Secrets of a mapping: `auto`, `none`, or workloads as `Deployment/api`."""
    restart = mapping.spec.restart
    return restart if isinstance(restart, str) else list(map(str, restart))


def _list_sources(cluster: str, look: Look) -> Iterator[Row]:
    held = look.observed.get_journal_versions() if look.observed else {}
    for alias, source in look.mapping.spec.sources.items():
        resolved = source.resolve(Place(cluster, look.namespace)) if look.namespace else source
        state = look.sources.get(alias, SourceState())
        fields = {
            "alias": alias,
            "store": resolved.store_name,
            "name": str(resolved),
            "region": resolved.home_region,
            "held": held.get(alias),
            "wanted": state.version,
            "changed": _format(state.changed),
            "rotation": _describe_rotation(state),
            "missing": not resolved.arn and _is_missing(resolved, look.sources.get(alias)),
        }
        yield {key: value for key, value in fields.items() if value}


def _describe_rotation(state: SourceState) -> Mapping[str, Any]:
    if state.rotation is None:
        return {}
    times = {"last": _format(state.rotation.last), "next": _format(state.rotation.next)}
    return {"on": state.rotation.is_on, **{key: text for key, text in times.items() if text}}


def _find_since(look: Look) -> datetime | None:
    """Return since when a target is in its state, as far as that is known."""
    if look.observed is None or look.error:
        return None
    if look.comparison.state != "stale":
        return look.observed.get_notice(WRITTEN)
    held = look.observed.get_journal_versions()
    changed = [state.changed for alias, state in look.sources.items() if state.version != held.get(alias)]
    return max(filter(None, changed), default=None)


def _format(time: datetime | None) -> str | None:
    return format_time(time) if time else None


class _Room:
    """The bytes that are left of a page. Several threads use it at once."""

    def __init__(self, size: int) -> None:
        self._left, self._lock = size, Lock()

    def take(self, rows: list[Row]) -> bool:
        """Take what some rows need; return whether anything is left."""
        size = len(json.dumps(rows).encode())
        with self._lock:
            self._left -= size
            return self._left > 0
