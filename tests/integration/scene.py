"""The usual scene of a test: one secret in AWS, one mapping called as its namespace, one cluster."""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from keyferry.aws import eks
from keyferry.aws.sessions import Sessions
from keyferry.delivery.report import Report
from keyferry.identity import Identity
from keyferry.kinds import KINDS
from keyferry.kube import Connection
from keyferry.kube.transport import Request
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.stack import StackNames
from keyferry.mapping.targets import Cluster, Eks, Endpoint
from keyferry.pipeline.cluster_sweep import Services
from keyferry.pipeline.reconcile import reconcile
from keyferry.pipeline.sweep import Sweep, SweepReport
from keyferry_local.admin import Admin, Object
from keyferry_local.cloud import ACCOUNT, Cloud
from keyferry_local.direct import SHARED, Direct, catalog, deadline, mapping, statements
from tests.unit.fake_queues import FakeQueue

CLUSTER = "prod-eu"
CUSTOM = [kind for kind in KINDS.values() if kind.group != "apps"]
"""The kinds of workloads that are custom resources: a cluster has them if somebody has installed them."""


def create_namespace(cloud: Cloud) -> str:
    """Create a namespace in all clusters. It stays: to delete one costs them more than all that a test asks of them."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    for admin in cloud.admins.values():
        admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@dataclass(frozen=True)
class Scene:
    """A namespace, and what is in AWS under its name."""

    cloud: Cloud
    namespace: str
    stack: StackNames = SHARED
    """The stack that delivers there: one that scenes share, or the scene's own."""

    @classmethod
    @contextmanager
    def apart(cls, cloud: Cloud, namespace: str) -> "Iterator[Scene]":
        """Yield a scene with a stack of its own: its rights and policies are apart from all others in the cluster."""
        scene = cls(cloud, namespace, StackNames(prefix=namespace))
        yield scene
        for kind in ("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"):
            for name in scene.identity.policies:
                scene.admin.delete(kind, name)

    @property
    def admin(self) -> Admin:
        """The administrator of the cluster."""
        return self.cloud.admins[CLUSTER]

    @property
    def identity(self) -> Identity:
        """The names of that stack in the cluster."""
        return self.stack.identity

    @property
    def source(self) -> str:
        """The name of the secret in AWS."""
        return f"{self.namespace}/db"

    def create(self, value: str | bytes | Mapping[str, str], name: str = "") -> str:
        """Create the secret in AWS, and return its version."""
        client = self.cloud.aws.client("secretsmanager")
        return str(client.create_secret(Name=name or self.source, **_content(value))["VersionId"])

    def put(self, value: str | bytes | Mapping[str, str]) -> str:
        """Give the secret in AWS a new value, and return its version."""
        client = self.cloud.aws.client("secretsmanager")
        return str(client.put_secret_value(SecretId=self.source, **_content(value))["VersionId"])

    def mapping(self, **more: Any) -> SecretMapping:  # noqa: ANN401
        """Return a mapping of the secret's password to the Secret db; `more` changes its spec."""
        spec = {
            "sources": {"db": {"secretsManager": self.source}},
            "clusters": [CLUSTER],
            "namespaces": [self.namespace],
            "secret": {"name": "db", "data": {"password": {"from": "db", "path": "password"}}},
        }
        return mapping(self.namespace, **(spec | more))

    def catalog(self, mappings: Sequence[SecretMapping], **cluster: Any) -> Catalog:  # noqa: ANN401
        """Return the mappings as the scene's stack delivers them; `cluster` adds to each cluster's entry."""
        return catalog(self.cloud, mappings, self.stack, **cluster)

    def grant(self, **more: Any) -> Direct:  # noqa: ANN401
        """Return a role with the rights of the mapping, and nothing else."""
        return Direct.grant(self.cloud, self.catalog([self.mapping(**more)]))

    def secret(self, name: str = "db") -> Object:
        """Return the Secret in the cluster."""
        found = self.admin.get("Secret", name, self.namespace)
        assert found is not None
        return found

    def data(self, name: str = "db") -> dict[str, bytes] | None:
        """Return what the Secret in the cluster holds; None where it is missing."""
        return self.admin.data(name, self.namespace)

    def make(self, kind: str, name: str, **more: Any) -> Object:  # noqa: ANN401
        """Make an object by hand."""
        metadata = {"name": name, "namespace": self.namespace}
        known = KINDS.get(kind)
        version = f"{known.group}/{known.version}" if known else "v1"
        (made,) = self.admin.apply({"apiVersion": version, "kind": kind, "metadata": metadata, **more})
        return made

    @contextmanager
    def untouched(self, kind: str, *names: str) -> Iterator[None]:
        """Assert that objects are afterwards as they were before: to the resourceVersion where no controller writes."""
        before = [self._version(kind, name) for name in names]
        yield
        after = [self._version(kind, name) for name in names]
        assert after == before, (before, after)

    def stamp(self, kind: str, name: str, of: str = "db") -> str | None:
        """Return the mark that a workload's pod template carries for the Secret."""
        found = self.admin.get(kind, name, self.namespace)
        assert found is not None
        annotations = found["spec"]["template"].get("metadata", {}).get("annotations") or {}
        return annotations.get(self.identity.stamp_key(of))

    def _version(self, kind: str, name: str) -> object:
        found = self.admin.get(kind, name, self.namespace)
        if found is None:
            return None
        metadata = found["metadata"]
        if "generation" not in metadata:
            return metadata["resourceVersion"]
        # Controllers write the status of a workload, and one annotation, whenever they come to it.
        annotations = metadata.get("annotations", {}).items()
        own = {key: value for key, value in annotations if key != "deployment.kubernetes.io/revision"}
        return metadata["uid"], metadata["generation"], metadata.get("labels"), own, found["spec"]


