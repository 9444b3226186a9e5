"""What a function reaches from where it runs: clusters, and sources by their metadata. It reads no value.

`keyferry doctor` asks for it: only the function itself knows its network, its role and its proxy.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import batched
from typing import NotRequired, TypedDict

from keyferry.access.grants import resolve_sources
from keyferry.errors import KeyferryError, OutOfTime
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import Cluster
from keyferry.model import SourceState
from keyferry.pipeline.comparison import Scope, StateReader
from keyferry.stores.source import Source

CLUSTERS_AT_ONCE = 8
MAX_ROWS = 1_000
"""How many sources that are not visible, and how many keys, an answer names."""


class Failure(TypedDict):
    """Why something cannot be reached."""

    kind: str
    """The name of the error, such as `ClusterUnreachable`."""
    text: str
    """What is wrong, and what to do."""


class ClusterReach(TypedDict):
    """Whether the function gets through to a cluster: network, certificate, and sign-in."""

    cluster: str
    version: NotRequired[str]
    """The version of Kubernetes; there where the cluster has answered."""
    error: NotRequired[Failure]


class SourceReach(TypedDict):
    """A source whose metadata the function does not see."""

    name: str
    """The name or ARN of the secret or parameter."""
    region: NotRequired[str]
    """Left out for the stack's own."""
    state: str
    """`missing`; `deleted`, where it is scheduled for deletion; `unknown`, where its metadata cannot be listed; or
    `failed`, where AWS refuses or does not answer."""
    error: NotRequired[Failure]


class KeyUse(TypedDict):
    """A KMS key of one's own, and what is under it."""

    key: str
    region: NotRequired[str]
    source: str
    """The first source that is under it."""
    count: int
    """How many sources are."""


class ClustersAnswer(TypedDict):
    """The answer to the question `clusters`."""

    deployment: str
    """What tells one deployment of mappings from another (`Catalog.digest`)."""
    rows: list[ClusterReach]


class SourcesAnswer(TypedDict):
    """The answer to the question `sources`."""

    visible: int
    """How many sources the function sees."""
    rows: list[SourceReach]
    """Those that it does not see."""
    left: int
    """How many more there are: an answer names a thousand."""
    keys: list[KeyUse]


def list_clusters(scope: Scope, catalog: Catalog, ask_version: Callable[[Cluster], str]) -> ClustersAnswer:
    """Return for each cluster that mappings go to whether it answers.

    Args:
        scope: its cluster, if it has one, is the only one that is asked.
        catalog: the mappings and clusters of this deployment.
        ask_version: signs in to a cluster and returns its version; several threads call it.
    """
    asked = [cluster for cluster in catalog.used_clusters if scope.cluster in (None, cluster.name)]
    with ThreadPoolExecutor(CLUSTERS_AT_ONCE) as pool:
        rows = list(pool.map(partial(_reach_cluster, ask_version), asked))
    return {"deployment": catalog.digest, "rows": rows}


def _reach_cluster(ask_version: Callable[[Cluster], str], cluster: Cluster) -> ClusterReach:
    try:
        return {"cluster": cluster.name, "version": ask_version(cluster)}
    except KeyferryError as error:
        return {"cluster": cluster.name, "error": _describe(error)}


def list_sources(catalog: Catalog, read_state: StateReader) -> SourcesAnswer:
    """Return which sources the function sees, by their metadata, and under which keys they are.

    Names that are known in the cluster alone, with `*` in place of a namespace, are left out, and optional sources that
    are missing.
    """
    keys: dict[tuple[str, str | None], KeyUse] = {}
    rows: list[SourceReach] = []
    visible = 0
    for source, state in _read_states(catalog, read_state):
        if isinstance(state, KeyferryError) or not state.is_seen:
            row = _describe_source(source, state)
            rows += [] if source.optional and row["state"] in ("missing", "deleted") else [row]
            continue
        visible += 1
        if state.key:
            use = keys.setdefault((state.key, source.home_region), _begin_use(state.key, source))
            use["count"] += 1
    return {
        "visible": visible,
        "rows": rows[:MAX_ROWS],
        "left": len(rows[MAX_ROWS:]),
        "keys": list(keys.values())[:MAX_ROWS],
    }


def _read_states(catalog: Catalog, read_state: StateReader) -> Iterator[tuple[Source, SourceState | KeyferryError]]:
    """Yield the state of each source once, or why it cannot be read."""
    named = (source for source in resolve_sources(catalog) if "*" not in str(source))
    unique: Iterable[Source] = {source.model_dump_json(by_alias=True): source for source in named}.values()

    def read(source: Source) -> SourceState | KeyferryError:
        try:
            return read_state(source)
        except KeyferryError as error:
            return error

    with ThreadPoolExecutor(CLUSTERS_AT_ONCE) as pool:
        for some in batched(unique, MAX_ROWS, strict=False):
            yield from zip(some, pool.map(read, some), strict=True)


def _begin_use(key: str, source: Source) -> KeyUse:
    use: KeyUse = {"key": key, "source": str(source), "count": 0}
    return {**use, "region": source.home_region} if source.home_region else use


def _describe_source(source: Source, state: SourceState | KeyferryError) -> SourceReach:
    where: SourceReach = {"name": str(source), "state": "missing"}
    if source.home_region:
        where["region"] = source.home_region
    if isinstance(state, OutOfTime):
        return where | {"state": "unknown", "error": _describe(state)}
    if isinstance(state, KeyferryError):
        return where | {"state": "failed", "error": _describe(state)}
    if state.is_deleted:
        return where | {"state": "deleted"}
    return where | {"state": "unknown"} if is_unlisted(source) else where


def is_unlisted(source: Source) -> bool:
    """Return whether no listing of the function's can show a source: another role reads it, or no listing has it."""
    return bool(source.role) or not any(source.store.get_listing_grants(source))


def _describe(error: KeyferryError) -> Failure:
    return {"kind": type(error).__name__, "text": str(error)}
