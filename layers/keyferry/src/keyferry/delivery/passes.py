"""Carry out a delivery: bring the Secrets of one mapping on one cluster to the current values of its sources.

A delivery repeats passes until every namespace is done. One pass does this, in this order (docs/decisions/0002; the
steps are explained in `keyferry.delivery.plan`):

1. Observe the Secret in every namespace that is not done.
2. Only then read the sources, and render the desired Secrets. A value that was read before the observation could be
   older than the Secret, and the preconditions of the apply would not show it.
3. In every namespace, plan and carry out actions (steps 3 to 6). A change of content ends the pass for this namespace:
   before anything is restarted for it, the next pass reads the sources again.
4. Where a restart is due, list the workloads and stamp them, and remove `restart-due` (steps 7 and 8).

Namespaces run concurrently, and an error in one does not stop the others. Where somebody else has written to a Secret
in between, or no answer came, the next pass observes it again.
"""

import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import batched

from keyferry.deadline import Deadline
from keyferry.delivery.apply import ClusterClient, create_workload_lister, list_target_namespaces
from keyferry.delivery.desired import Desired
from keyferry.delivery.report import Report, SourceVersions
from keyferry.delivery.target import Target
from keyferry.errors import KeyferryError, OutOfTime, Overtaken, SourceDeleted, SourceMissing, Unexpected, Unreachable
from keyferry.kinds import WorkloadKind
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Delivery, Place, SourceValue
from keyferry.render.render import render
from keyferry.stores.source import Source

MAX_PASSES = 6
"""A change takes two passes; four at most, if something of others has to be taken over or removed. The others are for
writes of others in between, and for answers that are lost."""
BATCH_SIZE = 50
"""How many namespaces are rendered before the first of them is written, where each has content of its own."""
REREAD_SECONDS = 1.0
"""How long to wait before a source is read once more, where AWS does not serve yet what the event has reported."""


type SourceReader = Callable[[Source], SourceValue]
"""Reads the value of one source."""


@dataclass(frozen=True)
class Work:
    """One delivery and everything that it needs."""

    delivery: Delivery
    mapping: SecretMapping
    cluster: ClusterClient
    restart_kinds: Sequence[WorkloadKind]
    """The kinds of workloads that `restart: auto` looks for on the cluster."""
    create_reader: Callable[[Collection[Source]], SourceReader]
    """Returns a function that reads these sources now. It can read several of them with one request."""
    deadline: Deadline
    concurrency: int = 8
    """How many namespaces are handled at the same time."""
    sleep: Callable[[float], None] = time.sleep


def deliver(work: Work) -> Report:
    """Carry out one delivery and return its result. Errors are in the report; none is raised."""
    started, sources = time.monotonic(), SourceVersions()
    targets: list[Target] = []
    error: KeyferryError | None = None
    try:
        targets = [Target(work.cluster, work.mapping, namespace) for namespace in list_namespaces(work)]
        with ThreadPoolExecutor(max_workers=max(1, min(work.concurrency, len(targets)))) as pool:
            for batch in _split_into_batches(work, targets):
                _run_passes(work, batch, pool, sources)
    except KeyferryError as caught:
        error = caught
    except Exception as caught:
        error = Unexpected(caught)
    return Report(
        delivery=work.delivery,
        outcomes=tuple(
            target.build_outcome() for target in targets if target.is_done or target.error or target.written_at
        ),
        versions=sources.versions,
        served=sources.served,
        error=error,
        seconds=time.monotonic() - started,
        written_at=max((target.written_at for target in targets if target.written_at), default=None),
        owner=work.mapping.spec.owner,
    )


def list_namespaces(work: Work) -> list[str]:
    """Return the mapping's namespaces on the cluster, or the one of them that the delivery is for."""
    namespaces = list_target_namespaces(work.cluster, work.mapping)
    return [namespace for namespace in namespaces if work.delivery.namespace in (None, namespace)]


def _split_into_batches(work: Work, targets: Sequence[Target]) -> list[list[Target]]:
    """Return the targets in the groups that go through the passes together.

    That is one group, unless every namespace has content of its own. Then it can take longer to render all of them than
    there is time, so each batch is written before the next one is rendered. The order of the batches is random: if the
    time is never enough for all, another batch is first in the next try.
    """
    if not work.mapping.spec.differs_by_namespace:
        return [list(targets)]
    batches = [list(batch) for batch in batched(targets, BATCH_SIZE, strict=False)]
    random.shuffle(batches)
    return batches