def connection(cloud: Cloud, role: str, cluster: str = CLUSTER) -> Connection:
    """Return a connection of the product's to a cluster, in the name of a role."""
    plane, signing = cloud.clusters[cluster], tokens(cloud, role, cluster)
    endpoint = Endpoint(plane.endpoint, plane.certificate_authority)
    return Connection(
        cluster, endpoint, signing.get, forget_token=signing.forget, read_endpoint=lambda: endpoint, role=role
    )


def tokens(cloud: Cloud, role: str, cluster: str = CLUSTER, clock: Callable[[], float] = time.monotonic) -> eks.Tokens:
    """Return the product's tokens for a cluster, in the name of a role."""
    known = Eks(name=cluster, region=cloud.clusters[cluster].region, account=ACCOUNT)
    return eks.Tokens(Sessions(cloud.aws.session(role)), Cluster(name=cluster, eks=known), clock)


def ask(where: Connection, method: str, path: str, body: Object | None = None) -> Object:
    """Make any request on a connection, and return what the cluster answers; nothing for 404."""
    kind = None if body is None else "application/json"
    answer = where.send(Request(method, path, method.lower(), path, body=body, content_type=kind), deadline(20))
    return dict(json.loads(answer)) if answer else {}


def swept(direct: Direct) -> list[str]:
    """Sweep with a role that may list, and read no value, and return the mappings that need a delivery."""
    report = sweep(direct)
    assert (report.not_compared, report.is_finished) == ((), True)
    return [each.mapping for each, _ in report.sent]


def sweep(direct: Direct, allowed: Sequence[Mapping[str, Any]] | None = None) -> SweepReport:
    """Sweep once with the generated rights of reconcile, which reads no value, and deliver nothing."""
    iam, name, queue = direct.cloud.aws.client("iam"), direct.role.rpartition("/")[2], FakeQueue()
    later: list[Sweep] = []
    before = iam.get_role_policy(RoleName=name, PolicyName="generated")["PolicyDocument"]["Statement"]
    direct.allow(statements(direct.cloud, direct.catalog, "ReconcileRole") if allowed is None else allowed)
    services = Services(
        connect=direct.runtime.connect,
        read_state=direct.runtime.create_state_reader(),
        send=queue.send,
        continue_later=lambda rest, _delay_seconds: later.append(rest),
        deadline=deadline(),
        event_id="event-1",
        period=timedelta(hours=1),
    )
    report = reconcile(Sweep(), direct.catalog, services)
    direct.allow(before)
    assert len(queue.sent) == len(report.sent)
    return report


def error(report: Report) -> Exception:
    """Return the one error of a delivery."""
    (found,) = report.errors
    return found


def _content(value: str | bytes | Mapping[str, str]) -> dict[str, str | bytes]:
    if isinstance(value, bytes):
        return {"SecretBinary": value}
    return {"SecretString": value if isinstance(value, str) else json.dumps(dict(value))}
