"""From `put-secret-value` to the Secret in both clusters, through the deployed stack with warm functions.

The end is the API server's own audit log; the share of `deliver` is what its log line says.
"""

import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.table import Table

from keyferry_local import cloud as clouds
from keyferry_local import world
from keyferry_local.admin import Admin
from keyferry_local.install import Installation, install
from keyferry_local.timeline import hops
from keyferry_local.watch import log_lines, until

EXAMPLES = Path(__file__).resolve().parent.parent / "examples/mappings"
WARM_UP = 3


def measure(place: Path, say: Callable[[str], None], *, rounds: int) -> Table:
    """Return p50 and p90 of each hop, in milliseconds after the change."""
    with clouds.running(place, say) as cloud:
        world.create_sources(cloud.aws)
        for admin in cloud.admins.values():
            world.create_namespaces(admin)
            world.create_workloads(admin)
        installed = install(cloud, EXAMPLES, say)
        for name, admin in installed.admins.items():
            until(f"{name}: first delivery", partial(world.password, admin), seconds=60)
        times: dict[str, list[float]] = {}
        for number in range(rounds + WARM_UP):
            found = _round(installed, f"canary-bench-{number}")
            for title, milliseconds in found.items() if number >= WARM_UP else ():
                times.setdefault(title, []).extend(milliseconds)
    table = Table("until", "p50", "p90", "samples", title="put-secret-value, warm", title_justify="left")
    for title, values in times.items():
        ninetieth = statistics.quantiles(values, n=10)[-1]
        table.add_row(title, f"{statistics.median(values):.0f} ms", f"{ninetieth:.0f} ms", str(len(values)))
    return table


def _round(installed: Installation, password: str) -> dict[str, list[float]]:
    since = datetime.now(UTC)
    client = installed.cloud.aws.client("secretsmanager")
    client.put_secret_value(SecretId=world.DATABASE, SecretString=world.database(password))
    for name, admin in installed.admins.items():
        until(f"{name}: {password}", partial(_has, admin, password.encode()))
    function, clusters = installed.outputs["DeliverFunction"], len(installed.admins)
    delivered = until("deliver's log", partial(_delivered, installed, function, since, clusters))
    found: dict[str, list[float]] = {}
    for hop in hops(installed, since):
        found.setdefault(hop.name, []).append(hop.seconds * 1000)
    found["of which in deliver, restarts included"] = delivered
    return found


def _delivered(installed: Installation, function: str, since: datetime, clusters: int) -> list[float] | None:
    lines = log_lines(installed.cloud.aws, function, since=since)
    seconds = [line["seconds"] * 1000 for line in lines if line.get("message") == "delivered"]
    return seconds if len(seconds) >= clusters else None


def _has(admin: Admin, password: bytes) -> bool:
    return world.password(admin) == password
