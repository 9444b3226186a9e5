"""Sources as a delivery reads them and as a sweep compares them: with which client, by which call, in which region."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import batched

from keyferry.aws.calls import Together
from keyferry.aws.readers import READERS
from keyferry.aws.sessions import Sessions
from keyferry.errors import KeyferryError, NotSignedIn, Throttled, Unreachable
from keyferry.model import SourceValue, StoreName, dated, moment
from keyferry.role import Role
from keyferry.role import key as role_key
from keyferry.stores.source import Source

SILENT_SECONDS = 30
"""For so long a region that did not answer is asked after the others."""


class Sources:
    """Reads sources, with the rights of their roles, in the first of their regions that answers."""

    def __init__(self, sessions: Sessions, clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions, self._clock = sessions, clock
        self._silent: dict[tuple[str, str | None], float] = {}

    def reader(self, sources: Iterable[Source]) -> Callable[[Source], SourceValue]:
        """Return what reads these sources now, several by one call where their store can.

        What such a call does not give is read alone, for its own error.
        """
        batches = {key: batch for batch in _batches(sources) for key in batch.names}
        values: dict[str, SourceValue | None] = {}

        def read(source: Source) -> SourceValue:
            batch = batches.get(_key(source))
            if batch and _key(source) not in values:
                values.update(self._read_together(batch))
            return values.get(_key(source)) or self.read(source)

        return read

    def _read_together(self, batch: "_Batch") -> dict[str, SourceValue | None]:
        client = self._sessions.client(READERS[batch.store].CLIENT, batch.region, batch.roles)
        try:
            values = batch.together.read(client, sorted(set(batch.names.values())))
        except KeyferryError:
            values = {}
        return {key: values.get(name) for key, name in batch.names.items()}

    def read(self, source: Source) -> SourceValue:
        """Return the current value of a source.

        Where its first region refuses, that is an error; where it does not answer, the next one is asked.

        Raises:
            KeyferryError: the first region refuses, or none answers.
        """
        return self._first_answer(source) if source.failover else self._read(source)

    def _first_answer(self, source: Source) -> SourceValue:
        places = sorted([source, *source.elsewhere], key=self._was_silent)
        errors: list[tuple[Source, KeyferryError]] = []
        for number, place in enumerate(places, start=1):
            try:
                found = self._read(place, hurried=number < len(places))
            except (Unreachable, Throttled) as error:
                self._silent[place.store_name, place.home_region] = self._clock() + SILENT_SECONDS
                errors.append((place, error))
            except KeyferryError as error:
                if place is source:
                    raise
                errors.append((place, error))
            else:
                return _dated(replace(found, served=None if place is source else place.home_region))
        raise self._all(errors)

    def _was_silent(self, place: Source) -> bool:
        return self._silent.get((place.store_name, place.home_region), 0.0) > self._clock()

    def _all(self, errors: Sequence[tuple[Source, KeyferryError]]) -> KeyferryError:
        """Return the error of the first region, with what the others said."""
        first, *others = sorted(errors, key=lambda each: not each[0].failover)
        told = [f"{place.home_region}: {error}" for place, error in others]
        return type(first[1])("; ".join([str(first[1]), *told]))

    def _read(self, source: Source, *, hurried: bool = False) -> SourceValue:
        try:
            return self._call(source, hurried=hurried)
        except NotSignedIn:
            if not source.role:
                raise
            self._sessions.forget(source.role)
            return self._call(source, hurried=hurried)

    def _call(self, source: Source, *, hurried: bool) -> SourceValue:
        reader = READERS[source.store_name]
        client = self._sessions.client(reader.CLIENT, source.home_region, source.role, hurried=hurried)
        return reader.read(client, source)


def _key(source: Source) -> str:
    return source.model_dump_json(exclude_defaults=True)


@dataclass(frozen=True)
class _Batch:
    """Sources that one call reads: of one store and region, with the same roles."""

    store: StoreName
    region: str | None
    roles: Sequence[Role]
    together: Together
    names: Mapping[str, str]
    """Key of a source → what the call names it."""


def _batches(sources: Iterable[Source]) -> Iterator[_Batch]:
    groups: defaultdict[object, list[tuple[Source, Together, str]]] = defaultdict(list)
    for source in sources:
        together = READERS[source.store_name].TOGETHER
        name = together.name_of(source) if together else None
        if together and name:
            groups[source.store_name, source.home_region, role_key(source.role)].append((source, together, name))
    for group in groups.values():
        first, together, _ = group[0]
        for members in batched(group, together.most, strict=False):
            if len(members) > 1:
                names = {_key(source): name for source, _, name in members}
                yield _Batch(first.store_name, first.home_region, first.role, together, names)


def _dated(value: SourceValue) -> SourceValue:
    """Return the value of a source that fails over: its version shows its date, since ids have no order."""
    if dated(value.version)[1] or value.created is None:
        return value
    return replace(value, version=f"{value.version}@{moment(value.created)}")


def current_versions(sessions: Sessions) -> Callable[[Source], str | None]:
    """Return a look-up of the versions that sources have now, for one sweep: it reads no value.

    Returns:
        What gives the version of a source. None where it is not known: that of a source with a role is not, since the
        sweep has no right to read with it. Raises KeyferryError as `keyferry.aws.errors.translated` says.
    """
    versions = {store: reader.versions(partial(sessions.client, reader.CLIENT)) for store, reader in READERS.items()}
    return lambda source: None if source.role else versions[source.store_name](source)
