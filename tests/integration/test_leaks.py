"""No value leaves memory: the canaries of this run are looked for in everything that it has written. Runs last."""

import base64
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from local.install import Installation
from tests.integration.deployed import Deployed
from tests.integration.direct import Direct, catalog
from tests.integration.scene import Scene

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


def of_logs(stack: Deployed) -> dict[str, bytes]:
    """Return every line of every log group, metrics among them."""
    client = stack.cloud.aws.client("logs")
    groups = [group["logGroupName"] for group in client.describe_log_groups()["logGroups"]]
    pages = client.get_paginator("filter_log_events")
    return {
        group: "\n".join(
            event["message"] for page in pages.paginate(logGroupName=group) for event in page["events"]
        ).encode()
        for group in groups
    }


def of_objects(stack: Deployed) -> dict[str, bytes]:
    """Return all objects of the clusters, Secrets without the data that they are for."""
    kinds = ("Secret", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ConfigMap")
    return {
        f"{cluster} {kind} {each['metadata'].get('namespace')}/{each['metadata']['name']}": json.dumps(
            each | {"data": None}
        ).encode()
        for cluster, admin in stack.cloud.admins.items()
        for kind in kinds
        for each in admin.list(kind)
    }


@pytest.mark.parametrize("value", ["canary-1", {"key": "canary-1"}, [b"x", b"xcanary-1", b"xxcanary-1"]], ids=str)
def test_a_leak_in_any_form_would_be_found(tmp_path: Path, value: Any) -> None:  # noqa: ANN401
    each = value if isinstance(value, list) else [json.dumps(value).encode()]
    for number, raw in enumerate(each):
        for form, text in {"raw": raw, "base64": base64.b64encode(raw), "hex": raw.hex().encode()}.items():
            path = tmp_path / f"{number}-{form}.log"
            path.write_bytes(b"before " + text + b" after")
            assert leaks(of_files(tmp_path)), path
            path.write_bytes(b"before and after")
    assert leaks(of_files(tmp_path)) == []


def wrong_type(scene: Scene) -> None:
    scene.make("Secret", "db", type="example.com/other")


def immutable(scene: Scene) -> None:
    scene.make("Secret", "db", immutable=True)


def foreign(scene: Scene) -> None:
    scene.make("Secret", "db", stringData={"password": "canary-leaks-foreign"})


BROKEN: dict[str, tuple[str | bytes, dict[str, Any], Any]] = {
    "not JSON": ("canary-leaks-1 {", {}, None),
    "no such path": ('{"other": "canary-leaks-2"}', {}, None),
    "binary with a path": (b"\x00canary-leaks-3", {}, None),
    "too large": (
        "canary-leaks-4" * 4000,
        {"secret": {"name": "db", "data": {f"k{number}": {"from": "db"} for number in range(20)}}},
        None,
    ),
    "not of its type": (
        "canary-leaks-5",
        {
            "secret": {
                "name": "db",
                "type": "kubernetes.io/dockerconfigjson",
                "data": {".dockerconfigjson": {"from": "db"}},
            }
        },
        None,
    ),
    "another type in the cluster": ('{"password": "canary-leaks-6"}', {}, wrong_type),
    "immutable": ('{"password": "canary-leaks-7"}', {}, immutable),
    "a foreign key": ('{"password": "canary-leaks-8"}', {}, foreign),
    "no namespace": ('{"password": "canary-leaks-9"}', {"namespaces": ["nowhere-at-all"]}, None),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_delivery_fails_without_its_value(scene: Scene, case: str) -> None:
    value, more, prepare = BROKEN[case]
    scene.create(value)
    if prepare:
        prepare(scene)
    assert scene.grant(**more).deliver(scene.namespace).errors


def test_a_delivery_without_rights_fails_without_its_value(scene: Scene) -> None:
    scene.create({"password": "canary-leaks-10"})
    direct = Direct.grant(scene.cloud, catalog(scene.cloud, [scene.mapping()]), rbac=False)
    assert direct.deliver(scene.namespace).errors


def test_nothing_that_the_run_has_written_holds_a_value(installed: Installation, place: Path) -> None:
    stack = Deployed(installed)
    messages = {"messages": json.dumps(stack.messages(), default=str).encode()}
    found = of_files(place) | of_logs(stack) | of_objects(stack) | messages
    assert any("/aws/lambda/" in name and text for name, text in found.items())
    assert leaks(found) == []
