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
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import batched

from keyferry.delivery.apply import create_workload_lister, list_target_namespaces
from keyferry.delivery.desired import Desired
from keyferry.delivery.report import Report, SourceVersions
from keyferry.delivery.sources import build_desired
from keyferry.delivery.target import Target
from keyferry.delivery.work import Work
from keyferry.errors import KeyferryError, Overtaken, Unexpected, Unreachable

MAX_PASSES = 6
"""A change takes two passes; four at most, if something of others has to be taken over or removed. The others are for
writes of others in between, and for answers that are lost."""
BATCH_SIZE = 50
"""How many namespaces are rendered before the first of them is written, where each has content of its own."""


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
            work.check_time()
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
