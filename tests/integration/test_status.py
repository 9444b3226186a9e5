"""`keyferry status` of a stack at work: what each target holds, what is wrong with it, and who gets a secret."""

import json
import os
from collections.abc import Mapping
from typing import Any

import pytest

from keyferry_local.install import STACK, Installation
from keyferry_local.watch import until
from tests.integration.deployed import Deployed, now
from tests.integration.terminal import run_keyferry

RIGHT = {"right", "held", "unknown"}


@pytest.fixture(scope="module")
def stack(installed: Installation) -> Deployed:
    """The stack, each of whose deliveries has been tried."""
    stack = Deployed(installed)
    since = now()
    stack.put("tests/neighbours", '{"password": "canary-status-1"}')
    for name in ("near", "lacking"):
        stack.deliveries(name, since)
    return stack


def run(stack: Deployed, *args: str) -> tuple[int, str, str]:
    """Run `keyferry status`, and return its exit code and what it writes."""
    command = ["--mappings", str(stack.installed.checkout / "mappings"), "status", *args]
    environment = stack.cloud.aws.inherit(os.environ)
    done = run_keyferry(command, environment, stack.cloud.directory / "commands.log")
    return done.returncode, done.stdout, done.stderr


def ask(stack: Deployed, *args: str) -> list[dict[str, Any]]:
    """Return the rows of `keyferry status --output json`; its exit code has to fit them."""
    code, out, error = run(stack, "--stack", STACK, "--output", "json", *args)
    assert out, error
    rows = json.loads(out)["targets"]
    assert code == (0 if all(row["state"] in RIGHT for row in rows) else 1)
    return list(rows)


def states(rows: list[dict[str, Any]]) -> Mapping[tuple[str, ...], str]:
    return {(row["mapping"], row["cluster"], row["namespace"]): row["state"] for row in rows}


def test_each_target_has_its_state_and_what_is_wrong_its_error_and_the_next_try(stack: Deployed) -> None:
    rows = until("near right", lambda: rows if (rows := ask(stack, "near")) and not wrong(rows) else None)
    assert set(states(rows).values()) == {"right"}
    [near] = [row for row in rows if row["cluster"] == "prod-eu"]
    assert near["sources"][0] | {"changed": ""} == {
        **{"alias": "db", "store": "secretsmanager", "name": "tests/neighbours", "changed": ""},
        **{"held": stack.current("tests/neighbours"), "wanted": stack.current("tests/neighbours")},
        "rotation": {"on": False},
    }
    lacking = ask(stack, "lacking")
    assert set(states(lacking).values()) == {"failed"}
    assert lacking[0]["error"].startswith("SourceUnusable: mapping lacking")
    # Nothing is seen of a cluster that does not answer, but that deliveries to it fail is known.
    lost = until("far failed", lambda: [row for row in ask(stack, "far", "--cluster", "lost") if "nextTry" in row])
    assert {(row["state"], row["why"].partition(":")[0]) for row in lost} == {("failed", "ClusterUnreachable")}
    assert all(row["error"].startswith("ClusterUnreachable") for row in lost)


def wrong(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["state"] not in RIGHT]


def test_who_gets_a_secret_is_asked_of_the_stack_and_of_the_files(stack: Deployed) -> None:
    asked = {row["mapping"] for row in ask(stack, "--source", "tests/neighbours")}
    assert {"near", "lacking", "far", "scattered"} <= asked
    _, out, _ = run(stack, "--offline", "--source", "tests/neighbours", "--output", "json")
    assert {row["mapping"] for row in json.loads(out)["targets"]} == asked


def test_a_secret_that_somebody_deletes_is_gone_until_it_is_delivered_again(stack: Deployed) -> None:
    [namespace] = {row["namespace"] for row in ask(stack, "near", "--cluster", "prod-eu")}
    stack.eu.delete("Secret", "near", namespace)
    assert states(ask(stack, "near", "--cluster", "prod-eu", "--stale")) == {("near", "prod-eu", namespace): "gone"}
    since = now()
    stack.sweep(mapping="near")
    stack.deliveries("near", since, cluster="prod-eu")
    assert ask(stack, "near", "--cluster", "prod-eu", "--stale") == []


def test_a_name_that_there_is_not_is_told_with_the_nearest(stack: Deployed) -> None:
    code, _, error = run(stack, "--stack", STACK, "naer")
    assert (code, "no target has mapping naer; did you mean near?" in error) == (1, True), error
