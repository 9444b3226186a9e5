"""Compare the Secrets of a cluster with their mappings, as far as there is time. It reads no value."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from keyferry.deadline import Deadline
from keyferry.delivery.apply import ClusterClient
from keyferry.delivery.observed import Observed
from keyferry.errors import (
    Forbidden,
    KeyferryError,
    NamespaceGone,
    OutOfTime,
    ServerError,
    Unexpected,
    UnknownName,
    in_part,
)
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.namespaces import in_namespace, list_target_namespaces
from keyferry.mapping.targets import Cluster, Selector
from keyferry.model import Place, Record, SourceState
from keyferry.pipeline.compare import Comparison, compare_secret
from keyferry.stores.source import Source

TARGETS_FOR_EACH_THREAD = 4
"""How many targets each thread compares between two looks at the clock."""

type StateReader = Callable[[Source], SourceState]
"""Returns what is known of a source without its value."""


_UNKNOWN = Comparison("unknown")


class Position(Record):
    """A target of a cluster: the first one that was not looked at. Targets are sorted by mapping and namespace."""

    mapping: str
    namespace: str = ""
    """Empty: the first one of the mapping."""


class Scope(Record):
    """Which mappings, clusters and namespaces to compare: all, unless a name is given."""

    mapping: str | None = None
    cluster: str | None = None
    namespace: str | None = None
    cursor: dict[str, Position] | None = None
    """Cluster → where it goes on; other clusters are finished. None: it begins."""

    @property
    def names(self) -> dict[str, str]:
        """The names that narrow the scope, by noun; empty for everything."""
        names = {"mapping": self.mapping, "cluster": self.cluster, "namespace": self.namespace}
        return {noun: name for noun, name in names.items() if name is not None}

    def select_pairs(self, catalog: Catalog) -> Mapping[str, Sequence[SecretMapping]]:
        """Return cluster → mappings to compare there, sorted; clusters that are finished are left out.

        Raises:
            UnknownName: this deployment has no mapping, cluster or namespace of these names.
        """
        pairs: defaultdict[str, list[SecretMapping]] = defaultdict(list)
        for _, mapping in sorted(catalog.mappings.items()):
            if self.mapping in (None, mapping.name) and mapping.spec.can_write_to(self.namespace):
                for cluster in catalog.clusters_of(mapping):
                    if self.cluster in (None, cluster.name):
                        pairs[cluster.name].append(mapping)
        if self.names and not pairs:
            names = ", ".join(f"{noun} {name}" for noun, name in self.names.items())
            raise UnknownName(f"no mapping of this deployment has {names}: see `keyferry validate`")
        return {name: pairs[name] for name in sorted(pairs) if self.cursor is None or name in self.cursor}


@dataclass(frozen=True, kw_only=True)
class Readers:
    """What a comparison asks. Several threads use it at once."""

    connect: Callable[[Cluster, Deadline], ClusterClient]
    read_state: StateReader
    deadline: Deadline
    concurrency: int = 8
    """How many targets of a cluster are compared at once."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True)
class Look:
    """What was seen of one target."""

    mapping: SecretMapping
    namespace: str
    """Empty where the namespaces of the mapping are not known."""
    comparison: Comparison = _UNKNOWN
    observed: Observed | None = None
    """The metadata of the Secret; None if it is missing, or not known."""
    sources: Mapping[str, SourceState] = field(default_factory=dict)
    """The state of each source, by alias."""
    error: KeyferryError | None = None
    """Why it could not be compared."""
    is_of_cluster: bool = False
    """Whether the error is one of the cluster, and not of this target alone."""


