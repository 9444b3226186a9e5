"""A cluster that does not answer, throttles, refuses the sign-in or is slow: what it costs, and that it comes back."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from keyferry.delivery.report import Report
from keyferry.errors import (
    ClusterSlow,
    ClusterThrottled,
    ClusterUnavailable,
    ClusterUnreachable,
    KeyferryError,
    Unauthorized,
)
from keyferry.runtime.wiring import Runtime
from keyferry_local.cloud import Cloud
from keyferry_local.controlplane import ControlPlane
from keyferry_local.direct import Direct, deadline, delivery
from keyferry_local.install import Installation
from keyferry_local.watch import when
from tests.integration.deployed import Deployed, now
from tests.integration.scene import CLUSTER, Scene
from tests.integration.wire import Fault, Gate, Proxy, closed_port, gate, proxy

CROWD, SLOTS = 100, 5
"""How many deliveries wait for the frozen cluster, and how many run at once: MaximumConcurrency of template.yaml."""
NAMESPACES = [f"absent-{number}" for number in range(200)]


@contextmanager
def frozen(plane: ControlPlane) -> Iterator[None]:
    """Stop the processes of a control plane where they are: connections are accepted, and nothing is answered."""
    for process in plane.processes:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in plane.processes:
            os.kill(process.pid, signal.SIGCONT)


class Far:
    """A mapping for 200 namespaces on a cluster at another address."""

    def __init__(self, scene: Scene, url: str, authority: str) -> None:
        scene.create({"password": "canary-availability"})
        mappings = [scene.mapping(namespaces=NAMESPACES)]
        whole = scene.catalog(mappings, endpoint=url, certificateAuthority=authority)
        self.direct = Direct.grant(scene.cloud, whole, rbac=False)
        self.session = scene.cloud.aws.session(self.direct.role)
        self.read = list[str]()
        self.session.events.register("before-call.secrets-manager.*", lambda **_: self.read.append("secret"))
        self.runtime, self.name = Runtime({}, whole, self.session), scene.namespace

    def deliver(self) -> Report:
        """Carry out a delivery in this process."""
        return self.runtime.deliver(delivery(self.name), deadline())

    def deliver_apart(self) -> Report:
        """Carry out a delivery in a process of its own, as one that has come back."""
        return self.runtime.deliver_apart(delivery(self.name), deadline(), 5)


def kinds(report: Report) -> set[type[KeyferryError]]:
    return {type(error) for error in report.errors}


@pytest.fixture
def through(cloud: Cloud) -> Iterator[Proxy]:
    """A proxy before the API server."""
    with proxy(cloud.clusters[CLUSTER].endpoint) as found:
        yield found


@pytest.fixture
def server(cloud: Cloud, tmp_path: Path) -> Iterator[Gate]:
    """A gate before the API server."""
    with gate(cloud.clusters[CLUSTER], tmp_path) as found:
        yield found


def test_a_frozen_cluster_is_asked_once_by_many_deliveries_to_many_namespaces(scene: Scene, through: Proxy) -> None:
    plane = scene.cloud.clusters[CLUSTER]
    far = Far(scene, through.url, plane.certificate_authority)
    with frozen(plane):
        first = far.deliver()
        others = [far.deliver() for _ in range(50)]

    assert kinds(first) == {ClusterUnreachable}
    assert "no answer in time" in str(first.errors[0])
    assert through.accepted == 1
    for report in others:
        assert kinds(report) == {ClusterUnreachable}
        assert "it is asked again in" in str(report.errors[0])
    assert far.read == []


def test_what_a_process_apart_has_found_out_is_known_afterwards(scene: Scene) -> None:
    far = Far(scene, closed_port(), scene.cloud.clusters[CLUSTER].certificate_authority)
    first, second, third = far.deliver_apart(), far.deliver_apart(), far.deliver()
    assert isinstance(first.errors[0], ClusterUnavailable)
    for report in (second, third):
        assert kinds(report) == kinds(first)
        assert "it is asked again in" in str(report.errors[0])
    assert "it is asked again in" not in str(first.errors[0])


@pytest.mark.parametrize(("status", "kind", "requests"), [(401, Unauthorized, 1), (429, ClusterThrottled, 5)])
def test_a_cluster_that_lets_nobody_in_is_asked_a_few_times_for_many_namespaces(
    scene: Scene, server: Gate, status: int, kind: type[KeyferryError], requests: int
) -> None:
    far = Far(scene, server.url, server.certificate_authority)
    server.judge = lambda _method, _path: Fault(status, headers={"Retry-After": "0"})

    for report in (far.deliver(), far.deliver(), far.deliver_apart()):
        assert kinds(report) == {kind}

    assert len(server.seen) == requests


def test_a_slow_cluster_is_left_alone_for_a_while_after_a_delivery(scene: Scene, server: Gate) -> None:
    far = Far(scene, server.url, server.certificate_authority)
    server.judge = lambda _method, _path: Fault(404, silence=1.1)
    cluster = far.direct.catalog.clusters[CLUSTER]
    client = far.runtime.connect(cluster, deadline())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: client.read_secret(name, "db"), NAMESPACES[:9]))

    assert client.is_slow
    report = far.deliver()
    assert kinds(report) == {ClusterSlow}
    assert "its answers take 1." in str(report.errors[0])
    assert len(server.seen) == 9


def test_deliveries_for_a_frozen_cluster_do_not_hold_up_the_others_and_go_out_when_it_is_back(
    installed: Installation,
) -> None:
    stack, begun = Deployed(installed), now()
    for admin in stack.cloud.admins.values():
        labels = {"tests": "crowd"}
        admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "crowd", "labels": labels}})
    stack.put("tests/crowd", '{"password": "canary-crowd-1"}')
    for cluster in stack.cloud.clusters:
        stack.deliveries("crowd", begun, cluster=cluster, message="delivered", seconds=90)
    with frozen(stack.cloud.clusters["prod-us"]):
        since = now()
        for number in range(CROWD):
            stack.send("DeliveriesQueueUrl", _message(f"absent-{number}"), group=f"crowd/prod-us/absent-{number}")
        for name in ("tests/crowd", "tests/neighbours"):
            stack.put(name, '{"password": "canary-crowd-2"}')
        stack.deliveries("crowd", since, cluster="prod-eu", message="delivered", seconds=90)
        stack.deliveries("near", since, message="delivered", seconds=90)
        failed = stack.deliveries("crowd", since, CROWD, cluster="prod-us", message="retry later", seconds=90)
        ended = now()
    attempts = [line for line in failed if "it is asked again in" not in line["reason"]]
    seconds = _sum_seconds(stack.lines("DeliverFunction", since), "prod-us")
    elapsed = (ended - since).total_seconds()
    print(f"{len(failed)} deliveries for the frozen cluster: {seconds:.1f} s of {SLOTS} times {elapsed:.1f} s")

    assert all("ClusterUnreachable: cluster prod-us" in line["reason"] for line in failed)
    assert len(attempts) <= SLOTS * (1 + elapsed // 30)
    (first, *_) = stack.deliveries("crowd", ended, cluster="prod-us", message="delivered", seconds=90)
    print(f"first delivery {(when(first['timestamp']) - ended).seconds} s after the cluster was back")


def _message(namespace: str) -> str:
    return delivery("crowd", "prod-us", namespace=namespace).to_json()


def _sum_seconds(lines: list[dict[str, Any]], cluster: str) -> float:
    """Return how long the deliveries for a cluster took, each from its line `begun` to the line with its end."""
    total, begun = 0.0, dict[str, datetime]()
    for line in lines:
        if line.get("cluster") != cluster or "message" not in line:
            continue
        if line["message"] == "begun":
            begun[line["event_id"]] = when(line["timestamp"])
        elif line["event_id"] in begun:
            total += (when(line["timestamp"]) - begun.pop(line["event_id"])).total_seconds()
    return total
