"""The administrator of a cluster signs in as its kubeconfig says."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3

from keyferry_local.admin import Admin

# An exec plugin, as `aws eks get-token` is one: each time it is asked it gives another token.
PLUGIN = """#!/bin/sh
echo asked >> {record}
number=$(wc -l < {record})
cat <<EOF
{{"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential",
  "status": {{"token": "canary-exec-$((number))", "expirationTimestamp": "{expiry:%Y-%m-%dT%H:%M:%SZ}"}}}}
EOF
"""


class Server:
    """What stands in for the network, and remembers who has called."""

    def __init__(self) -> None:
        self.callers: list[str | None] = []

    def request(self, *_: str, headers: dict[str, str], **_more: object) -> urllib3.HTTPResponse:
        self.callers.append(headers.get("Authorization"))
        return urllib3.HTTPResponse(b'{"items": []}', status=200)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    monkeypatch.setattr(urllib3, "PoolManager", lambda **_: made)
    return made


def admin(folder: Path, user: dict[str, Any]) -> Admin:
    """Return the administrator of a kubeconfig with this user."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "prod-eu", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "somebody", "user": user}],
        "contexts": [{"name": "prod-eu", "context": {"cluster": "prod-eu", "user": "somebody"}}],
        "current-context": "prod-eu",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return Admin(path)


def plugin(folder: Path, *, lasts: timedelta) -> dict[str, Any]:
    """Return a user who signs in by a plugin, whose tokens last so long."""
    path = folder / "get-token"
    path.write_text(PLUGIN.format(record=folder / "asked", expiry=datetime.now(UTC) + lasts))
    path.chmod(0o755)
    command = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": str(path), "interactiveMode": "Never"}
    return {"exec": command}


def test_a_token_in_the_kubeconfig_signs_in(tmp_path: Path, server: Server) -> None:
    admin(tmp_path, {"token": "canary-token"}).list("Namespace")
    assert server.callers == ["Bearer canary-token"]


def test_a_token_of_a_plugin_signs_in_as_the_kubeconfig_of_every_eks_cluster_has_it(
    tmp_path: Path, server: Server
) -> None:
    signed_in = admin(tmp_path, plugin(tmp_path, lasts=timedelta(minutes=15)))
    signed_in.list("Namespace")
    signed_in.list("Secret")
    assert server.callers == ["Bearer canary-exec-1"] * 2


def test_the_plugin_is_asked_again_where_its_token_has_expired(tmp_path: Path, server: Server) -> None:
    signed_in = admin(tmp_path, plugin(tmp_path, lasts=timedelta(minutes=-1)))
    signed_in.list("Namespace")
    signed_in.list("Secret")
    assert server.callers == ["Bearer canary-exec-2", "Bearer canary-exec-3"]


def test_a_kubeconfig_without_a_token_sends_none(tmp_path: Path, server: Server) -> None:
    admin(tmp_path, {}).list("Namespace")
    assert server.callers == [None]
