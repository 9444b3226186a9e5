"""Where a run has left a secret value: the canaries are looked for in everything that it has written."""

import base64
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from keyferry_local.cloud import Cloud
from tests.integration.deployed import Deployed

CANARY = b"canary-"


def forms() -> Iterator[bytes]:
    """Yield the forms in which a canary could be found: as it is, in hexadecimal, and base64 at each offset."""
    yield CANARY
    yield CANARY.hex().encode()
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + CANARY)
        yield encoded[math.ceil(offset * 8 / 6) : (offset + len(CANARY)) * 8 // 6]


def leaks(found: Mapping[str, bytes]) -> list[str]:
    """Return where a canary is, and what comes after it."""
    return [
        f"{where}: {text[text.index(form) :][:60]!r}"
        for where, text in found.items()
        for form in forms()
        if form in text
    ]


def of_files(directory: Path) -> dict[str, bytes]:
    """Return every file that the run has written, but the stores of the API servers, where values belong."""
    files = (path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path): path.read_bytes() for path in files if "etcd" not in path.relative_to(directory).parts}


def _of_logs(cloud: Cloud) -> dict[str, bytes]:
    """Return every line of every log group, metrics among them."""
    client = cloud.aws.client("logs")
    groups = [group["logGroupName"] for group in client.describe_log_groups()["logGroups"]]
    pages = client.get_paginator("filter_log_events")
    return {
        group: "\n".join(
            event["message"] for page in pages.paginate(logGroupName=group) for event in page["events"]
        ).encode()
        for group in groups
    }


def _of_objects(cloud: Cloud) -> dict[str, bytes]:
    """Return all objects of the clusters, Secrets without the data that they are for."""
    kinds = ("Secret", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ConfigMap")
    return {
        f"{cluster} {kind} {each['metadata'].get('namespace')}/{each['metadata']['name']}": json.dumps(
            each | {"data": None}
        ).encode()
        for cluster, admin in cloud.admins.items()
        for kind in kinds
        for each in admin.list(kind)
    }


def of_run(stack: Deployed, place: Path) -> dict[str, bytes]:
    """Return all that a run has written below a folder, in logs, on queues and beside the data of Secrets."""
    return of_cloud(stack.cloud, place) | {"messages": json.dumps(stack.messages(), default=str).encode()}


def of_cloud(cloud: Cloud, place: Path) -> dict[str, bytes]:
    """Return all that a run has written below a folder, in logs, and beside the data of Secrets."""
    return of_files(place) | _of_logs(cloud) | _of_objects(cloud)
