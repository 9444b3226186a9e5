"""The connections to clusters, each built once for a Lambda environment, and what is remembered of each cluster."""

import functools
from collections.abc import Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING

from keyferry.aws import eks
from keyferry.aws.sessions import Sessions
from keyferry.deadline import Deadline
from keyferry.errors import CLUSTER, in_part
from keyferry.mapping.targets import Cluster, Endpoint

if TYPE_CHECKING:
    from keyferry.kube import Connection, Health, KubeClient, Transport


class Clusters:
    """The clusters that one environment connects to. Safe for use by several threads."""

    def __init__(self, sessions: Sessions, environment: Mapping[str, str], concurrency: int) -> None:
        """Connect to none yet.

        Args:
            sessions: gives the tokens to sign in with, and finds clusters.
            environment: the environment variables, with those of a proxy.
            concurrency: how many requests one cluster is sent at once.
        """
        self._sessions, self._environment, self._concurrency = sessions, environment, concurrency
        self._lock = Lock()
        self._connections: dict[str, Connection] = {}
        self._locks: dict[str, Lock] = {}
        self._healths: dict[str, Health] = {}

    def connect(
        self,
        cluster: Cluster,
        deadline: Deadline,
        known_namespaces: Callable[[str], set[str]],
        *,
        is_sweep: bool = False,
    ) -> "KubeClient":
        """Return a client for a cluster; its connection is kept and used again.

        Args:
            cluster: the cluster.
            deadline: when no more requests are sent.
            known_namespaces: returns which namespaces may be meant by one that is missing.
            is_sweep: whether the work may go on though the cluster is slow: a sweep holds up no other cluster, and its
                rest comes sooner than a slow cluster is asked by another delivery.

        Raises:
            ClusterUnavailable: the cluster has just failed, or was slow, and it is not time yet to ask again.
            Misconfigured: the environment names a proxy that cannot be used.
            KeyferryError: EKS does not give the cluster's endpoint.
        """
        # Imported here: it takes as long as everything else together, and `route` never needs it.
        from keyferry.kube import KubeClient  # noqa: PLC0415

        health = self.get_health(cluster)
        if is_sweep:
            health.check()
        else:
            health.check_available()
        with self._get_lock(cluster):  # one for each cluster: an EKS that does not answer holds up no other
            connection = self._connections.get(cluster.name) or self._open_connection(cluster, health)
            self._connections[cluster.name] = connection
        return KubeClient(connection, deadline, known_namespaces)

    def _open_connection(self, cluster: Cluster, health: "Health") -> "Connection":
        from keyferry.kube import Connection  # noqa: PLC0415

        tokens = eks.Tokens(self._sessions, cluster)
        return Connection(
            cluster.name,
            cluster.given_endpoint or self._read_endpoint(cluster),
            tokens.get,
            forget_token=tokens.forget,
            read_endpoint=functools.partial(self._read_endpoint, cluster),
            role=cluster.role or "the function's role",
            create_transport=self._create_transport,
            health=health,
        )

    def get_health(self, cluster: Cluster) -> "Health":
        """Return what this environment knows of a cluster: always the same object."""
        from keyferry.kube import Health  # noqa: PLC0415

        with self._lock:
            return self._healths.setdefault(cluster.name, Health(cluster.name))

    def forget(self) -> None:
        """Forget the connections, and what is remembered of clusters: somebody has perhaps mended it."""
        self._healths.clear()
        self._connections.clear()

    def _create_transport(self, endpoint: Endpoint) -> "Transport":
        from keyferry.kube import Transport, choose_proxy  # noqa: PLC0415

        return Transport(endpoint, self._concurrency, choose_proxy(endpoint.url, self._environment))

    def _get_lock(self, cluster: Cluster) -> Lock:
        with self._lock:
            return self._locks.setdefault(cluster.name, Lock())

    @in_part(CLUSTER)
    def _read_endpoint(self, cluster: Cluster) -> Endpoint:
        return eks.read_endpoint(self._sessions.client("eks", cluster.eks.region, cluster.roles), cluster)
