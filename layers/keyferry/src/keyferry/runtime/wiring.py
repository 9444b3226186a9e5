"""Build the mappings, the AWS clients and the connections to clusters, each once for a Lambda environment."""

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import boto3
from pydantic import ValidationError

from keyferry.aws import eks
from keyferry.aws.sessions import Sessions, open_session
from keyferry.aws.sources import Sources, create_version_reader
from keyferry.aws.sqs import DeliveryQueue, MessageControl
from keyferry.deadline import Deadline
from keyferry.delivery.passes import deliver
from keyferry.delivery.report import Report
from keyferry.delivery.work import Work
from keyferry.errors import CLUSTER, KeyferryError, MappingsUnreadable, Misconfigured, in_part
from keyferry.formats.fields import CHECKED
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import Cluster, Endpoint
from keyferry.mapping.verdict import Verdict
from keyferry.model import Delivery
from keyferry.pipeline.alarms import choose_dimension
from keyferry.pipeline.cluster_sweep import Services
from keyferry.pipeline.failures import Metric
from keyferry.pipeline.reconcile import reconcile
from keyferry.pipeline.sweep import Sweep, SweepReport
from keyferry.runtime.apart import run_apart
from keyferry.stores.source import Source

if TYPE_CHECKING:
    from keyferry.kube import Connection, Health, KubeClient, Transport

