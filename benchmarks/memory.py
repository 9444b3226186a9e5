"""The peak memory of a delivery, in a process of its own: beside many workloads, and of many large Secrets."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from unittest import mock

from rich.table import Table

from keyferry.deadline import Deadline
from keyferry.mapping.mapping import SecretMapping
from keyferry.runtime.wiring import Runtime
from keyferry_local import cloud as clouds
from keyferry_local.admin import Admin
from keyferry_local.cloud import Cloud, Site
from keyferry_local.direct import Direct, catalog, delivery, mapping
from keyferry_local.world import deployment, env_from

CONNECTIONS = 8
WORKLOADS = 10_000
NAMESPACES_OF_WORKLOADS = 60
"""Enough for workloads to be listed for the whole cluster at once."""
KEYS, KEY_BYTES = 9, 58_000
"""A Secret of half a MiB: a secret of AWS holds 64 KiB at most, so that each value is in several keys."""


def measure(place: Path, say: Callable[[str], None], *, count: int) -> Table:
    """Return the peak memory of deliveries beside WORKLOADS workloads, and of `count` Secrets of half a MiB."""
    with (
        clouds.running(place, say, sites=[Site("prod-eu", "eu-west-1")]) as cloud,
        mock.patch.dict(os.environ, cloud.aws.environment()),
    ):
        return _measure(cloud, say, count)


def _measure(cloud: Cloud, say: Callable[[str], None], count: int) -> Table:
    admin = cloud.admins["prod-eu"]
    names = [f"bench-{number}" for number in range(count)]
    say(f"creating {count:,} namespaces")
    _run_all(partial(_create_namespace, admin), names)
    client = cloud.aws.client("secretsmanager")
    client.create_secret(Name="large", SecretString=_build_value("canary-0"))
    chosen = names[:NAMESPACES_OF_WORKLOADS]
    direct = Direct.grant(cloud, catalog(cloud, [_build_mapping("large", names), _build_mapping("beside", chosen)]))
    table = Table("what", "peak", "before", "seconds", title="memory of a delivery", title_justify="left")

    def run(what: str, name: str, targets: int) -> None:
        peak, before, seconds = _deliver_apart(direct, cloud.directory / "apart", name, targets)
        say(f"{what}: {peak:.0f} MiB")
        table.add_row(what, f"{peak:.0f} MiB", f"{before:.0f} MiB", f"{seconds:.1f} s")

    run(f"{count:,} Secrets of half a MiB, created", "large", count)
    client.put_secret_value(SecretId="large", SecretString=_build_value("canary-1"))
    run(f"{count:,} Secrets of half a MiB, changed", "large", count)
    run(f"{count:,} Secrets of half a MiB, up to date", "large", 0)
    say(f"creating {WORKLOADS:,} workloads")
    _run_all(partial(_create_workload, admin, chosen), list(range(WORKLOADS)))
    run(f"{len(chosen)} Secrets beside {WORKLOADS:,} workloads", "beside", len(chosen))
    return table


def _run_all[T](work: Callable[[T], None], items: list[T]) -> None:
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(work, items))


def _create_namespace(admin: Admin, name: str) -> None:
    admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def _create_workload(admin: Admin, namespaces: list[str], number: int) -> None:
    """Create a Deployment that does not use the Secret; paused, so that the controllers leave it alone."""
    idle = deployment(f"app-{number}", namespaces[number % len(namespaces)], env_from("other"))
    idle["spec"] |= {"replicas": 0, "paused": True}
    idle["metadata"]["annotations"] = {"note": "x" * 2000}
    admin.apply(idle)


def _build_value(start: str) -> str:
    return json.dumps({"value": start.ljust(KEY_BYTES, "x")})


def _build_mapping(name: str, namespaces: list[str]) -> SecretMapping:
    keys = KEYS if name == "large" else 1
    return mapping(
        name,
        sources={"it": {"secretsManager": "large"}},
        clusters=["prod-eu"],
        namespaces=namespaces,
        secret={"name": name, "data": {f"key-{key}": {"from": "it", "path": "value"} for key in range(keys)}},
        restart="none" if name == "large" else "auto",
    )


def _deliver_apart(direct: Direct, directory: Path, name: str, targets: int) -> tuple[float, float, float]:
    """Return the peak memory of a delivery in a new process, that before it, in MiB, and its seconds."""
    command = [sys.executable, "-m", "benchmarks.memory", name, str(targets)]
    answer = subprocess.run(
        command, env=direct.environment(directory), check=True, stdout=subprocess.PIPE, text=True, timeout=1200
    )
    peak, before, seconds = json.loads(answer.stdout)
    return peak, before, seconds


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _deliver(name: str, targets: int) -> None:
    runtime, before, started = Runtime(os.environ), _peak(), time.perf_counter()
    report = runtime.deliver(delivery(name), Deadline.after(600))
    assert not report.errors, report.errors[:1]
    assert report.metrics()["TargetsUpdated"] == targets
    print(json.dumps([_peak(), before, time.perf_counter() - started]))


if __name__ == "__main__":
    _deliver(sys.argv[1], int(sys.argv[2]))
