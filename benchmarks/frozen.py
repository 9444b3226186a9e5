"""One of three clusters is frozen while many deliveries wait for it: the share of time that it takes, and its return.

All through the deployed stack. The control plane stops where it is (SIGSTOP): connections are accepted, and nothing is
answered. The deliveries are of one mapping, each to a namespace of its own, and so in a message group of its own.
"""

import json
import os
import signal
import statistics
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from keyferry_local import cloud as clouds
from keyferry_local.admin import Admin
from keyferry_local.cloud import ACCOUNT, SITES, Cloud, Site
from keyferry_local.direct import delivery
from keyferry_local.install import Installation, install
from keyferry_local.watch import log_lines, until, when

THIRD = Site("prod-third", "eu-west-1")
NAME = "crowd"
SLOTS = 5
"""MaximumConcurrency of template.yaml."""
PERIOD_SECONDS = 2.0
"""How long after a change of the secret the next one is made."""


def measure(place: Path, say: Callable[[str], None], *, count: int, seconds: float) -> Table:
    """Return what a frozen cluster takes, for so many deliveries that wait for it and so long."""
    with clouds.running(place, say, sites=[*SITES, THIRD]) as cloud:
        for admin in cloud.admins.values():
            _create_namespace(admin)
        cloud.aws.client("secretsmanager").create_secret(Name=NAME, SecretString="canary-0")
        installed = install(cloud, _write_mappings(place / "own", cloud), say)
        for name, admin in cloud.admins.items():
            until(f"{name}: first delivery", partial(_has, admin, "canary-0"), seconds=90)
        before = _change(installed, say, seconds=30)
        processes = cloud.clusters[THIRD.name].processes
        _signal(processes, signal.SIGSTOP)
        try:
            since = _send(installed, say, count)
            during = _change(installed, say, seconds=seconds)
            back = datetime.now(UTC)
        finally:
            _signal(processes, signal.SIGCONT)
        share, attempts = _measure_share(_read_lines(installed, since), back)
        first = until("first delivery", partial(_find_delivered, installed, back), seconds=120)
    table = Table("what", "measured", title=f"{count} deliveries wait for one of three clusters", title_justify="left")
    table.add_row("share of slot time that the frozen cluster took", f"{share / (SLOTS * (back - since).seconds):.1%}")
    table.add_row("attempts on it", f"{attempts} in {(back - since).seconds} s")
    table.add_row("deliveries to the others, before: p50, p90", _format(before))
    table.add_row("deliveries to the others, meanwhile: p50, p90", _format(during))
    table.add_row("first delivery after its return", f"{(first - back).total_seconds():.0f} s")
    return table


def _create_namespace(admin: Admin) -> None:
    metadata = {"name": NAME, "labels": {"bench": NAME}}
    admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})


def _write_mappings(folder: Path, cloud: Cloud) -> Path:
    """Write a mapping to all clusters, and the clusters, and return the folder."""
    folder.mkdir(parents=True)
    entries = [
        {"name": name, "eks": {"name": name, "region": plane.region, "account": ACCOUNT}}
        for name, plane in cloud.clusters.items()
    ]
    spec = {
        "sources": {"it": {"secretsManager": NAME}},
        "clusters": list(cloud.clusters),
        "namespaces": {"matchLabels": {"bench": NAME}},
        "secret": {"name": NAME, "data": {"value": {"from": "it"}}},
    }
    documents = [
        {"apiVersion": "keyferry.dev/v1", "kind": "Clusters", "clusters": entries},
        {"apiVersion": "keyferry.dev/v1", "kind": "SecretMapping", "metadata": {"name": NAME}, "spec": spec},
    ]
    (folder / "mappings.yaml").write_text(yaml.safe_dump_all(documents))
    return folder


def _send(installed: Installation, say: Callable[[str], None], count: int) -> datetime:
    """Send the deliveries that wait for the frozen cluster, and return when that began."""
    say(f"freezing {THIRD.name}, for which {count} deliveries wait")
    since, client = datetime.now(UTC), installed.cloud.aws.client("sqs")
    for number in range(count):
        namespace = f"absent-{number}"
        client.send_message(
            QueueUrl=installed.outputs["DeliveriesQueueUrl"],
            MessageBody=delivery(NAME, THIRD.name, namespace=namespace).to_json(),
            MessageGroupId=f"{NAME}/{THIRD.name}/{namespace}",
            MessageDeduplicationId=uuid.uuid4().hex,
        )
    return since


def _change(installed: Installation, say: Callable[[str], None], *, seconds: float) -> list[float]:
    """Change the secret again and again, and return how long each value took to the other two clusters, in seconds."""
    say(f"changing the secret for {seconds:.0f} s")
    others = [installed.cloud.admins[site.name] for site in SITES]
    client, end, taken = installed.cloud.aws.client("secretsmanager"), time.monotonic() + seconds, list[float]()
    while time.monotonic() < end:
        value, started = f"canary-{uuid.uuid4().hex}", time.monotonic()
        client.put_secret_value(SecretId=NAME, SecretString=value)
        for admin in others:
            until(value, partial(_has, admin, value), seconds=120)
            taken.append(time.monotonic() - started)
        time.sleep(PERIOD_SECONDS)
    return taken


def _has(admin: Admin, value: str) -> bool:
    return admin.data(NAME, NAME) == {"value": value.encode()}


def _read_lines(installed: Installation, since: datetime) -> list[dict[str, Any]]:
    lines = log_lines(installed.cloud.aws, installed.outputs["DeliverFunction"], since=since)
    return [line for line in lines if line.get("cluster") == THIRD.name and "message" in line]


def _measure_share(lines: list[dict[str, Any]], end: datetime) -> tuple[float, int]:
    """Return the seconds that deliveries took, and how many of them have asked the cluster."""
    seconds, attempts, begun = 0.0, 0, dict[str, datetime]()
    for line in lines:
        at = when(line["timestamp"])
        if line["message"] == "begun":
            begun[line["event_id"]] = at
        elif line["event_id"] in begun and at < end:
            seconds += (at - begun.pop(line["event_id"])).total_seconds()
            attempts += "it is asked again in" not in json.dumps(line)
    return seconds, attempts


def _find_delivered(installed: Installation, since: datetime) -> datetime | None:
    lines = (line for line in _read_lines(installed, since) if line["message"] == "delivered")
    return next((when(line["timestamp"]) for line in lines), None)


def _signal(processes: tuple[Any, ...], number: signal.Signals) -> None:
    for process in processes:
        os.kill(process.pid, number)


def _format(seconds: list[float]) -> str:
    ninetieth = statistics.quantiles(seconds, n=10)[-1]
    return f"{statistics.median(seconds):.2f} s, {ninetieth:.2f} s ({len(seconds)} samples)"
