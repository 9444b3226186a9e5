"""Many mappings: checked from YAML, loaded as the functions load them, and found for an event.

What loads is measured in a process of its own, which has not loaded anything before. An event that has been looked up
before takes as long with any number of mappings; what any other one takes beyond that is memory out of the CPU's cache.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from keyferry.cli.check import files
from keyferry.mapping.catalog import Catalog
from keyferry.model import Change
from keyferry.runtime.compiled import COMPILED_FILE, load_catalog

COUNTS = (10, 500, 5000)
IN_ONE_FILE = 50
LOOK_UPS = 2000
RIVALS = 300
"""Mappings of Secrets with one name, each for namespaces by a pattern: whether two overlap has to be found out."""


def measure(place: Path) -> Table:
    """Return time and memory for each number of mappings."""
    table = Table(
        *(
            "mappings",
            "validate YAML",
            "compiled",
            "load",
            "memory",
            "1st event",
            "same event",
            "any event",
            "delivery",
        ),
        title="look-ups among mappings of two sources and three keys each, a hundred to a cluster",
        title_justify="left",
    )
    for count in COUNTS:
        folder = place / str(count)
        _write(folder, [_mapping(number, _cluster(number, count)) for number in range(count)])
        catalog, seconds = _validated(folder)
        compiled = catalog.model_dump_json(by_alias=True, exclude_defaults=True)
        (folder / COMPILED_FILE).write_text(compiled)
        found = json.loads(subprocess.check_output([sys.executable, "-m", __name__, folder, str(count)]))
        table.add_row(
            f"{count:,}",
            f"{seconds:.2f} s",
            f"{len(compiled) / 1e6:.2f} MB",
            f"{found['load'] * 1e3:.0f} ms",
            f"{found['memory']:.0f} MB",
            f"{found['first'] * 1e3:.1f} ms",
            f"{found['same'] * 1e6:.0f} µs",
            f"{found['any'] * 1e6:.0f} µs",
            f"{found['delivery'] * 1e6:.0f} µs",
        )
    rivals = place / "rivals"
    _write(rivals, [_rival(number) for number in range(RIVALS)])
    table.add_row(f"{RIVALS}, one Secret", f"{_validated(rivals)[1]:.2f} s")
    return table


def _validated(folder: Path) -> tuple[Catalog, float]:
    """Return the catalogue of a folder, and the seconds that it takes to check it."""
    started = time.perf_counter()
    catalog, _ = files.check(folder)
    return catalog, time.perf_counter() - started


def _cluster(number: int, count: int) -> str:
    return f"cluster-{number % max(1, count // 100)}"


def _write(folder: Path, mappings: Sequence[dict[str, Any]]) -> None:
    folder.mkdir(parents=True)
    names = sorted({mapping["spec"]["clusters"][0] for mapping in mappings})
    eks = {"region": "eu-west-1", "account": "111122223333"}
    clusters = [{"name": name, "eks": {"name": name} | eks} for name in names]
    head = {"apiVersion": "keyferry.dev/v1"}
    (folder / "clusters.yaml").write_text(yaml.safe_dump(head | {"kind": "Clusters", "clusters": clusters}))
    for first in range(0, len(mappings), IN_ONE_FILE):
        text = yaml.safe_dump_all(mappings[first : first + IN_ONE_FILE])
        (folder / f"team-{first}.yaml").write_text(text)


def _mapping(number: int, cluster: str) -> dict[str, Any]:
    url = f"postgres://{{{{ db.user{number} }}}}:{{{{ db.password | urlencode }}}}@db.internal/app"
    return {
        "apiVersion": "keyferry.dev/v1",
        "kind": "SecretMapping",
        "metadata": {"name": f"app-{number}"},
        "spec": {
            "sources": {
                "db": {"secretsManager": _source(number)},
                "tls": {"parameterStore": f"/prod/app-{number}/tls"},
            },
            "clusters": [cluster],
            "namespaces": [f"team-{number // IN_ONE_FILE}"],
            "secret": {
                "name": f"app-{number}",
                "data": {
                    "password": {"from": "db", "path": f"users[{number}].password"},
                    "tls.crt": {"from": "tls"},
                    "url": {"template": url},
                },
            },
        },
    }


def _rival(number: int) -> dict[str, Any]:
    mapping = _mapping(number, _cluster(number, 1))
    mapping["spec"]["namespaces"] = [{"names": [f"team-{number}-*"]}]
    mapping["spec"]["secret"]["name"] = "app"
    return mapping


def _source(number: int) -> str:
    return f"prod/team-{number // IN_ONE_FILE}/app-{number}/db"


def _once(folder: Path, count: int) -> dict[str, float]:
    """Return what it takes to load, and to find what an event and a delivery ask for, in seconds and MB."""
    before = _memory()
    started = time.perf_counter()
    catalog = load_catalog(folder)
    loaded = time.perf_counter()
    catalog.deliveries_of(_change(0))
    first = time.perf_counter()
    after = _memory()
    numbers = [number * 7919 % count for number in range(LOOK_UPS)]
    return {
        "load": loaded - started,
        "memory": after - before,
        "first": first - loaded,
        "same": statistics.median(_timed(catalog, 0) for _ in numbers),
        "any": statistics.median(_timed(catalog, number) for number in numbers),
        "delivery": statistics.median(_found(catalog, number) for number in numbers),
    }


def _memory() -> float:
    """Return the MB that this process holds; its maximum would count what it was forked from (Linux)."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), float("nan"))


def _timed(catalog: Catalog, number: int) -> float:
    change = _change(number)
    started = time.perf_counter()
    assert len(catalog.deliveries_of(change)) == 1
    return time.perf_counter() - started


def _found(catalog: Catalog, number: int) -> float:
    mapping = f"app-{number}"
    cluster = catalog.clusters_of(catalog.mappings[mapping])[0].name
    started = time.perf_counter()
    catalog.get(mapping, cluster)
    return time.perf_counter() - started


def _change(number: int) -> Change:
    return Change("secretsmanager", (_source(number),), "updated", "event-1", datetime.now(UTC))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_once(Path(sys.argv[1]), int(sys.argv[2]))))
