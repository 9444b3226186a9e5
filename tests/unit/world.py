"""One cluster, one source and one workload: what tests of deliveries start from."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from keyferry.delivery.passes import deliver
from keyferry.delivery.report import Report
from keyferry.delivery.work import Work
from keyferry.kinds import DEFAULT_KINDS
from keyferry.mapping.mapping import SecretMapping
from keyferry.testing import Calls, FakeClock, FakeCluster, FakeSources
from tests.unit.samples import delivery, mapping, workload

SOURCE = "prod/payments/db"
WHERE = "payments", "payments-db"
KIND: Final = "Deployment"
STAMP = "keyferry.dev/payments-db"
DUE = "keyferry.dev/restart-due"


def secret(password: str) -> str:
    """Return what the source holds for a password."""
    return f'{{"username": "me", "password": "{password}"}}'


class World:
    """A cluster with one workload in each namespace that uses the Secret, and the source of it."""

    def __init__(self, *namespaces: str) -> None:
        self.cluster = FakeCluster(*namespaces)
        self.sources = FakeSources()
        self.sources.put(SOURCE, secret("canary-1"))
        self.mapping = mapping(namespaces=sorted(self.cluster.namespaces))
        self.clock = FakeClock()
        for namespace in self.cluster.namespaces:
            self.cluster.run(namespace, KIND, workload("api"))

    def work(self, calls: Calls | None = None, *, of: SecretMapping | None = None, **changes: Any) -> Work:  # noqa: ANN401
        """Return a delivery that makes one call after the other."""
        made = calls or Calls()
        work = Work(
            delivery=delivery(),
            mapping=of or self.mapping,
            cluster=self.cluster.client(made),
            restart_kinds=DEFAULT_KINDS,
            create_reader=lambda _sources: self.sources.create_reader(made),
            deadline=self.clock.deadline(100),
            concurrency=1,
            sleep=self.clock.sleep,
            now=self.clock.read_time,
        )
        return replace(work, **changes)

    def deliver(self, calls: Calls | None = None, **changes: Any) -> Report:  # noqa: ANN401
        """Carry out a delivery."""
        return deliver(self.work(calls, **changes))

    def count(self, *beginnings: str) -> list[int]:
        """Return how many entries of the history begin so."""
        return [sum(each.startswith(beginning) for each in self.cluster.history) for beginning in beginnings]

    @property
    def wanted(self) -> str:
        """The password that the source holds."""
        return str(json.loads(self.sources.values[SOURCE].content.reveal())["password"])

    @property
    def password(self) -> str:
        """What the Secret holds, as it is encoded."""
        return self.cluster.data(*WHERE)["password"]

    @property
    def nonce(self) -> str:
        """The stamp that the workload carries."""
        return self.cluster.stamps("payments", KIND, "api")[STAMP]


type Change = Callable[[World], None]
"""What happens to a world."""
