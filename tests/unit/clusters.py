"""Two clusters with fakes that remember, for sweeps and for what looks at all of them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from keyferry.deadline import Deadline
from keyferry.delivery.apply import ClusterClient
from keyferry.delivery.passes import deliver
from keyferry.delivery.work import Work
from keyferry.errors import KeyferryError
from keyferry.mapping.catalog import build_catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Cluster
from keyferry.model import SourceState
from keyferry.pipeline.cluster_sweep import Services
from keyferry.pipeline.reconcile import reconcile
from keyferry.pipeline.suspensions import Suspensions
from keyferry.pipeline.sweep import Sweep, SweepReport
from keyferry.stores.source import Source
from keyferry.testing import Calls, FakeClock, FakeCluster, FakeSources
from tests.unit.fake_queues import FakeQueue
from tests.unit.samples import WHEN, cluster, delivery, mapping, workload

PERIOD = timedelta(hours=1)
SOURCE = "prod/payments/db"
WHERE = "payments", "payments-db"


class World:
    """Two clusters with two namespaces each, all of it delivered."""

    def __init__(self, *mappings: SecretMapping) -> None:
        self.sources = FakeSources()
        self.sources.put(SOURCE, '{"username": "me", "password": "canary-1"}')
        self.clusters = {name: FakeCluster("payments", "shop") for name in ("prod-eu", "prod-us")}
        self.calls, self.queue = Calls(), FakeQueue()
        self.lost: KeyferryError | None = None
        self.clients: dict[str, ClusterClient] = {}
        """Clusters that are asked in another way than the others."""
        self.clock = FakeClock()
        self.deadline = self.clock.deadline(840)
        self.suspensions, self.note = Suspensions(), ""
        self.time = WHEN
        self.continued: list[Sweep] = []
        """What is on the queue of the sweeps."""
        self.delays: list[int] = []
        """How long each of them waits there."""
        known = mappings or (mapping(clusters=["prod-eu", "prod-us"], namespaces=["payments", "shop"]),)
        self.catalog = build_catalog(known, [cluster("prod-eu"), cluster("prod-us")])
        for name, each in self.clusters.items():
            each.run("payments", "Deployment", workload("api"))
            self.deliver(name)

    def deliver(self, name: str) -> None:
        """Carry out every mapping on a cluster."""
        for each in self.catalog.mappings.values():
            if name in [target.name for target in self.catalog.clusters_of(each)]:
                client, deadline = self.clusters[name].client(), self.clock.deadline(100)
                asked, kinds = delivery(cluster=name), self.catalog.clusters[name].restart_kinds
                deliver(Work(asked, each, client, kinds, lambda _: self.sources.create_reader(), deadline))

    def connect(self, asked: Cluster, _deadline: Deadline) -> ClusterClient:
        if self.lost and asked.name == "prod-us":
            self.calls.recorded.append("lost")
            raise self.lost
        return self.clients.get(asked.name) or self.clusters[asked.name].client(self.calls)

    def continue_later(self, rest: Sweep, delay_seconds: int) -> None:
        self.continued.append(rest)
        self.delays.append(delay_seconds)

    def services(self) -> Services:
        return Services(
            connect=self.connect,
            read_state=self.sources.read_state,
            send=self.queue.send,
            continue_later=self.continue_later,
            deadline=self.deadline,
            event_id="event-9",
            period=PERIOD,
            now=lambda: self.time,
            suspensions=self.suspensions,
            note=self.note,
        )

    def sweep(self, sweep: Sweep | None = None, version: Callable[[Source], SourceState] | None = None) -> SweepReport:
        services = self.services()
        return reconcile(sweep or Sweep(), self.catalog, replace(services, read_state=version) if version else services)

    def found(self, **narrowed: str) -> list[str]:
        """Return why a sweep sends what it sends."""
        return [f"{each.cluster}: {why}" for each, why in self.sweep(Sweep(**narrowed)).sent]

    def not_compared(self, version: Callable[[Source], SourceState] | None = None) -> list[str]:
        """Sweep everything, and return what could not be compared."""
        entries = self.sweep(version=version).not_compared
        return [f"{each.cluster}: {each.mapping}: {each.targets}: {each.kind}: {each.why}" for each in entries]
