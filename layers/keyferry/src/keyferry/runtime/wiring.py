"""Everything real, built once per environment: mappings, AWS clients, connections to clusters."""

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import boto3
from pydantic import ValidationError

from keyferry.aws import eks
from keyferry.aws.sessions import Sessions
from keyferry.aws.sources import Sources, current_versions
from keyferry.aws.sqs import DeliveryQueue, MessageControl
from keyferry.deadline import Deadline
from keyferry.delivery.passes import Work, deliver
from keyferry.delivery.report import Report
from keyferry.errors import InvalidInput, KeyferryError
from keyferry.formats.fields import CHECKED
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import Cluster, Endpoint
from keyferry.model import Delivery
from keyferry.stores.source import Source

if TYPE_CHECKING:
    from keyferry.kube import Connection, KubeClient

COMPILED = "mappings.json"
"""Name of the compiled mappings in their folder."""


class Runtime:
    """The clients and settings of one environment. Safe for use by several threads."""

    def __init__(
        self,
        environment: Mapping[str, str],
        catalog: Catalog | None = None,
        session: boto3.Session | None = None,
    ) -> None:
        """Make it; clients are built when they are first needed.

        Args:
            environment: `KEYFERRY_*` settings, as in template.yaml.
            catalog: the mappings; those of the folder named by `KEYFERRY_MAPPINGS` where absent.
            session: whose credentials are used; those of the environment where absent.
        """
        self._environment = environment
        self._sessions = Sessions(session or boto3.Session())
        self._sources = Sources(self._sessions)
        self._lock = Lock()
        self._connections: dict[str, Connection] = {}
        self.catalog = catalog or load(Path(environment.get("KEYFERRY_MAPPINGS", "/opt/keyferry/mappings")))
        self.concurrency = int(environment.get("KEYFERRY_CONCURRENCY", "8"))

    @functools.cached_property
    def queue(self) -> DeliveryQueue:
        """The queue of deliveries, to send to."""
        return DeliveryQueue(self._sessions.client("sqs"), self._environment["KEYFERRY_DELIVERIES_QUEUE_URL"])

    @functools.cached_property
    def control(self) -> MessageControl:
        """The queue that this function reads."""
        dead_letters = self._environment.get("KEYFERRY_DEAD_LETTERS_QUEUE_URL", "")
        return MessageControl(self._sessions.client("sqs"), self._environment["KEYFERRY_INBOX_QUEUE_URL"], dead_letters)

    def deliver(self, delivery: Delivery, deadline: Deadline) -> Report:
        """Carry out a delivery.

        Raises:
            UnknownName: this deployment does not have its mapping or cluster.
        """
        mapping, _ = self.catalog.find(delivery.mapping, delivery.cluster)
        try:
            return deliver(self.work(delivery, deadline))
        except KeyferryError as error:
            return Report(delivery, error=error, owner=mapping.spec.owner)

    def work(self, delivery: Delivery, deadline: Deadline) -> Work:
        """Return a delivery with all that it needs.

        Raises:
            UnknownName: this deployment does not have its mapping or cluster.
        """
        mapping, cluster = self.catalog.find(delivery.mapping, delivery.cluster)
        client = self.connect(cluster, deadline)
        return Work(delivery, mapping, client, cluster.restart_kinds, self._sources.reader, deadline, self.concurrency)

    def versions(self) -> Callable[[Source], str | None]:
        """Return a look-up of the sources' current versions, for one sweep."""
        return current_versions(self._sessions)

    def connect(self, cluster: Cluster, deadline: Deadline) -> "KubeClient":
        """Return a client of a cluster, on the connection that is kept for it.

        Raises:
            KeyferryError: where the cluster is cannot be found out.
        """
        # Imported here: it takes as long as all the rest, and `route` never needs it.
        from keyferry.kube import Connection, KubeClient  # noqa: PLC0415

        with self._lock:
            connection = self._connections.get(cluster.name)
            if connection is None:
                tokens = eks.Tokens(self._sessions, cluster)
                connection = self._connections[cluster.name] = Connection(
                    cluster.name,
                    cluster.given_endpoint or self._look_up(cluster),
                    tokens.get,
                    forget=tokens.forget,
                    look_up=lambda: self._look_up(cluster),
                    role=cluster.role or "the function's role",
                    pool_size=self.concurrency,
                )
        return KubeClient(connection, deadline)

    def _look_up(self, cluster: Cluster) -> Endpoint:
        return eks.find(self._sessions.client("eks", cluster.eks.region, cluster.roles), cluster)


def load(folder: Path) -> Catalog:
    """Return the compiled mappings of a folder.

    Raises:
        InvalidInput: there are none, or they are of another version.
    """
    path = folder / COMPILED
    try:
        return Catalog.model_validate_json(path.read_bytes(), context={CHECKED: True})
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}; build the mappings layer with `make build`") from None
    except ValidationError:
        raise InvalidInput(f"{path}: not compiled by this version; build both layers anew with `make build`") from None


@functools.cache
def runtime() -> Runtime:
    """Return the runtime of this environment: one, for as long as it lives."""
    return Runtime(os.environ)


def control() -> MessageControl:
    """Return the queue that this function reads."""
    return runtime().control
