"""One delivery, and everything that it needs: clients, clock, deadline."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from keyferry.deadline import Deadline
from keyferry.delivery.apply import ClusterClient
from keyferry.errors import NamespaceGone, OutOfTime
from keyferry.kinds import WorkloadKind
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.verdict import Verdict
from keyferry.model import Delivery, SourceValue
from keyferry.stores.source import Source

type SourceReader = Callable[[Source], SourceValue]
"""Reads the value of one source."""


def _read_time() -> datetime:
    return datetime.now(UTC)


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
    verdict: Verdict = field(default_factory=Verdict)
    """What the policy leaves to the delivery."""
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = _read_time
    """Returns the current time, with a time zone."""

    @property
    def forgets_before(self) -> datetime | None:
        """Before when notes of taken-back keys do not count: for `keyferry push`, before it was run."""
        return self.delivery.time if self.delivery.takes_back else None

    @contextmanager
    def in_namespace(self, namespace: str) -> Iterator[None]:
        """Let the error of a namespace that is missing know which part of the mapping names it."""
        try:
            yield
        except NamespaceGone as error:
            error.part = self.mapping.spec.name_namespace(namespace)
            raise

    def check_time(self) -> None:
        """Raise OutOfTime if no time is left to begin anything more."""
        if self.deadline.has_passed:
            raise OutOfTime
