"""What every integration test has: AWS settings of the local cloud, and a namespace of its own."""

from collections.abc import Iterator

import pytest

from keyferry.kinds import WorkloadKind
from keyferry_local.admin import Object
from keyferry_local.cloud import Cloud
from keyferry_local.watch import until
from tests.integration.scene import CLUSTER, CUSTOM, Scene, create_namespace


@pytest.fixture(scope="session", autouse=True)
def _no_aws_but_the_local_one(local_aws: None) -> None:
    """Every client that a test makes in this process talks to the local cloud."""


@pytest.fixture(scope="module")
def custom_kinds(cloud: Cloud) -> Iterator[None]:
    """Every custom kind of workload, in the first cluster: as its project defines it, but for the schema."""
    admin = cloud.admins[CLUSTER]
    paths = [f"/apis/{kind.group}/{kind.version}/{kind.resource}" for kind in CUSTOM]
    made = admin.apply(*map(_definition, CUSTOM))
    until("custom kinds served", lambda: all(map(admin.answers, paths)))
    yield
    for each in made:
        admin.delete("CustomResourceDefinition", each["metadata"]["name"])
    until("custom kinds gone", lambda: not any(map(admin.answers, paths)))


def _definition(kind: WorkloadKind) -> Object:
    names = {"kind": kind.name, "plural": kind.resource, "singular": kind.name.lower(), "listKind": f"{kind}List"}
    version = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.resource}.{kind.group}"},
        "spec": {"group": kind.group, "names": names, "scope": "Namespaced", "versions": [version]},
    }


@pytest.fixture
def namespace(cloud: Cloud) -> str:
    """A new namespace in both clusters."""
    return create_namespace(cloud)


@pytest.fixture
def scene(cloud: Cloud, namespace: str) -> Scene:
    """A new namespace, and names in AWS of its own."""
    return Scene(cloud, namespace)


@pytest.fixture
def own_scene(cloud: Cloud, namespace: str) -> Iterator[Scene]:
    """A new namespace with a stack of its own: its rights and policies are apart from all others in the cluster."""
    with Scene.apart(cloud, namespace) as scene:
        yield scene
