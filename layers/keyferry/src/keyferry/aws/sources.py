"""Sources as a delivery reads them and as a sweep compares them: with which client, by which call, in which region."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import batched

from keyferry.aws import parameter_store, secrets_manager
from keyferry.aws.sessions import Sessions
from keyferry.errors import KeyferryError, NotSignedIn, Throttled, Unreachable
from keyferry.model import CURRENT, SourceValue, moment
from keyferry.role import key
from keyferry.stores.find import version_of
from keyferry.stores.source import Source

SILENT_SECONDS = 30
"""For so long a region that did not answer is asked after the others."""


class Sources:
    """Reads sources, with the rights of their roles, in the first of their regions that answers."""

    def __init__(self, sessions: Sessions, clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions, self._clock = sessions, clock
        self._silent: dict[tuple[str, str | None], float] = {}

    def reader(self, sources: Iterable[Source]) -> Callable[[Source], SourceValue]:
        """Return what reads these sources now: parameters by ten, since Parameter Store answers 40 calls a second.

        What such a batch does not give is read alone, for its own error.
        """
        batches = {_key(each): batch for batch in _batches(sources) for each in batch}
        found: dict[str, SourceValue | None] = {}

        def read(source: Source) -> SourceValue:
            batch = batches.get(_key(source), [])
            if batch and _key(source) not in found:
                found.update(self._read_together(batch))
            return found.get(_key(source)) or self.read(source)

        return read

    def _read_together(self, batch: Sequence[Source]) -> dict[str, SourceValue | None]:
        client = self._sessions.client("ssm", batch[0].home_region, batch[0].role)
        try:
            found = parameter_store.read_together(client, batch)
        except KeyferryError:
            found = {}
        return {_key(each): found.get(parameter_store.selector(each)) for each in batch}

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
                self._silent[place.service, place.home_region] = self._clock() + SILENT_SECONDS
                errors.append((place, error))
            except KeyferryError as error:
                if place is source:
                    raise
                errors.append((place, error))
            else:
                return _dated(replace(found, served=None if place is source else place.home_region), source)
        raise self._all(errors)

    def _was_silent(self, place: Source) -> bool:
        return self._silent.get((place.service, place.home_region), 0.0) > self._clock()

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
            return self._call(source, hurried=hurried, renew=True)

    def _call(self, source: Source, *, hurried: bool, renew: bool = False) -> SourceValue:
        region, role = source.home_region, source.role
        if source.service == "secretsmanager":
            secrets = self._sessions.client("secretsmanager", region, role, hurried=hurried, renew=renew)
            if source.find:
                return secrets_manager.find(secrets, source)
            return (
                secrets_manager.read_tags(secrets, source) if source.metadata else secrets_manager.read(secrets, source)
            )
        parameters = self._sessions.client("ssm", region, role, hurried=hurried, renew=renew)
        if source.find:
            return parameter_store.find(parameters, source)
        return (
            parameter_store.read_tags(parameters, source)
            if source.metadata
            else parameter_store.read(parameters, source)
        )


def _key(source: Source) -> str:
    return source.model_dump_json(exclude_defaults=True)


def _batches(sources: Iterable[Source]) -> Iterator[list[Source]]:
    """Yield the parameters that one call can read: of one region, with one role, known by their names."""
    groups: defaultdict[object, dict[str, Source]] = defaultdict(dict)
    for each in sources:
        if each.service == "parameterstore" and not (each.find or each.metadata or each.failover or each.account):
            groups[each.home_region, key(each.role)][parameter_store.selector(each)] = each
    for group in groups.values():
        yield from (
            list(batch) for batch in batched(group.values(), parameter_store.BATCH, strict=False) if len(batch) > 1
        )


def _dated(value: SourceValue, source: Source) -> SourceValue:
    """Return the value of a source that fails over: its version shows its date, since ids have no order."""
    if source.service == "parameterstore" or value.created is None:
        return value
    return replace(value, version=f"{value.version}@{moment(value.created)}")


class Versions:
    """The versions that sources have now, for one sweep: each region's secrets and parameters are listed once."""

    def __init__(self, sessions: Sessions) -> None:
        self._secrets = _once(lambda region: secrets_manager.listing(sessions.client("secretsmanager", region)))
        self._parameters = _once(
            lambda region, *tags: parameter_store.listing(sessions.client("ssm", region), dict(tags))
        )

    def of(self, source: Source) -> str | None:
        """Return the version of a source; None where it is not known.

        That of a source with a role is not: the sweep has no right to read with it.

        Raises:
            KeyferryError: as `keyferry.aws.errors.translated` says.
        """
        if source.role:
            return None
        return self._secret(source) if source.service == "secretsmanager" else self._parameter(source)

    def _secret(self, source: Source) -> str | None:
        listed = self._secrets(source.home_region)
        if source.find:
            found = secrets_manager.matching(source, listed.values())
            return version_of({each.name: each.labels.get(CURRENT) for each in found})
        known = next((listed[name] for name in source.names if name in listed), None)
        if known is None:
            return None
        if source.metadata:
            return known.changed
        if source.version:
            return source.version if source.version in known.labels.values() else None
        return known.labels.get(source.label or CURRENT)

    def _parameter(self, source: Source) -> str | None:
        if source.version or source.label or source.metadata:
            return None  # the listing shows neither labels nor earlier versions, nor tags
        listed = self._parameters(source.home_region, *sorted(source.tags.items()))
        if source.find:
            return version_of({name: version for name, version in listed.items() if source.finds(name)})
        (name,) = source.names
        return listed.get(f"/{name}") or listed.get(name)


def _once[**P, T](listing: Callable[P, T]) -> Callable[P, T]:
    """Return a listing that asks once for the same, and says again what it said, be it an error."""

    def tried(*args: P.args, **kwargs: P.kwargs) -> T | KeyferryError:
        try:
            return listing(*args, **kwargs)
        except KeyferryError as error:
            return error

    kept = cache(tried)

    def again(*args: P.args, **kwargs: P.kwargs) -> T:
        found = kept(*args, **kwargs)  # type: ignore[arg-type]  # cache knows nothing of parameters
        if isinstance(found, KeyferryError):
            raise found
        return found

    return again
