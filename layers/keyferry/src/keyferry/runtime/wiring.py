"""Build the mappings, the AWS clients and the connections to clusters, each once for a Lambda environment."""

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from keyferry.aws.sessions import Sessions, open_session
from keyferry.aws.sources import Sources, create_state_reader
from keyferry.aws.sqs import DeliveryQueue, MessageControl
from keyferry.deadline import Deadline
from keyferry.delivery.passes import deliver
from keyferry.delivery.report import Report
from keyferry.delivery.work import Audit, Work
from keyferry.errors import KeyferryError, Misconfigured
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import Cluster
from keyferry.mapping.verdict import Verdict
from keyferry.model import Delivery, Expected, SourceState
from keyferry.pipeline import reach
from keyferry.pipeline.alerts.alarms import choose_dimension
from keyferry.pipeline.alerts.failures import Metric
from keyferry.pipeline.cluster_sweep import Services
from keyferry.pipeline.comparison import Readers, Scope
from keyferry.pipeline.reach import ClustersAnswer, SourcesAnswer
from keyferry.pipeline.reconcile import reconcile
from keyferry.pipeline.status import list_status
from keyferry.pipeline.sweep import Sweep, SweepReport
from keyferry.runtime.apart import run_apart
from keyferry.runtime.clusters import Clusters
from keyferry.runtime.compiled import load_catalog
from keyferry.runtime.notifications import create_announcer
from keyferry.runtime.suspensions import Gate, create_reader, describe, look
from keyferry.stores.source import Source

if TYPE_CHECKING:
    from keyferry.kube import KubeClient

SEND_SECONDS = 30
"""How long after its deadline a sweep may begin to send deliveries of what it has seen by then."""


