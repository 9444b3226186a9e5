"""Bring one mapping on one cluster to the current state of its sources: the passes of the protocol.

Each pass observes every target that is not done, only then reads the sources, and then acts on the targets
concurrently. The order is what keeps an outdated value from lasting (docs/decisions/0002).
"""

import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import batched

from keyferry.deadline import Deadline
from keyferry.delivery.apply import ClusterClient, chosen_namespaces, listing
from keyferry.delivery.desired import Desired
from keyferry.delivery.report import Read, Report
from keyferry.delivery.target import Target
from keyferry.errors import KeyferryError, OutOfTime, Overtaken, SourceDeleted, SourceMissing, Unexpected, Unreachable
from keyferry.kinds import WorkloadKind
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Delivery, Place, SourceValue
from keyferry.render.render import render
from keyferry.stores.source import Source

PASSES = 6
"""Two are needed, four at most where somebody else's is taken over or removed, and one more for each time that somebody
writes in between or an answer is lost."""
AT_ONCE = 50
"""Namespaces whose contents are made before they are written, where each has its own."""
SETTLE_SECONDS = 1.0
"""How long to wait before reading once more a source that does not yet show the version that the event names."""


type Reader = Callable[[Source], SourceValue]
"""Reads one source."""


@dataclass(frozen=True)
class Work:
    """One delivery and all that it needs."""

    delivery: Delivery
    mapping: SecretMapping
    cluster: ClusterClient
    kinds: Sequence[WorkloadKind]
    """Those that `restart: auto` looks for on the cluster."""
    reader: Callable[[Collection[Source]], Reader]
    """Returns what reads these sources now, some of them together."""
    deadline: Deadline
    concurrency: int = 8
    sleep: Callable[[float], None] = time.sleep


def deliver(work: Work) -> Report:
    """Carry out one delivery and return what became of it; errors are in the report."""
    started, sources = time.monotonic(), Read()
    targets: list[Target] = []
    error: KeyferryError | None = None
    try:
        targets = [Target(work.cluster, work.mapping, name) for name in namespaces(work)]
        with ThreadPoolExecutor(max_workers=max(1, min(work.concurrency, len(targets)))) as pool:
            for some in _in_turn(work, targets):
                _passes(work, some, pool, sources)
    except KeyferryError as caught:
        error = caught
    except Exception as caught:
        error = Unexpected(caught)
    return Report(
        delivery=work.delivery,
        outcomes=tuple(target.outcome() for target in targets if target.done or target.error or target.written),
        versions=sources.versions,
        served=sources.served,
        error=error,
        seconds=time.monotonic() - started,
        written=max((target.written for target in targets if target.written), default=None),
        owner=work.mapping.spec.owner,
    )


def namespaces(work: Work) -> list[str]:
    """Return the names of the mapping's namespaces on the cluster, or the one that the delivery asks for."""
    found = chosen_namespaces(work.cluster, work.mapping)
    return [name for name in found if work.delivery.namespace in (None, name)]


def desire(
    work: Work, pool: ThreadPoolExecutor, names: Sequence[str], *, settle: bool
) -> dict[str, Desired | KeyferryError]:
    """Read every source once and return, for each namespace, the Secret that they make there, or why they make none.

    Args:
        work: the delivery.
        pool: reads what each namespace has of its own.
        names: the namespaces.
        settle: whether to read again, after a short delay, a source that does not show the version of the event.
            Then what it shows is accepted: version ids have no order.

    Raises:
        KeyferryError: a source of all namespaces cannot be read, or the mapping cannot make its keys from it.
    """
    cluster, sources = work.delivery.cluster, work.mapping.spec.sources
    own = {alias: source for alias, source in sources.items() if "namespace" in source.placeholders}
    shared = {alias: source for alias, source in sources.items() if alias not in own}
    try:
        values = _values(work, shared, Place(cluster, names[0]), settle=settle)
    except SourceDeleted as gone:
        if work.mapping.spec.policies.deletion == "retain":
            raise
        return dict.fromkeys(names, gone)
    if not work.mapping.spec.differs_by_namespace:
        return dict.fromkeys(names, _desired(work, values, names[0]))

    def there(name: str) -> Desired | KeyferryError:
        try:
            found = _values(work, own, Place(cluster, name), settle=settle)
            return _desired(work, values | found, name)
        except KeyferryError as error:
            return error
        except Exception as error:
            return Unexpected(error)

    return dict(zip(names, pool.map(there, names), strict=True))


