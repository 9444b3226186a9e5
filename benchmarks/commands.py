"""The commands that look at a stack, run as a person runs them, on a stack with many targets.

Each is a process of its own, start-up included; the function that answers is the deployed one.
"""

import os
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import yaml
from rich.table import Table

from keyferry_local import cloud as clouds
from keyferry_local.cloud import ACCOUNT, Site
from keyferry_local.install import STACK, Installation, install
from keyferry_local.watch import calls, log_lines, until

KEYFERRY = Path(__file__).resolve().parent.parent / ".venv/bin/keyferry"
NAMESPACES, ROUNDS, SOURCE = 100, 3, "bench"
NOTHING, STATUS = ("--version",), ("status", "--stack", STACK, "--output", "json")
ASKED = [
    NOTHING,
    STATUS,
    ("status", "--stack", STACK, "--stale"),
    ("status", "--offline", "--source", SOURCE),
    ("expiring", "--stack", STACK),
    ("trace", SOURCE, "--stack", STACK),
    ("plan", "--stack", STACK),
    ("status", "--stack", STACK, "--output", "html"),
    ("orphans", "--stack", STACK),
    ("doctor", "--stack", STACK),
]
_PAGE = re.compile(r"^lambda:?.*Invoke", re.MULTILINE)


@dataclass(frozen=True)
class _Cost:
    """What a command takes."""

    seconds: float
    """The median of some rounds."""
    size: int
    """How many bytes it writes to stdout."""
    requests: int
    """How many requests the cluster has answered, to whom it may be."""
    pages: int
    """How often the function `report` was asked."""


def measure(place: Path, say: Callable[[str], None], *, count: int) -> Table:
    """Return what each command takes for `count` targets, a hundred for each mapping."""
    with clouds.running(place, say, sites=[Site("prod-eu", "eu-west-1")]) as cloud:
        admin = cloud.admins["prod-eu"]
        admin.apply(
            *({"apiVersion": "v1", "kind": "Namespace", "metadata": _name(name)} for name in _list_namespaces())
        )
        cloud.aws.client("secretsmanager").create_secret(Name=SOURCE, SecretString='{"value": "canary-0"}')
        installed = install(cloud, _write(place / "mappings-in", count // NAMESPACES), say)
        say(f"delivering {count:,} Secrets")
        until("all deliveries", partial(_is_delivered, installed, count // NAMESPACES), seconds=60 + count // 10)
        assert _run(installed, STATUS).returncode == 0
        costs = {command: _measure(installed, command) for command in ASKED}
    columns = ("keyferry …", "seconds", "ratio", "writes", "pages", "Kubernetes")
    table = Table(*columns, title=f"{count:,} targets", title_justify="left")
    for command, cost in costs.items():
        ratio = cost.seconds / costs[NOTHING].seconds
        counts = f"{cost.size / 1000:.1f} kB", f"{cost.pages:,}", f"{cost.requests:,}"
        table.add_row(" ".join(command), f"{cost.seconds:.2f} s", f"{ratio:.1f}", *counts)
    return table


def _measure(installed: Installation, command: tuple[str, ...]) -> _Cost:
    seconds, since = statistics.median(_time(installed, command)), datetime.now(UTC)
    told = _run(installed, command if command == NOTHING else (*command, "--verbose"))
    requests = len(calls(installed.cloud.clusters["prod-eu"], since=since))
    return _Cost(seconds, len(told.stdout), requests, len(_PAGE.findall(told.stderr.decode())))


def _time(installed: Installation, command: tuple[str, ...]) -> Iterator[float]:
    for _ in range(ROUNDS):
        began = time.perf_counter()
        _run(installed, command)
        yield time.perf_counter() - began


def _is_delivered(installed: Installation, mappings: int) -> bool:
    """Return whether each mapping was delivered: to ask for the states of all again and again would hold that up."""
    time.sleep(1)
    lines = log_lines(installed.cloud.aws, installed.outputs["DeliverFunction"], since=datetime.fromtimestamp(0, UTC))
    return len({line["mapping"] for line in lines if line.get("message") == "delivered"}) == mappings


def _run(installed: Installation, command: tuple[str, ...]) -> subprocess.CompletedProcess[bytes]:
    argv: list[str | Path] = [KEYFERRY, "--mappings", installed.checkout / "mappings", *command]
    kubeconfig = {"KUBECONFIG": str(installed.cloud.clusters["prod-eu"].kubeconfig)}
    return subprocess.run(
        argv, env=installed.cloud.aws.inherit(os.environ) | kubeconfig, capture_output=True, check=False
    )


def _list_namespaces() -> list[str]:
    return [f"bench-{number:03}" for number in range(NAMESPACES)]


def _name(name: str) -> dict[str, object]:
    return {"name": name, "labels": {"bench": "yes"}}


def _write(folder: Path, mappings: int) -> Path:
    """Write mappings that go to all namespaces of the bench, and return their folder."""
    folder.mkdir(parents=True)
    eks = {"name": "prod-eu", "region": "eu-west-1", "account": ACCOUNT}
    _dump(folder / "clusters.yaml", {"kind": "Clusters", "clusters": [{"name": "prod-eu", "eks": eks}]})
    for number in range(mappings):
        name = f"m{number:03}"
        spec = {
            "sources": {"db": {"secretsManager": SOURCE}},
            "clusters": ["prod-eu"],
            "namespaces": {"matchLabels": {"bench": "yes"}},
            "secret": {"name": name, "data": {"value": {"from": "db", "path": "value"}}},
            "restart": "none",
        }
        _dump(folder / f"{name}.yaml", {"kind": "SecretMapping", "metadata": {"name": name}, "spec": spec})
    return folder


def _dump(path: Path, document: dict[str, object]) -> None:
    path.write_text(yaml.safe_dump({"apiVersion": "keyferry.dev/v1", **document}))
