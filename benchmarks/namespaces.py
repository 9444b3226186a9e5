"""One secret in many namespaces: a delivery, beside the least that the API server can be asked (read and apply).

Both in one process, with eight connections, in turns; the ratio is what Keyferry adds.
"""

import base64
import json
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import urllib3
from rich.table import Table

from keyferry.mapping.mapping import SecretMapping
from local import cloud as clouds
from local.admin import Admin, Object
from local.cloud import Site
from local.direct import Direct, catalog, mapping
from local.world import deployment, env_from

CONNECTIONS = 8
ROUNDS = 5
BARE, SECRETS, RESTARTS = "read + apply, bare", "a delivery, restart: none", "a delivery, restart: auto"


def measure(place: Path, say: Callable[[str], None], *, count: int) -> Table:
    """Return seconds for a change in `count` namespaces, and the ratio to the bare minimum."""
    with clouds.running(place, say, sites=[Site("prod-eu", "eu-west-1")]) as cloud:
        settings = cloud.aws.environment()
        with mock.patch.dict(os.environ, settings):
            times = _measure(cloud, say, count)
    bare = statistics.median(times[BARE])
    title = f"one secret changes in {count:,} namespaces, median of {ROUNDS}"
    table = Table("what", "seconds", "ratio", title=title, title_justify="left")
    for name, values in times.items():
        table.add_row(name, f"{statistics.median(values):.2f} s", f"{statistics.median(values) / bare:.2f}")
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
    times: dict[str, list[float]] = {BARE: [], SECRETS: [], RESTARTS: []}
    for number in range(ROUNDS + 1):  # the first creates, and is not counted
        client.put_secret_value(SecretId="bench", SecretString=json.dumps({"value": f"canary-{number}"}))
        found = {
            BARE: _timed(lambda: bare.change(names, f"canary-{number}")),  # noqa: B023  # called at once
            SECRETS: _timed(lambda: _delivered(direct, "secrets", count)),
            RESTARTS: _timed(lambda: _delivered(direct, "restarts", count)),
        }
        say("  ".join(f"{name}: {seconds:.2f} s" for name, seconds in found.items()))
        for name, seconds in found.items() if number else ():
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
    """The least that a change costs: a read and an apply for each namespace, over kept connections."""

    def __init__(self, admin: Admin) -> None:
        self._endpoint = admin.endpoint
        self._pool = urllib3.PoolManager(ssl_context=admin.tls, maxsize=CONNECTIONS, block=True, retries=False)

    def change(self, namespaces: list[str], value: str) -> None:
        """Write the value everywhere."""
        data = {"value": base64.b64encode(value.encode()).decode()}
        body: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bare"}, "data": data}
        text = json.dumps(body)

        def one(namespace: str) -> None:
            url = f"{self._endpoint}/api/v1/namespaces/{namespace}/secrets/bare"
            json.loads(self._pool.request("GET", url).data)
            headers = {"Content-Type": "application/apply-patch+yaml"}
            answer = self._pool.request("PATCH", f"{url}?fieldManager=bench", body=text, headers=headers)
            assert answer.status in (200, 201), answer.status
            json.loads(answer.data)

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(one, namespaces))
