"""Carry out a delivery: bring the Secrets of one mapping on one cluster to the current values of its sources.

Its namespaces go in batches. All of them at once would hold all their Secrets in memory before the first one is
written, and would write nothing at all where looking at them takes longer than there is time. The first batch is small,
since nothing is known yet; what it took says how large the next one may be.

For a batch, passes are repeated until every namespace is done. One pass does this, in this order (docs/decisions/0002;
the steps are explained in `keyferry.delivery.plan`):

1. Observe the Secret in every namespace that is not done.
2. Only then read the sources, and render the desired Secrets. A value that was read before the observation could be
   older than the Secret, and the preconditions of the apply would not show it.
3. In every namespace, plan and carry out actions (steps 3 to 6). A change of content ends the pass for this namespace:
   before anything is restarted for it, the next pass reads the sources again.
4. Where a restart is due, list the workloads and stamp them, and remove `restart-due` (steps 7 and 8).

Namespaces run concurrently, and an error in one does not stop the others. Where somebody else has written to a Secret
in between, or no answer came, the next pass observes it again. What concerns them all ends the delivery at once: a
cluster that does not answer, no time left, or somebody who suspends it.
"""

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeGuard

from keyferry.delivery.apply import create_workload_lister
from keyferry.delivery.desired import Desired
from keyferry.delivery.report import Report, SourceVersions
from keyferry.delivery.sources import build_desired
from keyferry.delivery.target import Target
from keyferry.delivery.work import Work, list_namespaces, list_notes
from keyferry.errors import (
    AccessDenied,
    ClusterSlow,
    ClusterUnavailable,
    Conflict,
    KeyferryError,
    Misconfigured,
    OutOfTime,
    Overtaken,
    Rejected,
    ServerError,
    Suspended,
    Throttled,
    Unexpected,
    Unreachable,
)
from keyferry.mapping.namespaces import in_namespace

MAX_PASSES = 6
"""A change takes two passes; four at most, if something of others has to be taken over or removed. The others are for
writes of others in between, and for answers that are lost."""
TARGETS_PER_THREAD = 4
"""How many namespaces the first batch has, for each thread."""
MAX_FIRST_BATCH = 64
"""How many namespaces the first batch has at most: nothing is known of their sizes yet."""
MAX_GROWTH = 8
"""How many times larger a batch may be than the one before."""
MAX_BATCH_TARGETS = 1000
MAX_BATCH_BYTES = 32 * 1024 * 1024
"""How much content a batch may hold: for some seconds, what was observed and what is desired are in memory."""
BATCH_SHARE = 0.25
"""Which share of the time that is left a batch may take."""


@dataclass
class Run:
    """A delivery under way: its work and its threads, what it has read, and the error that ends it."""

    work: Work
    pool: ThreadPoolExecutor
    sources: SourceVersions = field(default_factory=SourceVersions)
    error: KeyferryError | None = None
    """Why the delivery ends for all targets; None as long as it goes on."""

    def check(self) -> None:
        """Raise the error that has ended the delivery, OutOfTime or Suspended: nothing more may begin."""
        if self.error:
            raise self.error
        self.work.check_time()
        self.work.check_suspended()


def deliver(work: Work) -> Report:
    """Carry out one delivery and return its result. Errors are in the report; none is raised."""
    started, targets, notes = time.monotonic(), list[Target](), tuple[str, ...]()
    with ThreadPoolExecutor(max_workers=max(1, work.concurrency)) as pool:
        run = Run(work, pool)
        try:
            namespaces = list_namespaces(work)
            targets = [Target(work, namespace) for namespace in namespaces.names]
            _run_batches(run, targets)
            notes = list_notes(work, namespaces, restarts=not run.error and any(target.was_due for target in targets))
        except KeyferryError as error:
            run.error = error.with_traceback(None)
        except Exception as error:
            run.error = Unexpected(error)
    return Report(
        delivery=work.delivery,
        outcomes=tuple(
            target.build_outcome() for target in targets if target.is_done or target.error or target.written_at
        ),
        versions=run.sources.versions,
        served=run.sources.served,
        error=run.error,
        seconds=time.monotonic() - started,
        written_at=max((target.written_at for target in targets if target.written_at), default=None),
        owner=work.mapping.spec.owner,
        notes=notes,
        all_namespaces=tuple(target.namespace for target in targets),
        restart="list" if isinstance(work.mapping.spec.restart, list) else work.mapping.spec.restart,
    )


def _run_batches(run: Run, targets: Sequence[Target]) -> None:
    """Run the passes for batches of the targets, until all are done or the delivery ends.

    Which targets come first is random: if the time is never enough for all, others do in the next try.
    """
    work, waiting, largest = run.work, random.sample(targets, len(targets)), 0
    size = min(MAX_FIRST_BATCH, TARGETS_PER_THREAD * work.concurrency)
    while waiting and not run.error:
        batch, waiting = sorted(waiting[:size], key=lambda target: target.namespace), waiting[size:]
        before = work.deadline.remaining()
        _run_passes(run, batch)
        largest = max(largest, *(target.content_bytes for target in batch))
        for target in batch:
            target.forget()
        remaining = work.deadline.remaining()
        size = choose_batch_size(
            len(batch), before - remaining, remaining=remaining, largest=largest, concurrency=work.concurrency
        )
        if waiting and not run.error and work.cluster.is_slow:
            run.error = ClusterSlow(f"cluster {work.delivery.cluster} answers slowly; the next try does the rest")