def _run_passes(work: Work, targets: Sequence[Target], pool: ThreadPoolExecutor, sources: SourceVersions) -> None:
    """Repeat passes until all targets are done. Targets that are not done after the last pass get an error."""
    for number in range(MAX_PASSES):
        pending = [target for target in targets if not target.is_done]
        if not pending:
            return
        if any(target.error for target in pending):
            _wait(work, number)
        _run_step(work, pool, pending, Target.observe)
        observed = [target for target in pending if target.is_fresh and not target.is_done]
        if not observed:
            return  # the cluster does not answer: the message is retried later
        desired = build_desired(work, pool, [target.namespace for target in observed], reread=number == 0)
        for target in observed:
            target.set_desired(desired[target.namespace])
        sources.add(secret for secret in desired.values() if isinstance(secret, Desired))
        _run_step(work, pool, observed, Target.update)
        due = [target.namespace for target in observed if target.due_restart]
        list_workloads = create_workload_lister(work.cluster, work.mapping, work.restart_kinds, due)
        prepare_restart = partial(Target.prepare_restart, list_workloads=list_workloads)
        _run_step(work, pool, observed, prepare_restart)
        _run_step(work, pool, observed, Target.restart)
    for target in targets:
        if not target.is_done and target.error is None:
            target.error = Overtaken(f"the Secret in {target.namespace} kept changing while it was being written")


def _wait(work: Work, number: int) -> None:
    """Wait before pass `number`, counted from 0: for 0.05 to 0.2 s at random, doubled for each pass before it."""
    seconds = random.uniform(0.05, 0.2) * 2**number  # noqa: S311  # jitter, no secret
    work.sleep(min(seconds, work.deadline.remaining()))


def _run_step(work: Work, pool: ThreadPoolExecutor, targets: Iterable[Target], step: Callable[[Target], None]) -> None:
    """Run a step for every target that is not done, concurrently. An error is kept in its target."""

    def run(target: Target) -> None:
        try:
            _check_time(work)
            step(target)
        except (Overtaken, Unreachable) as error:  # step 1 again: what is known of the Secret may be wrong
            target.is_fresh, target.due_restart, target.error = False, None, error
        except KeyferryError as error:
            target.is_done, target.due_restart, target.error = True, None, error.with_traceback(None)
        except Exception as error:
            target.is_done, target.due_restart, target.error = True, None, Unexpected(error)
        if target.is_done:
            target.observed = target.desired = None  # frees memory: there may be thousands, of up to 1 MiB each

    list(pool.map(run, [target for target in targets if not target.is_done]))


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
        shared_values = _read_sources(work, shared_sources, Place(cluster, namespaces[0]), reread=reread)
    except SourceDeleted as error:
        if work.mapping.spec.policies.deletion == "retain":
            raise
        return dict.fromkeys(namespaces, error)
    if not work.mapping.spec.differs_by_namespace:
        return dict.fromkeys(namespaces, _render_desired(work, shared_values, namespaces[0]))

    def build_one(namespace: str) -> Desired | KeyferryError:
        try:
            values = _read_sources(work, namespace_sources, Place(cluster, namespace), reread=reread)
            return _render_desired(work, shared_values | values, namespace)
        except KeyferryError as error:
            return error
        except Exception as error:
            return Unexpected(error)

    return dict(zip(namespaces, pool.map(build_one, namespaces), strict=True))


def _render_desired(work: Work, values: Mapping[str, SourceValue], namespace: str) -> Desired:
    place = Place(work.delivery.cluster, namespace)
    return Desired.from_rendered(work.mapping, render(work.mapping, values, place))


def _read_sources(work: Work, sources: Mapping[str, Source], place: Place, *, reread: bool) -> dict[str, SourceValue]:
    """Return alias of a source → its value in one place."""
    resolved = {alias: source.resolve(place) for alias, source in sources.items()}
    read = work.create_reader(list(resolved.values()))
    values = {alias: _read_source(work, alias, source, read) for alias, source in resolved.items()}
    expected = work.delivery.versions  # those that the event names
    late = [alias for alias, version in expected.items() if alias in values and not values[alias].has_version(version)]
    if reread and late and work.deadline.remaining() > REREAD_SECONDS:
        work.sleep(REREAD_SECONDS)
        read = work.create_reader([resolved[alias] for alias in late])
        values |= {alias: _read_source(work, alias, resolved[alias], read) for alias in late}
    return values


def _read_source(work: Work, alias: str, source: Source, read: SourceReader) -> SourceValue:
    """Return the current value of a source.

    Raises:
        SourceDeleted: an event has reported that the source was deleted, the mapping acts on deletions, and two reads
            with REREAD_SECONDS between them say that it does not exist. The answer to one read can be out of date.
        KeyferryError: the source cannot be read.
    """
    _check_time(work)
    try:
        return read(source)
    except SourceMissing:
        if alias not in work.delivery.deleted or work.mapping.spec.policies.deletion == "retain":
            raise
    work.sleep(min(REREAD_SECONDS, work.deadline.remaining()))
    try:
        return work.create_reader([source])(source)
    except SourceMissing as error:
        raise SourceDeleted(f"source {alias} was deleted, and is not there: {error}") from None


def _check_time(work: Work) -> None:
    if work.deadline.has_passed:
        raise OutOfTime
