"""Find out who uses some Secrets: pods, what makes pods, service accounts, Ingresses and Gateways."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from keyferry.cli.clusters.client import OperatorClient
from keyferry.cli.clusters.kubeconfig import CONCURRENCY
from keyferry.cli.clusters.resource import Resource
from keyferry.cli.orphans.stamps import WORKLOADS
from keyferry.cli.output.words import join
from keyferry.delivery.apply import MIN_TARGETS_FOR_CLUSTER_LIST
from keyferry.errors import Forbidden

type Place = tuple[str, str]
"""Namespace and name of a Secret."""

USERS = (
    Resource("Pod", "v1", "pods"),
    *WORKLOADS,
    Resource("ReplicaSet", "apps/v1", "replicasets"),
    Resource("ReplicationController", "v1", "replicationcontrollers"),
    Resource("Job", "batch/v1", "jobs"),
    Resource("CronJob", "batch/v1", "cronjobs"),
    Resource("ServiceAccount", "v1", "serviceaccounts"),
)
"""The kinds that use Secrets of their own namespace. Others can, and programs that ask the API server for one."""
USERS_FROM_AFAR = (
    Resource("Ingress", "networking.k8s.io/v1", "ingresses"),
    Resource("Gateway", "gateway.networking.k8s.io/v1", "gateways"),
)
"""The kinds that can use Secrets of other namespaces, too: by annotations of controllers, and by a ReferenceGrant."""
_REFERENCES = ("secret", "certificateref")
"""What is in the key, in small letters, under which an object names a Secret: `secretKeyRef`, `imagePullSecrets`."""


@dataclass(frozen=True)
class Usage:
    """Who uses some Secrets."""

    users: defaultdict[Place, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Secret → those that use it, as `Deployment/web`."""
    unknown: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Namespace → the kinds that may not be listed there."""
    unknown_afar: list[str] = field(default_factory=list)
    """The kinds that may not be listed in all namespaces, and can use Secrets of others."""

    def list_refusals(self, place: Place) -> Iterator[str]:
        """Yield why a Secret may still be needed."""
        if users := sorted(self.users.get(place, ())):
            yield f"in use by {join(users)}"
        if unknown := self.unknown.get(place[0]):
            yield f"who uses it is not known: you may not list {', '.join(sorted(unknown))} in its namespace"
        if self.unknown_afar:
            kinds = ", ".join(sorted(self.unknown_afar))
            yield f"who uses it from other namespaces is not known: you may not list {kinds} in all of them"


def find_users(client: OperatorClient, places: Collection[Place]) -> Usage:
    """Return who uses some Secrets of a cluster, by the rights of the person who asks.

    Raises:
        KeyferryError: the cluster does not answer.
    """
    wanted = defaultdict[str, set[str]](set)
    for namespace, name in places:
        wanted[namespace].add(name)
    look = _Look(client, wanted)
    if not wanted:
        return look.usage
    users, users_from_afar = client.find_served(USERS), client.find_served(USERS_FROM_AFAR)
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        afar = pool.map(look.look_from_afar, users_from_afar)
        if len(wanted) < MIN_TARGETS_FOR_CLUSTER_LIST:
            list(pool.map(lambda pair: look.look_in(*pair), product(wanted, users)))
        else:
            list(pool.map(look.look_everywhere, users))
        list(afar)
    return look.usage


@dataclass(frozen=True)
class _Look:
    """A look for users of Secrets. Several threads share it."""

    client: OperatorClient
    wanted: Mapping[str, set[str]]
    """Namespace → names of the Secrets there."""
    usage: Usage = field(default_factory=Usage)

    def look_in(self, namespace: str, resource: Resource) -> None:
        try:
            self._look(namespace, resource)
        except Forbidden:
            self.usage.unknown[namespace].append(resource.plural)

    def look_everywhere(self, resource: Resource) -> None:
        """Look in all namespaces at once; where that is forbidden, in one after the other."""
        try:
            self._look(None, resource)
        except Forbidden:
            for namespace in self.wanted:
                self.look_in(namespace, resource)

    def look_from_afar(self, resource: Resource) -> None:
        """Look in all namespaces for what names a Secret together with its namespace, or one of its own."""
        try:
            for raw in self.client.list_objects(resource):
                mentions, own = list_mentions(raw), raw["metadata"]["namespace"]
                for place in self.wanted.keys() & {own, *mentions}:
                    user = f"{resource.kind}/{raw['metadata']['name']}"
                    self._note(place, mentions, user if place == own else f"{user} of {own}")
        except Forbidden:
            self.usage.unknown_afar.append(resource.plural)

    def _look(self, namespace: str | None, resource: Resource) -> None:
        for raw in self.client.list_objects(resource, namespace):
            metadata = raw["metadata"]
            self._note(metadata["namespace"], list_mentions(raw), f"{resource.kind}/{metadata['name']}")

    def _note(self, place: str, mentions: set[str], user: str) -> None:
        for name in self.wanted.get(place, set()) & mentions:
            self.usage.users[place, name].append(user)


def list_mentions(raw: Any) -> set[str]:  # noqa: ANN401  # JSON
    """Return all texts that an object has anywhere under a key such as `secretName`: names of Secrets, and others.

    It goes by the keys in place of a list of fields: what it takes for a use too often only keeps a Secret.
    """
    mentioned: set[str] = set()
    left: list[tuple[Any, bool]] = [(raw, False)]
    while left:
        value, is_reference = left.pop()
        if isinstance(value, dict):
            pairs = [(key, part) for key, part in value.items() if key != "managedFields"]
            left += [(part, is_reference or any(text in key.lower() for text in _REFERENCES)) for key, part in pairs]
        elif isinstance(value, list):
            left += [(part, is_reference) for part in value]
        elif is_reference and isinstance(value, str):
            mentioned |= {value, *value.split("/")}  # `namespace/name`, in annotations of Ingresses
    return mentioned
