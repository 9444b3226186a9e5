"""A sweep over many targets with nothing to do, and their states as `keyferry status` asks for them, beside the least
that both cost: a metadata read of each Secret.

Each runs in a process of its own, as the functions do, with the rights that are generated.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import urllib3
from rich.table import Table

from keyferry.deadline import Deadline
from keyferry.kube.client import METADATA_ONLY
from keyferry.pipeline.comparison import Scope
from keyferry.pipeline.sweep import Sweep
from keyferry.runtime.wiring import Runtime
from keyferry_local import cloud as clouds
from keyferry_local.admin import Admin
from keyferry_local.cloud import Site
from keyferry_local.direct import Direct, catalog, mapping
from keyferry_local.watch import calls

CONNECTIONS = 8
NAMESPACES = 100
ROUNDS = 3
BARE, SWEEP, STATUS = "read the metadata: bare", "a sweep", "the states of all"
STATUS_SECONDS = 48
"""How long the function `report` looks, for one page."""


def measure(place: Path, say: Callable[[str], None], *, count: int) -> Table:
    """Return seconds, calls and memory of a sweep over `count` targets, a hundred for each mapping."""
    with (
        clouds.running(place, say, sites=[Site("prod-eu", "eu-west-1")]) as cloud,
        mock.patch.dict(os.environ, cloud.aws.environment()),
    ):
        names = [f"m{number:03}" for number in range(count // NAMESPACES)]
        direct = _furnish(cloud, names, say)
        environment = _environment(direct, place / "mappings")
        bare: list[float] = []
        runs: dict[str, list[dict[str, float]]] = {SWEEP: [], STATUS: []}
        for number in range(ROUNDS):
            bare.append(_read_all(cloud.admins["prod-eu"], names))
            for what, command in ((SWEEP, "sweep"), (STATUS, "status")):
                since = datetime.now(UTC)
                told = json.loads(subprocess.check_output([sys.executable, "-m", __name__, command], env=environment))
                assert (told["checked"], told["sent"]) == (len(names) * NAMESPACES, 0), told
                runs[what].append(told | {"calls": len(calls(cloud.clusters["prod-eu"], since=since))})
                say(f"round {number}: bare {bare[-1]:.2f} s, {what}: {runs[what][-1]}")
    return _build_table(len(names) * NAMESPACES, bare, runs)


def _build_table(targets: int, bare: list[float], runs: dict[str, list[dict[str, float]]]) -> Table:
    least = statistics.median(bare)
    title = f"{targets:,} targets, nothing to do, median of {ROUNDS}"
    columns = ("what", "seconds", "ratio", "calls", "peak memory", "pages", "JSON")
    table = Table(*columns, title=title, title_justify="left")
    table.add_row(BARE, f"{least:.2f} s", "1.00", f"{targets:,}", "", "", "")
    for what, told in runs.items():
        seconds, last = statistics.median(each["seconds"] for each in told), told[-1]
        memory = max(each["memory"] for each in told)
        pages = (f"{last['pages']}", f"{last['bytes'] / 1e6:.1f} MB") if "pages" in last else ("", "")
        cells = f"{seconds:.2f} s", f"{seconds / least:.2f}", f"{last['calls']:,}", f"{memory:.0f} MiB", *pages
        table.add_row(what, *cells)
    return table


def _furnish(cloud: clouds.Cloud, names: list[str], say: Callable[[str], None]) -> Direct:
    """Create the namespaces, and deliver every mapping to them."""
    say(f"delivering {len(names)} mappings to {NAMESPACES} namespaces")
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"bench": "yes"}}}
        for name in _namespaces()
    ]
    cloud.admins["prod-eu"].apply(*namespaces)
    cloud.aws.client("secretsmanager").create_secret(Name="bench", SecretString='{"value": "canary-0"}')
    mappings = [
        mapping(
            name,
            sources={"it": {"secretsManager": "bench"}},
            clusters=["prod-eu"],
            namespaces={"matchLabels": {"bench": "yes"}},
            secret={"name": name, "data": {"value": {"from": "it", "path": "value"}}},
            restart="none",
        )
        for name in names
    ]
    direct = Direct.grant(cloud, catalog(cloud, mappings))
    for name in names:
        report = direct.deliver(name, seconds=600)
        assert not report.errors, report.errors[:1]
    lists = ["secretsmanager:ListSecrets", "ssm:DescribeParameters", "eks:DescribeCluster"]
    direct.allow([{"Effect": "Allow", "Action": lists, "Resource": "*"}])
    return direct


def _namespaces() -> list[str]:
    return [f"bench-{number:03}" for number in range(NAMESPACES)]


def _environment(direct: Direct, directory: Path) -> dict[str, str]:
    queues = {
        "KEYFERRY_DELIVERIES_QUEUE_URL": "http://127.0.0.1:9/nothing-is-sent",
        "KEYFERRY_INBOX_QUEUE_URL": "http://127.0.0.1:9/nothing-is-sent",
    }
    return direct.environment(directory) | queues


def _read_all(admin: Admin, names: list[str]) -> float:
    """Read the metadata of every Secret over kept connections, and return the seconds that it took."""
    pool = urllib3.PoolManager(ssl_context=admin.tls, maxsize=CONNECTIONS, block=True, retries=False)
    paths = [f"/api/v1/namespaces/{namespace}/secrets/{name}" for name in names for namespace in _namespaces()]

    def read(path: str) -> None:
        answer = pool.request("GET", admin.endpoint + path, headers={"Accept": METADATA_ONLY})
        assert answer.status == 200, answer.status
        json.loads(answer.data)

    began = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(read, paths))
    return time.perf_counter() - began


def _sweep() -> dict[str, float]:
    """Sweep as the function does, and return what it took."""
    runtime = Runtime(os.environ)
    began = time.perf_counter()
    report = runtime.reconcile(Sweep(), Deadline.after(840), "bench")
    seconds = time.perf_counter() - began
    assert report.is_finished
    return {"seconds": seconds, "checked": report.checked, "sent": len(report.sent), "memory": _peak_memory()}


def _look() -> dict[str, float]:
    """Ask for the states of all targets as the function does, page by page, and return what it took."""
    runtime, scope = Runtime(os.environ), Scope()
    began, rows, pages, size = time.perf_counter(), [], 0, 0
    while True:
        page = runtime.list_status(scope, Deadline.after(STATUS_SECONDS))
        rows += page["rows"]
        pages, size = pages + 1, size + len(json.dumps(page))
        if "cursor" not in page:
            break
        scope = Scope.model_validate({"cursor": page["cursor"]})
    seconds = time.perf_counter() - began
    wrong = sum(row["state"] != "right" for row in rows)
    taken = {"seconds": seconds, "pages": pages, "bytes": size, "memory": _peak_memory()}
    return {"checked": len(rows), "sent": wrong, **taken}


def _peak_memory() -> float:
    """Return the most MiB that this process has held (Linux)."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), float("nan"))


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"sweep": _sweep, "status": _look}[sys.argv[1]]()))
