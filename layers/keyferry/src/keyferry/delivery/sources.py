"""Read the sources of a delivery, and make the desired Secrets of their values (step 2)."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from keyferry.delivery.desired import Desired
from keyferry.delivery.work import SourceReader, Work
from keyferry.errors import (
    KeyferryError,
    NothingFound,
    SourceDeleted,
    SourceMissing,
    Unconfirmed,
    Unexpected,
    VersionMissing,
    in_part,
)
from keyferry.model import Place, SecretValue, SourceValue
from keyferry.render.render import can_lack, render
from keyferry.stores.source import Source

REREAD_SECONDS = 1.0
"""How long to wait before a source is read once more, where AWS does not serve yet what the event has reported."""
CONFIRMED_SECONDS = 60
"""How long after the event a deletion is believed: Terraform, say, replaces a parameter by deleting and creating it."""


def build_desired(
    work: Work, pool: ThreadPoolExecutor, namespaces: Sequence[str], *, reread: bool
) -> dict[str, Desired | KeyferryError]:
    """Read every source once, and return the desired Secret of each namespace, or the error that prevents it.

    Args:
        work: the delivery.
        pool: the threads for sources that are read for each namespace.
        namespaces: the namespaces, at least one.
        reread: whether to read a source once more, after REREAD_SECONDS, if it does not have the version that the event
            names. Whatever it has then is taken: version ids have no order.

    Raises:
        KeyferryError: a source that all namespaces share cannot be read, or the mapping cannot make its keys from it.
    """
    cluster, sources = work.delivery.cluster, work.mapping.spec.sources
    namespace_sources = {alias: source for alias, source in sources.items() if "namespace" in source.placeholders}
    shared_sources = {alias: source for alias, source in sources.items() if alias not in namespace_sources}
    try:
        shared_values = _read_sources(work, _resolve(shared_sources, Place(cluster, namespaces[0])), reread=reread)
    except SourceDeleted as error:
        if work.mapping.spec.policies.deletion == "retain":
            raise
        return dict.fromkeys(namespaces, error)
    if not work.mapping.spec.differs_by_namespace:
        return dict.fromkeys(namespaces, _render_desired(work, shared_values, namespaces[0]))

    resolved = {namespace: _resolve(namespace_sources, Place(cluster, namespace)) for namespace in namespaces}
    return _build_for_each(work, pool, shared_values, resolved, reread=reread)


def _build_for_each(
    work: Work,
    pool: ThreadPoolExecutor,
    shared_values: dict[str, SourceValue],
    resolved: Mapping[str, Mapping[str, Source]],
    *,
    reread: bool,
) -> dict[str, Desired | KeyferryError]:
    """Return what `build_desired` does, for namespaces whose Secrets differ.

    Args:
        work: the delivery.
        pool: the threads.
        shared_values: the values of the sources that all namespaces share.
        resolved: namespace → its own sources, by alias.
        reread: as in `build_desired`.
    """
    # One reader for all namespaces, since one call can read sources of several.
    read = work.create_reader([source for by_alias in resolved.values() for source in by_alias.values()])

    def build_one(namespace: str) -> Desired | KeyferryError:
        try:
            work.check_time()  # templates may take a second for each namespace
            values = _read_sources(work, resolved[namespace], read, reread=reread)
            return _render_desired(work, shared_values | values, namespace)
        except KeyferryError as error:
            return error
        except Exception as error:
            return Unexpected(error)

    return dict(zip(resolved, pool.map(build_one, resolved), strict=True))


def _render_desired(work: Work, values: Mapping[str, SourceValue], namespace: str) -> Desired | NothingFound:
    place = Place(work.delivery.cluster, namespace)
    restart = work.delivery.restart if work.mapping.spec.restart != "none" else None
    try:
        desired = Desired.from_rendered(work.mapping, render(work.mapping, values, place), work.verdict)
        return replace(desired, restart_request=restart)
    except NothingFound as error:
        return error


def _resolve(sources: Mapping[str, Source], place: Place) -> dict[str, Source]:
    """Return alias of a source → the source in one place."""
    return {alias: source.resolve(place) for alias, source in sources.items()}


def _read_sources(
    work: Work, resolved: Mapping[str, Source], read: SourceReader | None = None, *, reread: bool
) -> dict[str, SourceValue]:
    """Return alias of a source → its value, by a reader of these sources and perhaps others."""
    read = read or work.create_reader(list(resolved.values()))
    values = {}
    for alias, source in resolved.items():
        with in_part(f"sources.{alias}"):
            values[alias] = _read_source(work, alias, source, read)
    expected = work.delivery.versions  # those that the event names
    late = [alias for alias, version in expected.items() if alias in values and not values[alias].has_version(version)]
    if reread and late and work.deadline.remaining() > REREAD_SECONDS:
        work.sleep(REREAD_SECONDS)
        read = work.create_reader([resolved[alias] for alias in late])
        for alias in late:
            with in_part(f"sources.{alias}"):
                values[alias] = _read_source(work, alias, resolved[alias], read)
    return values


def _read_source(work: Work, alias: str, source: Source, read: SourceReader) -> SourceValue:
    """Return the current value of a source; none where it is optional and missing, or what is made of it can do without
    the version that has its label.

    Raises:
        SourceDeleted: an event has reported that the source was deleted, the mapping acts on deletions, and the source
            is still missing CONFIRMED_SECONDS after the event.
        Unconfirmed: the same, sooner after the event.
        KeyferryError: the source cannot be read.
    """
    work.check_time()
    nothing = SourceValue(SecretValue(b""), "", is_missing=True)
    try:
        return read(source)
    except VersionMissing:
        # A version that is fixed by its id does not come by itself: it is misspelt, or AWS has removed it.
        if source.optional or (source.label and can_lack(work.mapping, alias)):
            return nothing
        raise
    except SourceDeleted:
        if source.optional:
            return nothing
        raise
    except SourceMissing as error:
        acts = alias in work.delivery.deleted and work.mapping.spec.policies.deletion != "retain"
        if not (acts or source.optional):
            raise
        if acts and (work.now() - work.delivery.time).total_seconds() < CONFIRMED_SECONDS:
            raise Unconfirmed(
                f"source {alias} was deleted a moment ago: a try that begins {CONFIRMED_SECONDS} s after that deletes"
                " the Secret, if the source is not there again by then"
            ) from None
        if source.optional:
            return nothing
        raise SourceDeleted(f"source {alias} was deleted, and is not there: {error}") from None
