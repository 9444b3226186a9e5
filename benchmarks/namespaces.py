"""One secret in many namespaces: a delivery, beside the least that the same requests cost.

All in one process, with eight connections, in turns; a ratio is what Keyferry adds to the requests of its line above.
The controllers roll out what was stamped at 20 requests a second, beside whatever is measured next.
"""

import base64
import json
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from unittest import mock

import urllib3
from rich.table import Table

from keyferry.kinds import STRATEGIC_MERGE
from keyferry.kube.client import JSON, METADATA_ONLY
from keyferry.kube.transport import APPLY
from keyferry.mapping.mapping import SecretMapping
from keyferry_local import cloud as clouds
from keyferry_local.admin import Admin, Object
from keyferry_local.cloud import Site
from keyferry_local.direct import Direct, catalog, mapping
from keyferry_local.world import deployment, env_from

CONNECTIONS = 8
ROUNDS = 5
BARE, SECRETS = "read, apply: bare", "a delivery, restart: none"
BARE_RESTARTS, RESTARTS = "read, apply, stamp, clear: bare", "a delivery, restart: auto"
COMPARED = {BARE: BARE, SECRETS: BARE, BARE_RESTARTS: BARE_RESTARTS, RESTARTS: BARE_RESTARTS}
"""What is measured → what it is compared with."""


def measure(place: Path, say: Callable[[str], None], *, count: int) -> Table:
    """Return seconds for a change in `count` namespaces, and the ratio to the same requests, bare."""
    with clouds.running(place, say, sites=[Site("prod-eu", "eu-west-1")]) as cloud:
        settings = cloud.aws.environment()
        with mock.patch.dict(os.environ, settings):
            times = _measure(cloud, say, count)
    medians = {name: statistics.median(values) for name, values in times.items()}
    title = f"one secret changes in {count:,} namespaces, median of {ROUNDS}"
    table = Table("what", "seconds", "ratio", title=title, title_justify="left")
    for name, median in medians.items():
        table.add_row(name, f"{median:.2f} s", f"{median / medians[COMPARED[name]]:.2f}")
    return table


def _measure(cloud: clouds.Cloud, say: Callable[[str], None], count: int) -> dict[str, list[float]]:
    admin = cloud.admins["prod-eu"]
    names = [f"bench-{number}" for number in range(count)]
    say(f"creating {count:,} namespaces, with a Deployment in each")
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(lambda name: _furnish(admin, name), names))
    client = cloud.aws.client("secretsmanager")
    client.create_secret(Name="bench", SecretString='{"value": "canary-0"}')
    direct = Direct.grant(cloud, catalog(cloud, [_mapping("secrets", "none"), _mapping("restarts", "auto")]))
    bare = Bare(admin)
    times: dict[str, list[float]] = {name: [] for name in COMPARED}
    for number in range(ROUNDS + 1):  # the first creates, and is not counted
        value = f"canary-{number}"
        client.put_secret_value(SecretId="bench", SecretString=json.dumps({"value": value}))
        work: dict[str, Callable[[], None]] = {
            BARE: partial(bare.change, names, value, restart=False),
            SECRETS: partial(_delivered, direct, "secrets", count),
            BARE_RESTARTS: partial(bare.change, names, value, restart=True),
            RESTARTS: partial(_delivered, direct, "restarts", count),
        }
        for name, measured in work.items():
            seconds = _timed(measured)
            say(f"round {number}, {name}: {seconds:.2f} s")
            if number:
                times[name].append(seconds)
    return times


def _furnish(admin: Admin, name: str) -> None:
    labels = {"bench": "yes"}
    admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    idle = deployment("app", name, env_from("restarts"))
    idle["spec"]["replicas"] = 0
    admin.apply(idle)


def _mapping(name: str, restart: str) -> SecretMapping:
    return mapping(
        name,
        sources={"it": {"secretsManager": "bench"}},
        clusters=["prod-eu"],
        namespaces={"matchLabels": {"bench": "yes"}},
        secret={"name": name, "data": {"value": {"from": "it", "path": "value"}}},
        restart=restart,
    )


def _delivered(direct: Direct, name: str, count: int) -> None:
    report = direct.deliver(name, seconds=600)
    assert not report.errors, report.errors[:1]
    assert report.metrics()["TargetsUpdated"] == count


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class Bare:
    """The least that a change costs: the same requests for each namespace, over kept connections, and no more."""

    def __init__(self, admin: Admin) -> None:
        self._endpoint = admin.endpoint
        self._pool = urllib3.PoolManager(ssl_context=admin.tls, maxsize=CONNECTIONS, block=True, retries=False)

    def change(self, namespaces: list[str], value: str, *, restart: bool) -> None:
        """Write the value everywhere, and stamp the workload of each namespace."""
        name = "bare-restarts" if restart else "bare"
        data = {"value": base64.b64encode(value.encode()).decode()}
        metadata: Object = {"name": name, "annotations": {"due": value}} if restart else {"name": name}
        body: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
        stamp = {"spec": {"template": {"metadata": {"annotations": {"bare": value}}}}}

        def one(namespace: str) -> None:
            secret = f"/api/v1/namespaces/{namespace}/secrets/{name}"
            self._send("GET", secret)
            self._send("PATCH", secret, body, APPLY)
            if restart:
                workload = f"/apis/apps/v1/namespaces/{namespace}/deployments/app"
                self._send("PATCH", workload, stamp, STRATEGIC_MERGE, METADATA_ONLY)
                self._send("PATCH", secret, body | {"metadata": {"name": name}}, APPLY, METADATA_ONLY)

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(one, namespaces))

    def _send(self, method: str, path: str, body: Object | None = None, kind: str = "", accept: str = JSON) -> None:
        headers = {"Accept": accept, **({"Content-Type": kind} if kind else {})}
        text = json.dumps(body) if body else None
        url = f"{self._endpoint}{path}?fieldManager=bench" if body else f"{self._endpoint}{path}"
        answer = self._pool.request(method, url, body=text, headers=headers)
        assert answer.status in (200, 201, 404), answer.status
        json.loads(answer.data)
