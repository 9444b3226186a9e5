"""Bring one mapping on one cluster to the current state of its sources: the passes of the protocol.

Each pass observes every target that is not done, only then reads the sources, and then acts on the targets
concurrently. The order is what keeps an outdated value from lasting (docs/decisions/0002).
"""

import random
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from keyferry.apply import (
    ClusterClient,
    Listing,
    chosen_namespaces,
    clear,
    listing,
    observe,
    stamp_workload,
    stamps,
    write,
)
from keyferry.errors import (
    Forbidden,
    KeyferryError,
    NeedsRepair,
    OutOfTime,
    Overtaken,
    ServerError,
    Unexpected,
    Unreachable,
)
from keyferry.mapping import SecretMapping
from keyferry.model import Deadline, Delivery, SourceValue
from keyferry.plan import Annotate, Done, Restart, Write, plan
from keyferry.render import render
from keyferry.report import Did, Outcome, Report
from keyferry.secret import Desired, Observed
from keyferry.source import Source
from keyferry.workloads import Stamp

PASSES = 6
"""Two are needed, and one more for each time that somebody writes in between or an answer is lost."""
SETTLE_SECONDS = 1.0
"""How long to wait before reading once more a source that does not yet show the version that the event names."""


@dataclass(frozen=True)
class Work:
    """One delivery and all that it needs."""

    delivery: Delivery
    mapping: SecretMapping
    cluster: ClusterClient
    read: Callable[[Source], SourceValue]
    deadline: Deadline
    concurrency: int = 8
    sleep: Callable[[float], None] = time.sleep


@dataclass
class Target:
    """One namespace under way."""

    namespace: str
    observed: Observed | None = None
    fresh: bool = False
    """Whether `observed` is this pass's observation."""
    due: Restart | None = None
    found: list[Stamp] = field(default_factory=list)
    did: Did = "unchanged"
    why: str = ""
    restarted: list[Stamp] = field(default_factory=list)
    done: bool = False
    error: KeyferryError | None = None
    written: datetime | None = None

    def answered(self, observed: Observed, did: Did, why: str) -> None:
        """Take the answer of an apply as the next observation."""
        self.observed, self.fresh, self.written, self.error = observed, True, datetime.now(UTC), None
        if self.did in ("unchanged", "annotated"):
            self.did, self.why = did, why

    def outcome(self) -> Outcome:
        """Return what became of it."""
        return Outcome(
            namespace=self.namespace,
            did="failed" if self.error else self.did,
            why=self.why,
            restarted=tuple(str(each) for each in self.restarted),
            notes=tuple(str(each) for each in self.found if each.patch is None and not each.error),
            error=self.error,
        )


def deliver(work: Work) -> Report:
    """Carry out one delivery and return what became of it; errors are in the report."""
    started, versions = time.monotonic(), dict[str, str]()
    targets: list[Target] = []
    error: KeyferryError | None = None
    try:
        targets = [Target(name) for name in namespaces(work)]
        with ThreadPoolExecutor(max_workers=max(1, min(work.concurrency, len(targets)))) as pool:
            _passes(work, targets, pool, versions)
    except KeyferryError as caught:
        error = caught
    except Exception as caught:
        error = Unexpected(caught)
    return Report(
        delivery=work.delivery,
        outcomes=tuple(target.outcome() for target in targets if target.done or target.error or target.written),
        versions=versions,
        error=error,
        seconds=time.monotonic() - started,
        written=max((target.written for target in targets if target.written), default=None),
    )


def namespaces(work: Work) -> list[str]:
    """Return the names of the mapping's namespaces on the cluster, or the one that the delivery asks for."""
    found = chosen_namespaces(work.cluster, work.mapping)
    return [name for name in found if work.delivery.namespace in (None, name)]


def desire(work: Work, *, settle: bool) -> Desired:
    """Read every source once and return the Secret that they make.

    Args:
        work: the delivery.
        settle: whether to read again, after a short delay, a source that does not show the version of the event.
            Then what it shows is accepted: version ids have no order.

    Raises:
        KeyferryError: a source cannot be read, or the mapping cannot make its keys from it.
    """
    values = {alias: _read(work, source) for alias, source in work.mapping.spec.sources.items()}
    late = [alias for alias, version in work.delivery.versions.items() if _is_other(values, alias, version)]
    if settle and late and work.deadline.remaining() > SETTLE_SECONDS:
        work.sleep(SETTLE_SECONDS)
        values |= {alias: _read(work, work.mapping.spec.sources[alias]) for alias in late}
    return Desired.of(work.mapping, render(work.mapping, values), values)


def _read(work: Work, source: Source) -> SourceValue:
    _check_time(work)
    return work.read(source)


def _is_other(values: Mapping[str, SourceValue], alias: str, version: str) -> bool:
    return alias in values and values[alias].version != version


def _passes(work: Work, targets: Sequence[Target], pool: ThreadPoolExecutor, versions: dict[str, str]) -> None:
    for number in range(PASSES):
        pending = [target for target in targets if not target.done]
        if not pending:
            return
        if any(target.error for target in pending):
            _pause(work, number)
        _each(work, pool, pending, lambda target: _observe(work, target))
        if not any(target.fresh and not target.done for target in pending):
            return  # nothing answers: the queue is what tries again
        desired = desire(work, settle=not versions)
        versions.update(desired.versions)
        _each(work, pool, pending, lambda target: _advance(work, target, desired))  # noqa: B023  # run at once
        workloads = listing(work.cluster, desired, sum(target.due is not None for target in pending))
        _each(work, pool, pending, lambda target: _list(work, target, desired, workloads))  # noqa: B023
        _each(work, pool, pending, lambda target: _restart(work, target, desired))  # noqa: B023
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
            target.observed = None  # there may be thousands of up to 1 MiB

    list(pool.map(guarded, [target for target in targets if not target.done]))


def _check_time(work: Work) -> None:
    if work.deadline.passed:
        raise OutOfTime


def _observe(work: Work, target: Target) -> None:
    if not target.fresh:
        target.observed = observe(work.cluster, target.namespace, work.mapping.spec.secret.name)
        target.fresh, target.error = True, None


def _advance(work: Work, target: Target, desired: Desired) -> None:
    if not target.fresh:
        return
    action = plan(desired, target.observed, secrets.token_hex(8))
    if isinstance(action, Write):
        answer = write(work.cluster, target.namespace, desired, action)
        target.answered(answer, "created" if action.creates else "updated", action.why)
        return
    if isinstance(action, Annotate):
        target.answered(write(work.cluster, target.namespace, desired, action), "annotated", action.why)
        action = plan(desired, target.observed, "")
    target.due = action if isinstance(action, Restart) else None
    target.done = isinstance(action, Done)


def _list(work: Work, target: Target, desired: Desired, workloads: Listing) -> None:
    if target.due:
        target.found = stamps(work.cluster, target.namespace, desired, target.due.nonce, workloads)


def _restart(work: Work, target: Target, desired: Desired) -> None:
    if target.due:
        action, target.due = target.due, None
        refused: list[KeyferryError] = []
        for each in target.found:
            try:
                if stamp_workload(work.cluster, target.namespace, desired, each):
                    target.restarted.append(each)
            except (Forbidden, NeedsRepair, ServerError) as error:
                refused.append(error)  # the others are restarted all the same
        if refused:
            raise min(refused, key=lambda error: isinstance(error, NeedsRepair))
        target.answered(clear(work.cluster, target.namespace, desired, action), "annotated", "restarts done")
        target.done = True
