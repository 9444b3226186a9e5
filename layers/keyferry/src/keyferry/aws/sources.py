"""Read the values of sources for a delivery, and their states for a sweep."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import batched

from keyferry.aws.calls import BatchRead, cache_answers
from keyferry.aws.readers import READERS
from keyferry.aws.sessions import Sessions
from keyferry.errors import KeyferryError, NotSignedIn, OutOfTime, SourceUnusable, Throttled, Unreachable
from keyferry.formats.fields import CHECKED
from keyferry.model import SourceState, SourceValue, StoreName, format_time
from keyferry.role import Role
from keyferry.role import chain_key as role_key
from keyferry.stores.source import Source

UNAVAILABLE_SECONDS = 30
"""For how long a region that did not answer is asked after the other regions."""


class Sources:
    """Reads sources with the rights of their roles, in the first of their regions that answers."""

    def __init__(self, sessions: Sessions, clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions, self._clock = sessions, clock
        self._unavailable_until: dict[tuple[str, str | None], float] = {}

    def create_reader(self, sources: Iterable[Source]) -> Callable[[Source], SourceValue]:
        """Return a function that reads one of these sources, as `read` does, with fewer calls.

        Where a store can, one call reads several sources, when the first of them is asked for. A source that is
        missing in the answer is read by a call of its own, which raises its own error. Safe for use by several threads:
        those that ask for sources of the same call wait for one.
        """
        batches = list(_build_batches(sources))
        numbers = {key: number for number, batch in enumerate(batches) for key in batch.names}
        read_batch = cache_answers(lambda number: self._read_batch(batches[number]))

        def read(source: Source) -> SourceValue:
            key = _build_key(source)
            value = read_batch(numbers[key]).get(key) if key in numbers else None
            return value or self.read(source)

        return read

    def _read_batch(self, batch: "_Batch") -> dict[str, SourceValue | None]:
        client = self._sessions.client(READERS[batch.store].CLIENT, batch.region, batch.roles)
        try:
            values = batch.call.read(client, sorted(set(batch.names.values())))
        except (Throttled, Unreachable, OutOfTime):
            raise  # a call for each source would be more of the same
        except KeyferryError:
            values = {}
        return {key: values.get(name) for key, name in batch.names.items()}

    def read(self, source: Source) -> SourceValue:
        """Return the current value of a source.

        If its first region does not answer, or asks to slow down, the regions of its failover are read in their order.

        Raises:
            KeyferryError: the first region refuses, or no region gives the value.
        """
        return self._read_regions(source) if source.failover else self._read_region(source)

    def _read_regions(self, source: Source) -> SourceValue:
        replicas = sorted([source, *source.replicas], key=self._is_unavailable)
        errors: list[tuple[Source, KeyferryError]] = []
        for number, replica in enumerate(replicas, start=1):
            try:
                value = self._read_region(replica, fail_fast=number < len(replicas))
            except (Unreachable, Throttled) as error:
                self._unavailable_until[replica.store_name, replica.home_region] = self._clock() + UNAVAILABLE_SECONDS
                errors.append((replica, error))
            except KeyferryError as error:
                if replica is source:
                    raise
                errors.append((replica, error))
            else:
                return _add_date(replace(value, served=None if replica is source else replica.home_region), source)
        raise _join_errors(errors)

    def _is_unavailable(self, replica: Source) -> bool:
        return self._unavailable_until.get((replica.store_name, replica.home_region), 0.0) > self._clock()

    def _read_region(self, source: Source, *, fail_fast: bool = False) -> SourceValue:
        """Return the value of a source in its own region; if its role's session is refused, try with a new one."""
        try:
            return self._call(source, fail_fast=fail_fast)
        except NotSignedIn:
            if not source.role:
                raise
            self._sessions.forget(source.role)
            return self._call(source, fail_fast=fail_fast)

    def _call(self, source: Source, *, fail_fast: bool) -> SourceValue:
        reader = READERS[source.store_name]
        client = self._sessions.client(reader.CLIENT, source.home_region, source.role, fail_fast=fail_fast)
        return reader.read(client, source)


def _join_errors(errors: Sequence[tuple[Source, KeyferryError]]) -> KeyferryError:
    """Return the error of the first region, with the texts of the other regions' errors."""
    (_, first_error), *others = sorted(errors, key=lambda entry: not entry[0].failover)
    texts = [f"{replica.home_region}: {error}" for replica, error in others]
    return type(first_error)("; ".join([str(first_error), *texts]))


def _build_key(source: Source) -> str:
    return source.model_dump_json(by_alias=True, exclude_defaults=True)


@dataclass(frozen=True)
class _Batch:
    """Sources that one call reads: of one store and region, with the same roles."""

    store: StoreName
    region: str | None
    roles: Sequence[Role]
    call: BatchRead
    names: Mapping[str, str]
    """The name of each source in the call, by the key of the source."""


def _build_batches(sources: Iterable[Source]) -> Iterator[_Batch]:
    """Yield the batches that sources can be read in; none for a source that needs a call of its own."""
    groups: defaultdict[object, list[tuple[Source, BatchRead, str]]] = defaultdict(list)
    for source in sources:
        call = READERS[source.store_name].BATCH_READ
        name = call.get_name(source) if call else None
        if call and name:
            groups[source.store_name, source.home_region, role_key(source.role)].append((source, call, name))
    for group in groups.values():
        first, call, _ = group[0]
        for entries in batched(group, call.max_names, strict=False):
            names = {_build_key(source): name for source, _, name in entries}
            if len(set(names.values())) > 1:
                yield _Batch(first.store_name, first.home_region, first.role, call, names)


def _add_date(value: SourceValue, source: Source) -> SourceValue:
    """Return the value with its date in its version: regions are compared by date, since version ids have no order."""
    if not source.store.SAME_VERSIONS_IN_REPLICAS or value.created is None:
        return value  # versions that are numbered in each region show their date already
    return replace(value, version=f"{value.version}@{format_time(value.created)}")


def create_state_reader(sessions: Sessions) -> Callable[[Source], SourceState]:
    """Return a function that gives the current state of a source. It reads no value.

    Nothing is known of a source with a role, because the sweep has no right to assume roles; nor of a `find` which
    computes too much: a delivery says so. Each region is listed once, and each `find` matched once, so use the function
    for one sweep only.

    Returns:
        The function; it raises a KeyferryError as `keyferry.aws.errors.translate_errors` says.
    """
    readers = {
        store: reader.create_state_reader(partial(sessions.client, reader.CLIENT)) for store, reader in READERS.items()
    }

    def match(find: str) -> SourceState:
        source = Source.model_validate_json(find, context={CHECKED: True})
        try:
            return readers[source.store_name](source)
        except SourceUnusable:
            return SourceState()

    match_once = cache_answers(match)

    def read_state(source: Source) -> SourceState:
        if source.role:
            return SourceState()
        return match_once(_build_key(source)) if source.find else readers[source.store_name](source)

    return read_state