def choose_batch_size(last: int, seconds: float, *, remaining: float, largest: int, concurrency: int) -> int:
    """Return how many namespaces the next batch has: at least one for each thread.

    Args:
        last: how many the last batch had.
        seconds: how long it took.
        remaining: how many seconds are left.
        largest: the size of the largest Secret seen so far, in bytes.
        concurrency: the number of threads.
    """
    by_time = BATCH_SHARE * remaining * last / seconds if seconds > 0 else MAX_BATCH_TARGETS
    by_memory = MAX_BATCH_BYTES // max(largest, 1)
    return max(concurrency, int(min(by_time, by_memory, MAX_GROWTH * last, MAX_BATCH_TARGETS)))


def _run_passes(run: Run, targets: Sequence[Target]) -> None:
    """Repeat passes until all targets are done, or the delivery ends.

    Targets that are not done after the last pass get an error.
    """
    for number in range(MAX_PASSES):
        pending = [target for target in targets if not target.is_done]
        if not pending:
            return
        if any(target.error for target in pending):
            _wait(run.work, number)
        _run_step(run, pending, Target.observe)
        observed = [target for target in pending if target.is_fresh and not target.is_done]
        if number == 0 and len(pending) > 1 and all(isinstance(target.error, ServerError) for target in pending):
            run.error = run.error or pending[0].error  # it answers nobody: the other batches need not be asked
        if run.error or not observed:
            return  # the cluster does not answer: the message is retried later
        _run_updates(run, observed, is_first=number == 0)
        if run.error:
            return
    for target in targets:
        if not target.is_done:
            target.error = _build_final_error(target)


def _run_updates(run: Run, observed: Sequence[Target], *, is_first: bool) -> None:
    """Do the rest of a pass, with targets that are observed: read the sources, write, restart."""
    work = run.work
    desired = build_desired(work, run.pool, [target.namespace for target in observed], reread=is_first)
    for target in observed:
        target.set_desired(desired[target.namespace])
    run.sources.add(secret for secret in desired.values() if isinstance(secret, Desired))
    _run_step(run, observed, Target.update)
    due = [target.namespace for target in observed if target.due_restart]
    if run.error or not due:
        return
    list_workloads = create_workload_lister(work.cluster, work.mapping, work.restart_kinds, due)
    _run_step(run, observed, partial(Target.prepare_restart, list_workloads=list_workloads, check=run.check))
    _run_step(run, observed, partial(Target.restart, check=run.check))


def _build_final_error(target: Target) -> KeyferryError:
    """Return the error of a target that is not done after the last pass."""
    if target.error is None:
        return Overtaken(f"the Secret in {target.namespace} kept changing while it was being written")
    conflict = target.error.__cause__
    if isinstance(conflict, Conflict):  # only the API server sees it: `plan` finds none
        return Conflict(f"{conflict}; stop that manager from writing it")
    return target.error


def _wait(work: Work, number: int) -> None:
    """Wait before pass `number`, counted from 0: for 0.05 to 0.2 s at random, doubled for each pass before it."""
    seconds = random.uniform(0.05, 0.2) * 2**number  # noqa: S311  # jitter, no secret
    work.sleep(min(seconds, work.deadline.remaining()))


def _run_step(run: Run, targets: Sequence[Target], step: Callable[[Target], None]) -> None:
    """Run a step for every target that is not done, concurrently.

    An error is kept in its target, or ends the delivery: then no step of another target begins.
    """

    def run_one(target: Target) -> None:
        try:
            run.check()
            with in_namespace(run.work.mapping, target.namespace):
                step(target)
        except Exception as error:
            if _is_of_all(error, step):
                run.error = run.error or error.with_traceback(None)
                target.reset()
            else:
                target.fail(error)

    pending = [target for target in targets if not target.is_done]
    # Most deliveries have one target: its steps take less time than to hand them to another thread.
    list(map(run_one, pending) if len(pending) == 1 else run.pool.map(run_one, pending))


def _is_of_all(error: Exception, step: Callable[[Target], None]) -> TypeGuard[KeyferryError]:
    """Return whether an error of one target is one of all: so is a first look at the cluster that gets no answer."""
    if isinstance(error, ClusterUnavailable | OutOfTime | Suspended):
        return True
    # AWS is asked for nothing but the sign-in there: a role that cannot be assumed is the same for all.
    is_lost = isinstance(error, Unreachable | Throttled | AccessDenied | Rejected | Misconfigured)
    return is_lost and not isinstance(error, ServerError) and step is Target.observe