class ClusterComparison:
    """Compares the targets of some mappings on one cluster, in their order."""

    def __init__(
        self,
        cluster: Cluster,
        mappings: Iterable[SecretMapping],
        readers: Readers,
        first: Position | None = None,
        namespace: str | None = None,
    ) -> None:
        """Begin with a target.

        Args:
            cluster: the cluster.
            mappings: the mappings that write to it, sorted by name.
            readers: what to ask.
            first: the first target; None for the first one there is.
            namespace: the only namespace to look at; None for all.
        """
        self._cluster, self._readers, self._namespace = cluster, readers, namespace
        self._first = first or Position(mapping="")
        self._left = [(mapping, "") for mapping in mappings if mapping.name >= self._first.mapping]
        """The targets that are not compared yet, sorted; until they are listed, one without a namespace for each
        mapping."""
        self._failed_at: Position | None = None
        self.is_away = False
        """Whether the cluster failed: the rest of its targets is not compared."""
        self.notes: list[str] = []
        """The choices of namespaces that choose none, each with its mapping."""

    @property
    def position(self) -> Position | None:
        """The first target that there was no time for, or at which the cluster failed; None if there is none."""
        return self._failed_at or self._get_position()

    def run(self) -> Iterator[Sequence[Look]]:
        """Yield what is seen of a few targets at a time, until nothing is left, or no time.

        A cluster that does not answer is asked once: the rest of its targets has its error.
        """
        size = 1  # the first target goes alone, so that not every thread waits for a cluster that does not answer
        client: ClusterClient | None = None
        if not self._readers.deadline.has_passed:
            client, failures = self._list_targets()
            yield failures
        with ThreadPoolExecutor(self._readers.concurrency) as pool:
            while client and self._left and not self._readers.deadline.has_passed:
                looks, stop = _split(list(pool.map(partial(self._compare, client), self._left[:size])))
                self._left = self._left[len(looks) :]
                yield looks
                if stop:
                    yield [] if isinstance(stop, OutOfTime) else self._skip_cluster(stop)
                    break
                size = TARGETS_FOR_EACH_THREAD * self._readers.concurrency

    def skip(self, mappings: Collection[str]) -> None:
        """Do not look at the targets of some mappings that are left."""
        self._left = [target for target in self._left if target[0].name not in mappings]

    def _list_targets(self) -> tuple[ClusterClient | None, Sequence[Look]]:
        """List the targets; return a client for the cluster, None if it fails, and what could not be listed."""
        failures: list[Look] = []
        try:
            client = self._readers.connect(self._cluster, self._readers.deadline)
            self._left = list(self._select_targets(_NamespaceCache(client), failures))
        except OutOfTime:
            return None, []
        except Exception as error:
            return None, self._skip_cluster(_name_error(error))
        return client, failures

    def _select_targets(
        self, namespaces: "_NamespaceCache", failures: list[Look]
    ) -> Iterator[tuple[SecretMapping, str]]:
        for mapping, _ in self._left:
            try:
                targets = list_target_namespaces(namespaces, mapping)
            except (Forbidden, ServerError) as error:  # of this list; all else is the cluster's
                failures.append(Look(mapping, "", error=error))
                continue
            self.notes += [f"{mapping.name}: {note}" for note in targets.list_notes(self._cluster.name)]
            for name in targets.names:
                is_left = (mapping.name, name) >= (self._first.mapping, self._first.namespace)
                if is_left and self._namespace in (None, name):
                    yield mapping, name

    def _compare(self, client: ClusterClient, target: tuple[SecretMapping, str]) -> Look:
        """Return the difference of one target, or the error that hides it."""
        mapping, namespace = target
        place = Place(self._cluster.name, namespace)
        try:
            with in_namespace(mapping, namespace), in_part("secret.name"):
                secret = client.read_secret_metadata(namespace, mapping.spec.secret.name)
        except (Forbidden, NamespaceGone, ServerError) as error:
            return Look(mapping, namespace, error=error)
        except KeyferryError as error:
            return Look(mapping, namespace, error=error, is_of_cluster=True)
        except Exception as error:
            return Look(mapping, namespace, error=Unexpected(error))
        try:
            observed = Observed.from_object(secret) if secret else None
            sources = {
                alias: self._readers.read_state(source.resolve(place)) for alias, source in mapping.spec.sources.items()
            }
            versions = {alias: state.version for alias, state in sources.items()}
            comparison = compare_secret(mapping, versions, observed, place, self._readers.now())
            return Look(mapping, namespace, comparison, observed, sources)
        except Exception as error:  # of one target: the others are compared all the same
            return Look(mapping, namespace, error=_name_error(error))

    def _skip_cluster(self, error: KeyferryError) -> Sequence[Look]:
        """Leave the cluster alone; return the targets that are left, with its error."""
        self.is_away, self._failed_at = True, self._get_position()
        looks = [Look(mapping, namespace, error=error) for mapping, namespace in self._left]
        self._left = []
        return looks

    def _get_position(self) -> Position | None:
        """Return the first target that is left; None if there is none."""
        for mapping, namespace in self._left[:1]:
            is_first = mapping.name == self._first.mapping
            return Position(mapping=mapping.name, namespace=namespace or (self._first.namespace if is_first else ""))
        return None


def _split(looks: Sequence[Look]) -> tuple[Sequence[Look], KeyferryError | None]:
    """Return the looks before the first one that ends the comparison, and its error; None if none does."""
    for number, look in enumerate(looks):
        if isinstance(look.error, OutOfTime) or look.is_of_cluster:
            return looks[:number], look.error
    return looks, None


def _name_error(error: Exception) -> KeyferryError:
    return error if isinstance(error, KeyferryError) else Unexpected(error)


class _NamespaceCache:
    """Lists the namespaces of a cluster for each selector once, or repeats why it cannot."""

    def __init__(self, client: ClusterClient) -> None:
        self._client = client
        self._answers: dict[str, list[str] | KeyferryError] = {}

    def list_namespaces(self, selector: Selector) -> list[str]:
        """Return the names of the namespaces whose labels match."""
        key = str(selector)
        if key not in self._answers:
            try:
                self._answers[key] = self._client.list_namespaces(selector)
            except (Forbidden, ServerError) as error:
                self._answers[key] = error
        answer = self._answers[key]
        if isinstance(answer, KeyferryError):
            raise answer
        return answer