def _desired(work: Work, values: Mapping[str, SourceValue], namespace: str) -> Desired:
    place = Place(work.delivery.cluster, namespace)
    return Desired.of(work.mapping, render(work.mapping, values, place))


def _values(work: Work, sources: Mapping[str, Source], place: Place, *, settle: bool) -> dict[str, SourceValue]:
    there = {alias: source.resolve(place) for alias, source in sources.items()}
    read = work.reader(list(there.values()))
    values = {alias: _read(work, alias, source, read) for alias, source in there.items()}
    late = [alias for alias, version in work.delivery.versions.items() if _is_other(values, alias, version)]
    if settle and late and work.deadline.remaining() > SETTLE_SECONDS:
        work.sleep(SETTLE_SECONDS)
        read = work.reader([there[alias] for alias in late])
        values |= {alias: _read(work, alias, there[alias], read) for alias in late}
    return values


def _read(work: Work, alias: str, source: Source, read: Reader) -> SourceValue:
    """Return what a source holds now.

    Raises:
        SourceDeleted: an event says that it was deleted, and twice it is not there: a read can be behind.
    """
    _check_time(work)
    try:
        return read(source)
    except SourceMissing:
        if alias not in work.delivery.deleted or work.mapping.spec.policies.deletion == "retain":
            raise
    work.sleep(min(SETTLE_SECONDS, work.deadline.remaining()))
    try:
        return work.reader([source])(source)
    except SourceMissing as error:
        raise SourceDeleted(f"source {alias} was deleted, and is not there: {error}") from None


def _is_other(values: Mapping[str, SourceValue], alias: str, version: str) -> bool:
    return alias in values and not values[alias].has_version(version)


def _in_turn(work: Work, targets: Sequence[Target]) -> list[list[Target]]:
    """Return which targets are brought up together: all, unless each has a content of its own.

    Then it can take longer to make all contents than there is time, and what is made is written some by some. By chance
    each try begins elsewhere, so that every target has its turn.
    """
    if not work.mapping.spec.differs_by_namespace:
        return [list(targets)]
    turns = [list(some) for some in batched(targets, AT_ONCE, strict=False)]
    random.shuffle(turns)
    return turns


def _passes(work: Work, targets: Sequence[Target], pool: ThreadPoolExecutor, sources: Read) -> None:
    for number in range(PASSES):
        pending = [target for target in targets if not target.done]
        if not pending:
            return
        if any(target.error for target in pending):
            _pause(work, number)
        _each(work, pool, pending, Target.observe)
        seen = [target for target in pending if target.fresh and not target.done]
        if not seen:
            return  # nothing answers: the queue is what tries again
        made = desire(work, pool, [target.namespace for target in seen], settle=number == 0)
        for target in seen:
            target.want(made[target.namespace])
        sources.take(each for each in made.values() if isinstance(each, Desired))
        _each(work, pool, seen, Target.advance)
        workloads = listing(
            work.cluster, work.mapping, work.kinds, targets=sum(target.due is not None for target in seen)
        )
        _each(work, pool, seen, lambda target: target.look(workloads))  # noqa: B023  # run at once
        _each(work, pool, seen, Target.restart)
    for target in targets:
        if not target.done and target.error is None:
            target.error = Overtaken(f"the Secret in {target.namespace} kept changing while it was being written")


def _pause(work: Work, number: int) -> None:
    seconds = random.uniform(0.05, 0.2) * 2**number  # noqa: S311  # jitter, no secret
    work.sleep(min(seconds, work.deadline.remaining()))


def _each(work: Work, pool: ThreadPoolExecutor, targets: Iterable[Target], step: Callable[[Target], None]) -> None:
    """Take a step on every target that is not done; one that fails does not stop the others."""

    def guarded(target: Target) -> None:
        try:
            _check_time(work)
            step(target)
        except (Overtaken, Unreachable) as error:  # step 1 again: observe, with nothing taken for granted
            target.fresh, target.due, target.error = False, None, error
        except KeyferryError as error:
            target.done, target.due, target.error = True, None, error.with_traceback(None)
        except Exception as error:
            target.done, target.due, target.error = True, None, Unexpected(error)
        if target.done:
            target.observed = target.desired = None  # there may be thousands of up to 1 MiB

    list(pool.map(guarded, [target for target in targets if not target.done]))


def _check_time(work: Work) -> None:
    if work.deadline.has_passed:
        raise OutOfTime
