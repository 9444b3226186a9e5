"""Everything real, built once per environment: mappings, AWS clients, connections to clusters."""

import functools
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore.config import Config
from pydantic import ValidationError

from keyferry import eks, parameterstore, secretsmanager
from keyferry.catalog import Catalog
from keyferry.errors import InvalidInput, KeyferryError
from keyferry.model import CURRENT, Deadline, Delivery, Message, SourceValue
from keyferry.names import CHECKED
from keyferry.pipeline.deliver import Work, deliver
from keyferry.queues import DeliveryQueue, Inbox
from keyferry.report import Report
from keyferry.source import Source
from keyferry.targets import Cluster

if TYPE_CHECKING:
    from keyferry.kube import Connection, KubeClient

COMPILED = "mappings.json"
"""Name of the compiled mappings in their folder."""
SESSION_MARGIN_SECONDS = 300
"""An assumed role's session is renewed when it has no longer than this."""
_AWS = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})


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
        self._session = session or boto3.Session()
        self._lock = Lock()
        self._clients: dict[tuple[str, str], Any] = {}
        self._connections: dict[str, Connection] = {}
        self._assumed: dict[str, tuple[boto3.Session, float]] = {}
        self.catalog = catalog or load(Path(environment.get("KEYFERRY_MAPPINGS", "/opt/keyferry/mappings")))
        self.concurrency = int(environment.get("KEYFERRY_CONCURRENCY", "8"))

    @functools.cached_property
    def queue(self) -> DeliveryQueue:
        """The queue of deliveries, to send to."""
        return DeliveryQueue(self._client("sqs"), self._environment["KEYFERRY_DELIVERIES_QUEUE_URL"])

    @functools.cached_property
    def inbox(self) -> Inbox:
        """The queue that this function reads."""
        dead_letters = self._environment.get("KEYFERRY_DEAD_LETTERS_QUEUE_URL", "")
        return Inbox(self._client("sqs"), self._environment["KEYFERRY_INBOX_QUEUE_URL"], dead_letters)

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
        return Work(delivery, mapping, self.connect(cluster, deadline), self.read, deadline, self.concurrency)

    def read(self, source: Source) -> SourceValue:
        """Return the current value of a source."""
        if source.service == "secretsmanager":
            return secretsmanager.read(self._client("secretsmanager", source.home_region), source)
        return parameterstore.read(self._client("ssm", source.home_region), source)

    def versions(self) -> Callable[[Source], str | None]:
        """Return a look-up of the sources' current versions that lists each region's secrets and parameters once."""
        secrets = _once(lambda region: secretsmanager.versions(self._client("secretsmanager", region)))
        parameters = _once(lambda region: parameterstore.versions(self._client("ssm", region)))

        def current(source: Source) -> str | None:
            if source.service == "parameterstore":
                # The listing shows neither labels nor earlier versions.
                fixed = source.version or source.label
                return None if fixed else parameters(source.home_region).get(source.names[0])
            known = secrets(source.home_region)
            labels = next((known[name] for name in source.names if name in known), {})
            if source.version:
                return source.version if source.version in labels.values() else None
            return labels.get(source.label or CURRENT)

        return current

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
                tokens = eks.Tokens(lambda renew: self._session_of(cluster, renew=renew), cluster.eks)
                connection = self._connections[cluster.name] = Connection(
                    cluster.name,
                    _given(cluster) or self._look_up(cluster),
                    lambda renew: tokens.get(renew=renew),
                    look_up=lambda: self._look_up(cluster),
                    role=cluster.role or "the function's role",
                    pool_size=self.concurrency,
                )
        return KubeClient(connection, deadline)

    def _look_up(self, cluster: Cluster) -> eks.Endpoint:
        session = self._session_of(cluster)
        return eks.find(session.client("eks", region_name=cluster.eks.region, config=_AWS), cluster)

    def _session_of(self, cluster: Cluster, *, renew: bool = False) -> boto3.Session:
        """Return the session that signs in to a cluster: the environment's own, or one of the cluster's role.

        A session that was refused is begun anew: its role may have been deleted and made again.
        """
        if cluster.role is None:
            return self._session
        session, until = self._assumed.get(cluster.role, (self._session, 0.0))
        if renew or until - time.monotonic() < SESSION_MARGIN_SECONDS:
            session, seconds = eks.assume(self._client("sts", cluster.eks.region), cluster.role, cluster.eks.region)
            self._assumed[cluster.role] = session, time.monotonic() + seconds
        return session

    def _client(self, service: Literal["secretsmanager", "ssm", "sts", "sqs"], region: str | None = None) -> Any:  # noqa: ANN401  # one of boto3's generated classes
        key = service, region or ""
        if key not in self._clients:
            self._clients[key] = self._session.client(service, region_name=region, config=_AWS)
        return self._clients[key]


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


def postpone(message: Message, seconds: int) -> None:
    """Hide a message of the queue that this function reads."""
    runtime().inbox.postpone(message, seconds)


def _once[T](listing: Callable[[str | None], T]) -> Callable[[str | None], T]:
    """Return a listing that asks each region once, and says again what it said, be it an error."""

    @functools.cache
    def tried(region: str | None) -> T | KeyferryError:
        try:
            return listing(region)
        except KeyferryError as error:
            return error

    def again(region: str | None) -> T:
        found = tried(region)
        if isinstance(found, KeyferryError):
            raise found
        return found

    return again


def _given(cluster: Cluster) -> eks.Endpoint | None:
    if cluster.endpoint is None or cluster.certificate_authority is None:
        return None
    return eks.Endpoint(cluster.endpoint, cluster.certificate_authority)
