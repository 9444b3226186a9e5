"""A kubeconfig is read as kubectl reads it, and what is wrong with it is told without its tokens."""

import base64
import json
import logging
import stat
from pathlib import Path
from typing import Any

import pytest

from keyferry.cli.clusters.client import OperatorClient
from keyferry.cli.clusters.contexts import Context, NoContext
from keyferry.cli.clusters.kubeconfig import Kubeconfig
from keyferry.cli.clusters.reach import reach_clusters
from keyferry.deadline import Deadline
from keyferry.errors import InvalidInput
from tests.unit.samples import cluster

TOKEN = "canary-token"
EXEC = "client.authentication.k8s.io/v1beta1"


def write(path: Path, name: str, user: dict[str, Any], **cluster: Any) -> Path:  # noqa: ANN401  # JSON
    """Write a kubeconfig with one context."""
    whole = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": f"{name}-cluster", "cluster": {"server": f"https://{name}.example", **cluster}}],
        "contexts": [{"name": name, "context": {"cluster": f"{name}-cluster", "user": f"{name}-user"}}],
        "users": [{"name": f"{name}-user", "user": user}],
    }
    path.write_text(json.dumps(whole))
    return path


def write_program(path: Path, text: str) -> Path:
    """Write a program that gives tokens."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(stat.S_IRWXU)
    return path


def get_token(kubeconfig: Kubeconfig) -> str:
    """Return the token that the first context signs in with."""
    return kubeconfig.connect(kubeconfig.contexts[0], "prod-eu")._get_token()


def test_the_contexts_of_several_files_are_there_and_none_without_a_file(tmp_path: Path) -> None:
    files = [write(tmp_path / name, name, {"token": TOKEN}) for name in ("one", "two")]
    paths = ":".join([str(tmp_path / "none"), *map(str, files)])
    assert Kubeconfig.find({"KUBECONFIG": paths}).contexts == (
        Context("one", "one-cluster", "https://one.example"),
        Context("two", "two-cluster", "https://two.example"),
    )
    assert Kubeconfig.find({"KUBECONFIG": str(tmp_path / "none")}).contexts == ()
    assert Kubeconfig.find({"KUBECONFIG": ""}).paths == "~/.kube/config"


@pytest.mark.parametrize("text", ["", "\n", "# nothing yet\n", "---\n"])
def test_an_empty_file_has_no_contexts_and_hides_none_of_others(tmp_path: Path, text: str) -> None:
    (tmp_path / "empty").write_text(text)
    assert Kubeconfig(str(tmp_path / "empty"), {}).contexts == ()
    other = write(tmp_path / "one", "one", {"token": TOKEN})
    kubeconfig = Kubeconfig(f"{tmp_path / 'empty'}:{other}", {})
    assert [context.name for context in kubeconfig.contexts] == ["one"]
    assert get_token(kubeconfig) == TOKEN


@pytest.mark.parametrize("part", ["user", "cluster"])
def test_a_certificate_that_is_none_is_told_and_costs_no_other_cluster(tmp_path: Path, part: str) -> None:
    none = base64.b64encode(b"canary").decode()
    user = {"client-certificate-data": none, "client-key-data": none} if part == "user" else {"token": TOKEN}
    authority = {"certificate-authority-data": none} if part == "cluster" else {}
    path = write(tmp_path / "prod-eu", "prod-eu", user, **authority)
    clusters, environment = [cluster("prod-eu"), cluster("prod-us")], {"KUBECONFIG": str(path)}
    errors = [error for _, error in reach_clusters(clusters, (), environment, Deadline.after(9))]
    assert [type(error) for error in errors] == [InvalidInput, NoContext]
    assert "is no kubeconfig that can be used (SSLError)" in str(errors[0])
    assert "canary" not in str(errors[0])


def test_a_token_is_that_of_the_file_or_of_the_program_that_it_names(tmp_path: Path) -> None:
    credential = json.dumps({"apiVersion": EXEC, "kind": "ExecCredential", "status": {"token": TOKEN}})
    program = write_program(tmp_path / "get-token", f"echo '{credential}'")
    for user in ({"token": TOKEN}, {"exec": {"apiVersion": EXEC, "command": str(program), "args": ["eks"]}}):
        path = write(tmp_path / "config", "one", user)
        assert get_token(Kubeconfig(str(path), {})) == TOKEN


def test_a_program_that_gives_tokens_has_the_environment_and_what_its_entry_adds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential = f'{{"apiVersion": "{EXEC}", "kind": "ExecCredential", "status": {{"token": "$GIVEN"}}}}'
    program = write_program(tmp_path / "get-token", f"cat << END\n{credential}\nEND")
    user = {"apiVersion": EXEC, "command": str(program)}
    monkeypatch.setenv("GIVEN", "canary-of-the-environment")
    path = write(tmp_path / "config", "one", {"exec": user})
    assert get_token(Kubeconfig(str(path), {})) == "canary-of-the-environment"
    path = write(tmp_path / "config", "one", {"exec": user | {"env": [{"name": "GIVEN", "value": TOKEN}]}})
    assert get_token(Kubeconfig(str(path), {})) == TOKEN


@pytest.mark.parametrize(
    ("text", "said"),
    [("echo Unable to locate credentials >&2; exit 255", ". Unable to locate credentials)"), ("echo {", "exec: ")],
)
def test_a_program_that_gives_no_token_is_told_with_what_to_do(tmp_path: Path, text: str, said: str) -> None:
    program = write_program(tmp_path / "get-token", text)
    path = write(tmp_path / "config", "one", {"exec": {"apiVersion": EXEC, "command": str(program)}})
    handlers = list(logging.getLogger().handlers)
    with pytest.raises(InvalidInput, match="gives no token") as caught:
        get_token(Kubeconfig(str(path), {}))
    assert said in str(caught.value)
    assert "`kubectl --context one version`" in str(caught.value)
    assert logging.getLogger().handlers == handlers


@pytest.mark.parametrize(
    "text",
    [
        f"users: [{{token: {TOKEN}",
        f"clusters: {TOKEN}",
        "clusters: [{name: a}]\ncontexts: []\nusers: []",
        "- a",
        f"users: [{{user: {{token: {TOKEN}}}}}, {{name: a, user: {{}}}}]",  # what comes after an entry without a name
    ],
)
def test_a_file_that_is_no_kubeconfig_is_told_without_its_content(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(InvalidInput, match="is no kubeconfig that can be used") as caught:
        _ = Kubeconfig(str(path), {}).contexts
    assert TOKEN not in str(caught.value)


def test_settings_of_tls_and_proxies_are_those_of_the_file(tmp_path: Path) -> None:
    settings = {
        "insecure-skip-tls-verify": True,
        "tls-server-name": "other.example",
        "proxy-url": "http://p.example:3128",
    }
    path = write(tmp_path / "config", "one", {"token": TOKEN}, **settings)
    kubeconfig = Kubeconfig(str(path), {"HTTPS_PROXY": "http://environment.example:3128"})
    transport = kubeconfig.connect(kubeconfig.contexts[0], "prod-eu")._transport
    assert str(transport.proxy) == "the proxy http://p.example:3128 of HTTPS_PROXY"
    options = transport._client.pool_manager.connection_pool_kw
    assert (options["server_hostname"], options["ssl_context"].check_hostname) == ("other.example", False)

    path = write(tmp_path / "config", "one", {"token": TOKEN})
    kubeconfig = Kubeconfig(str(path), {"HTTPS_PROXY": "http://environment.example:3128"})
    transport = kubeconfig.connect(kubeconfig.contexts[0], "prod-eu")._transport
    assert str(transport.proxy) == "the proxy http://environment.example:3128 of HTTPS_PROXY"
    assert transport._client.pool_manager.connection_pool_kw["ssl_context"].check_hostname is True


def test_a_cluster_without_a_context_does_not_stop_the_others(tmp_path: Path) -> None:
    path = write(tmp_path / "config", "prod-eu", {"token": TOKEN})
    reached = reach_clusters([cluster("prod-us"), cluster("prod-eu")], [], {"KUBECONFIG": str(path)}, Deadline.after(9))
    (_, missing), (_, client) = reached
    assert isinstance(missing, InvalidInput)
    assert isinstance(client, OperatorClient)
    assert (client.cluster, client.context.name) == ("prod-eu", "prod-eu")


def test_two_clusters_are_never_reached_by_one_server(tmp_path: Path) -> None:
    path = write(tmp_path / "config", "one", {"token": TOKEN})
    choices = ["prod-eu=one", "prod-us=one"]
    clusters = [cluster("prod-eu"), cluster("prod-us")]
    for _, error in reach_clusters(clusters, choices, {"KUBECONFIG": str(path)}, Deadline.after(9)):
        assert str(error) == (
            "context one (https://one.example) is used for clusters prod-eu, prod-us: say --context for each of them"
        )


def test_programs_that_give_tokens_run_side_by_side_after_the_first(tmp_path: Path) -> None:
    credential = json.dumps({"apiVersion": EXEC, "kind": "ExecCredential", "status": {"token": TOKEN}})
    wait = f"for _ in $(seq 100); do [ -f {tmp_path}/$2 ] && break; sleep 0.1; done; [ -f {tmp_path}/$2 ] || exit 1"
    program = write_program(tmp_path / "get-token", f"touch {tmp_path}/$1; {wait}; echo '{credential}'")
    whole: dict[str, list[object]] = {"clusters": [], "users": [], "contexts": []}
    # The first needs nobody; each of the others needs the other one to have begun.
    for name, awaited in {"one": "one", "two": "three", "three": "two"}.items():
        user = {"exec": {"apiVersion": EXEC, "command": str(program), "args": [name, awaited]}}
        whole["clusters"] += [{"name": name, "cluster": {"server": f"https://{name}.example"}}]
        whole["users"] += [{"name": name, "user": user}]
        whole["contexts"] += [{"name": name, "context": {"cluster": name, "user": name}}]
    (tmp_path / "config").write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **whole}))
    clusters = [cluster(name) for name in ("one", "two", "three")]
    reached = reach_clusters(clusters, [], {"KUBECONFIG": str(tmp_path / "config")}, Deadline.after(9))
    assert [isinstance(client, OperatorClient) for _, client in reached] == [True, True, True]