COMPILED_FILE = "mappings.json"
"""File name of the compiled mappings."""


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
        self._lock = Lock()
        self._connections: dict[str, Connection] = {}
        self._cluster_locks: dict[str, Lock] = {}
        self._healths: dict[str, Health] = {}

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

        An environment has one deadline, since it does one work at a time. Where several run at once (`push`), it is the
        one set last.
        """
        self._sessions.limit(deadline)

    def deliver(self, delivery: Delivery, deadline: Deadline) -> Report:
        """Carry out a delivery and return what became of it; errors are in the report.

        Raises:
            UnknownName: this deployment does not have the mapping or the cluster.
            MappingsUnreadable: there are no mappings, or not of this version.
        """
        mapping, _ = self.catalog.get(delivery.mapping, delivery.cluster)
        try:
            report = deliver(self.prepare(delivery, deadline))
        except KeyferryError as error:
            report = Report(delivery, error=error, owner=mapping.spec.owner)
        return report.locate(self.catalog.locate)

    def deliver_apart(self, delivery: Delivery, deadline: Deadline, extra_seconds: float) -> Report:
        """Carry out a delivery in a process of its own, and return what became of it; errors are in the report.

        Args:
            delivery: the delivery.
            deadline: after that, no more work may begin.
            extra_seconds: how long after the deadline work that has begun may go on before it is stopped.

        Raises:
            UnknownName: this deployment does not have the mapping or the cluster.
        """
        mapping, cluster = self.catalog.get(delivery.mapping, delivery.cluster)
        health = self._get_health(cluster)
        child = Runtime(self._environment, self.catalog)  # connections cannot be shared with another process
        child_health = child._healths[cluster.name] = health.copy()
        try:
            health.check_available()  # else a process is begun for nothing
            report, known = run_apart(
                lambda: (child.deliver(delivery, deadline), child_health.known), deadline.remaining() + extra_seconds
            )
        except KeyferryError as error:
            return Report(delivery, error=error, owner=mapping.spec.owner).locate(self.catalog.locate)
        health.learn(known)
        return report

    def choose_dimension(self, metric: Metric) -> Metric:
        """Return a metric under the owner, or the cluster, that has an alarm, and for the service that alarms watch."""
        service = self._environment.get("KEYFERRY_ALARM_SERVICE", "")
        return replace(choose_dimension(self.catalog, metric), service=service)

    def prepare(self, delivery: Delivery, deadline: Deadline) -> Work:
        """Return a delivery with its mapping and the clients that it needs.

        Raises:
            UnknownName: this deployment does not have the mapping or the cluster.
            MappingsUnreadable: there are no mappings, or not of this version.
            KeyferryError: EKS does not give the cluster's endpoint.
        """
        self.limit(deadline)
        mapping, cluster = self.catalog.get(delivery.mapping, delivery.cluster)
        client = self.connect(cluster, deadline)
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
        )

    def reconcile(self, sweep: Sweep, deadline: Deadline, event_id: str) -> SweepReport:
        """Carry out a sweep, as far as there is time; the rest is sent to the queue of the sweeps.

        Args:
            sweep: what to compare.
            deadline: when no more targets are looked at.
            event_id: the event id of the deliveries.

        Raises:
            KeyferryError: as `keyferry.pipeline.reconcile.reconcile` says.
        """
        self.limit(deadline)
        if sweep.is_by_hand:  # somebody has perhaps mended what is remembered
            self._healths.clear()
            self._connections.clear()
        services = Services(
            functools.partial(self.connect, is_sweep=True),
            self.create_version_reader(),
            functools.partial(self.queue.send, deadline=deadline.later(SEND_SECONDS)),
            lambda rest, delay_seconds: self.control.send(rest.to_json(), delay_seconds),
            deadline,
            event_id,
            timedelta(seconds=int(self._environment.get("KEYFERRY_SWEEP_SECONDS", "3600"))),
            self.concurrency,
        )
        return reconcile(sweep, self.catalog, services)

    def create_version_reader(self) -> Callable[[Source], str | None]:
        """Return a function that gives the current version of a source, or None. Use it for one sweep only."""
        return create_version_reader(self._sessions)

    def connect(self, cluster: Cluster, deadline: Deadline, *, is_sweep: bool = False) -> "KubeClient":
        """Return a client for a cluster; its connection is kept and used again.

        Args:
            cluster: the cluster.
            deadline: when no more requests are sent.
            is_sweep: whether the work may go on though the cluster is slow: a sweep holds up no other cluster, and its
                rest comes sooner than a slow cluster is asked by another delivery.

        Raises:
            ClusterUnavailable: the cluster has just failed, or was slow, and it is not time yet to ask again.
            Misconfigured: the environment names a proxy that cannot be used.
            KeyferryError: EKS does not give the cluster's endpoint.
        """
        # Imported here: it takes as long as everything else together, and `route` never needs it.
        from keyferry.kube import Connection, KubeClient  # noqa: PLC0415

        health = self._get_health(cluster)
        if is_sweep:
            health.check()
        else:
            health.check_available()
        with self._get_lock(cluster):  # one for each cluster: an EKS that does not answer holds up no other
            connection = self._connections.get(cluster.name)
            if connection is None:
                tokens = eks.Tokens(self._sessions, cluster)
                connection = self._connections[cluster.name] = Connection(
                    cluster.name,
                    cluster.given_endpoint or self._read_endpoint(cluster),
                    tokens.get,
                    forget_token=tokens.forget,
                    read_endpoint=lambda: self._read_endpoint(cluster),
                    role=cluster.role or "the function's role",
                    create_transport=self._create_transport,
                    health=health,
                )
        return KubeClient(connection, deadline, functools.partial(self.catalog.namespaces_beside, cluster))

    def _create_transport(self, endpoint: Endpoint) -> "Transport":
        from keyferry.kube import Transport, choose_proxy  # noqa: PLC0415

        return Transport(endpoint, self.concurrency, choose_proxy(endpoint.url, self._environment))

    def _get_lock(self, cluster: Cluster) -> Lock:
        with self._lock:
            return self._cluster_locks.setdefault(cluster.name, Lock())

    def _get_health(self, cluster: Cluster) -> "Health":
        """Return what this environment knows of a cluster: always the same object."""
        from keyferry.kube import Health  # noqa: PLC0415

        with self._lock:
            return self._healths.setdefault(cluster.name, Health(cluster.name))

    @in_part(CLUSTER)
    def _read_endpoint(self, cluster: Cluster) -> Endpoint:
        return eks.read_endpoint(self._sessions.client("eks", cluster.eks.region, cluster.roles), cluster)


def load_catalog(folder: Path) -> Catalog:
    """Return the compiled mappings of a folder.

    Raises:
        MappingsUnreadable: the folder has none, they cannot be read, or another version compiled them.
    """
    path = folder / COMPILED_FILE
    try:
        return Catalog.model_validate_json(path.read_bytes(), context={CHECKED: True})
    except OSError as error:
        remedy = "build the mappings layer with `make build`, and deploy it"
        raise MappingsUnreadable(f"{path}: {error.strerror}; {remedy}") from None
    except ValidationError:
        remedy = "build both layers anew with `make build`, and deploy them"
        raise MappingsUnreadable(f"{path}: damaged, or not compiled by this version; {remedy}") from None


@functools.cache
def get_runtime() -> Runtime:
    """Return the runtime of this environment: always the same one."""
    return Runtime(os.environ)