class Runtime:
    """The settings and clients of one Lambda environment, or of one command. Safe for use by several threads."""

    def __init__(
        self,
        environment: Mapping[str, str],
        catalog: Catalog | None = None,
        session: boto3.Session | None = None,
    ) -> None:
        """Do nothing yet: the mappings are loaded and each client is created when they are first needed.

        Args:
            environment: the environment variables, with the `KEYFERRY_*` settings of template.yaml, and the proxy.
            catalog: the mappings; by default those of the folder that `KEYFERRY_MAPPINGS` names.
            session: gives the credentials; by default those of the environment.

        Raises:
            KeyferryError: there is no session given, and as `keyferry.aws.sessions.open_session` says.
        """
        self._environment, self._given_catalog = environment, catalog
        self.concurrency = int(environment.get("KEYFERRY_CONCURRENCY", "8"))
        # Set on Lambda, whose name the function's own session has too. A person at a terminal has another.
        function = environment.get("AWS_LAMBDA_FUNCTION_NAME")
        self._sessions = Sessions(session or open_session(), self.concurrency, function)
        self._sources = Sources(self._sessions)
        self.clusters = Clusters(self._sessions, environment, self.concurrency)
        self._gate = Gate(create_reader(self._sessions, environment))
        self.announcer = create_announcer(self._sessions, environment)

    @functools.cached_property
    def catalog(self) -> Catalog:
        """The mappings and clusters. A failure is not kept: the next message looks again.

        Raises:
            MappingsUnreadable: there are none, or not of this version.
        """
        folder = self._environment.get("KEYFERRY_MAPPINGS", "/opt/keyferry/mappings")
        return self._given_catalog or load_catalog(Path(folder))

    @functools.cached_property
    def queue(self) -> DeliveryQueue:
        """The queue that deliveries are sent to.

        Raises:
            Misconfigured: the environment does not name it, or a setting of AWS is wrong.
        """
        return DeliveryQueue(self._sessions.client("sqs"), self._get_setting("KEYFERRY_DELIVERIES_QUEUE_URL"))

    @functools.cached_property
    def control(self) -> MessageControl:
        """Control of the messages on the queue that this function reads. It works without mappings.

        Raises:
            Misconfigured: the environment does not name it, or a setting of AWS is wrong.
        """
        dead_letters = self._environment.get("KEYFERRY_DEAD_LETTERS_QUEUE_URL", "")
        return MessageControl(self._sessions.client("sqs"), self._get_setting("KEYFERRY_INBOX_QUEUE_URL"), dead_letters)

    def _get_setting(self, name: str) -> str:
        try:
            return self._environment[name]
        except KeyError:
            raise Misconfigured(f"the environment has no {name}: set it, as template.yaml does") from None

    def limit(self, deadline: Deadline) -> None:
        """Begin no request to AWS after a deadline, but to SQS: each then raises OutOfTime.

        An environment has one deadline: where several works run at once (`push`), that which was set last.
        """
        self._sessions.limit(deadline)

    def deliver(
        self,
        delivery: Delivery,
        deadline: Deadline,
        expected: Mapping[str, Expected] | None = None,
        audit: Audit | None = None,
    ) -> Report:
        """Carry out a delivery and return what became of it; errors are in the report.

        Args:
            delivery: the delivery.
            deadline: after that, no more work may begin.
            expected: namespace → what a plan has foreseen there, and has to be so; None: it is none of a plan.
            audit: keeps what is told of each write; None where nothing is kept, as of a push from a terminal.

        Raises:
            UnknownName: this deployment does not have the mapping or the cluster.
            MappingsUnreadable: there are no mappings, or not of this version.
        """
        mapping, _ = self.catalog.get(delivery.mapping, delivery.cluster)
        self.limit(deadline)
        try:
            self._gate.check(delivery)
            work = replace(self.prepare(delivery, deadline), expected=expected)
            report = deliver(replace(work, audit=audit) if audit else work)
        except KeyferryError as error:
            report = Report(delivery, error=error, owner=mapping.spec.owner)
        return report.locate(self.catalog.locate)

    def deliver_apart(
        self, delivery: Delivery, deadline: Deadline, extra_seconds: float, audit: Audit | None = None
    ) -> Report:
        """Carry out a delivery in a process of its own, and return what became of it; errors are in the report.

        Args:
            delivery: the delivery.
            deadline: after that, no more work may begin.
            extra_seconds: how long after the deadline work that has begun may go on before it is stopped.
            audit: keeps what is told of each write, in that process.

        Raises:
            UnknownName: this deployment does not have the mapping or the cluster.
        """
        mapping, cluster = self.catalog.get(delivery.mapping, delivery.cluster)
        self.limit(deadline)
        health = self.clusters.get_health(cluster)
        child = Runtime(self._environment, self.catalog)  # connections cannot be shared with another process
        child_health = child.clusters.get_health(cluster)
        child_health.learn(health.known)
        try:
            self._gate.check(delivery)
            child._gate.learn(self._gate)
            health.check_available()  # else a process is begun for nothing
            report, known = run_apart(
                lambda: (child.deliver(delivery, deadline, audit=audit), child_health.known),
                deadline.remaining() + extra_seconds,
            )
        except KeyferryError as error:
            return Report(delivery, error=error, owner=mapping.spec.owner).locate(self.catalog.locate)
        health.learn(known)
        return report

    def choose_dimension(self, metric: Metric) -> Metric:
        """Return a metric under the owner, or the cluster, that has an alarm, and for the service that alarms watch."""
        service = self._environment.get("KEYFERRY_ALARM_SERVICE", "")
        return replace(choose_dimension(self.catalog, metric), service=service)

    def prepare(self, delivery: Delivery, deadline: Deadline, client: "KubeClient | None" = None) -> Work:
        """Return a delivery with its mapping and the clients that it needs; `client` stands in for the cluster's own.

        Raises:
            UnknownName: this deployment does not have the mapping or the cluster.
            MappingsUnreadable: there are no mappings, or not of this version.
            KeyferryError: EKS does not give the cluster's endpoint.
        """
        self.limit(deadline)
        mapping, cluster = self.catalog.get(delivery.mapping, delivery.cluster)
        client = client or self.connect(cluster, deadline)
        return Work(
            delivery,
            mapping,
            client,
            cluster.restart_kinds,
            self._sources.create_reader,
            deadline,
            self.concurrency,
            self.catalog.verdicts.get(mapping.name, Verdict()),
            functools.partial(self.catalog.workloads_beside, cluster, mapping.name),
            check_suspended=functools.partial(self._gate.check_running, delivery),
        )

    def reconcile(self, sweep: Sweep, deadline: Deadline, request_id: str) -> SweepReport:
        """Carry out a sweep, as far as there is time; the rest is sent to the queue of the sweeps.

        Args:
            sweep: what to compare.
            deadline: when no more targets are looked at.
            request_id: the id of the message or invocation that asks for it; `sweep-` before it makes the event id of
                the deliveries.

        Raises:
            KeyferryError: as `keyferry.pipeline.reconcile.reconcile` says.
        """
        self.limit(deadline)
        if sweep.is_by_hand:  # somebody has perhaps mended what is remembered
            self.clusters.forget()
        suspensions, note = look(self._gate.read)
        services = Services(
            connect=functools.partial(self.connect, is_sweep=True),
            read_state=self.create_state_reader(),
            send=functools.partial(self.queue.send, deadline=deadline.later(SEND_SECONDS)),
            continue_later=lambda rest, delay_seconds: self.control.send(rest.to_json(), delay_seconds),
            deadline=deadline,
            event_id=f"sweep-{request_id}",
            period=timedelta(seconds=int(self._environment.get("KEYFERRY_SWEEP_SECONDS", "3600"))),
            concurrency=self.concurrency,
            suspensions=suspensions,
            note=note,
        )
        return reconcile(sweep, self.catalog, services)

    def list_status(self, scope: Scope, deadline: Deadline) -> dict[str, Any]:
        """Return a page of the states of targets, as `keyferry.pipeline.status.list_status` does.

        Args:
            scope: what to look at, and where to go on.
            deadline: when no more targets are looked at.

        Raises:
            KeyferryError: as `list_status` says.
        """
        self.limit(deadline)
        self.clusters.forget()  # who asks may have mended what is remembered
        readers = Readers(
            connect=functools.partial(self.connect, is_sweep=True),
            read_state=self.create_state_reader(),
            deadline=deadline,
            concurrency=self.concurrency,
        )
        return list_status(scope, self.catalog, readers) | describe(self._gate.read)

    def list_clusters(self, scope: Scope, deadline: Deadline) -> ClustersAnswer:
        """Return which clusters answer from here, as `keyferry.pipeline.reach.list_clusters` does.

        Args:
            scope: its cluster, if it has one, is the only one that is asked.
            deadline: when no more requests are sent.

        Raises:
            MappingsUnreadable: there are no mappings, or not of this version.
        """
        self.limit(deadline)
        self.clusters.forget()
        ask = functools.partial(self.connect, deadline=deadline, is_sweep=True)
        return reach.list_clusters(scope, self.catalog, lambda cluster: ask(cluster).read_version())

    def list_sources(self, deadline: Deadline) -> SourcesAnswer:
        """Return which sources are visible from here, as `keyferry.pipeline.reach.list_sources` does.

        Args:
            deadline: when no more requests are sent.

        Raises:
            MappingsUnreadable: there are no mappings, or not of this version.
        """
        self.limit(deadline)
        return reach.list_sources(self.catalog, self.create_state_reader())

    def create_state_reader(self) -> Callable[[Source], SourceState]:
        """Return a function that gives the current state of a source. Use it for one sweep only."""
        return create_state_reader(self._sessions)

    def connect(self, cluster: Cluster, deadline: Deadline, *, is_sweep: bool = False) -> "KubeClient":
        """Return a client for a cluster, as `keyferry.runtime.clusters.Clusters.connect` does."""
        known = functools.partial(self.catalog.namespaces_beside, cluster)
        return self.clusters.connect(cluster, deadline, known, is_sweep=is_sweep)


@functools.cache
def get_runtime() -> Runtime:
    """Return the runtime of this environment: always the same one."""
    return Runtime(os.environ)
