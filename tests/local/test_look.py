"""What `make demo KEEP=1` tells to type works in a shell that has sourced its file of settings."""

import os
import re
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from keyferry_local import install, look, world
from keyferry_local.install import Installation
from keyferry_local.watch import until

NEW = "canary-payments-3"


@pytest.fixture(scope="module")
def stack(installed: Installation) -> Iterator[Installation]:
    """The stack at work, with the administrator let in as in the demo."""
    for name, admin in installed.admins.items():
        until(f"the Secret in {name}", partial(admin.data, *world.DATABASE_SECRET))
    install.let_administrator_in(installed.cloud)
    yield installed
    arn = installed.cloud.aws.client("sts").get_caller_identity()["Arn"]
    for name, plane in installed.cloud.clusters.items():
        eks = installed.cloud.aws.client("eks", region=plane.region)
        eks.delete_access_entry(clusterName=name, principalArn=arn)


def test_each_command_does_what_is_said_of_it(stack: Installation, tmp_path: Path) -> None:
    secrets, settings = stack.cloud.aws.client("secretsmanager"), tmp_path / "env"
    secrets.put_secret_value(SecretId=world.DATABASE, SecretString=world.database("canary-before"))
    look.write_settings(stack.cloud, settings)
    told = list(look.list_next(stack, settings))
    *sourced, put, in_eu, in_us, status, trace, doctor, plan, push, stop = commands(told)
    assert (sourced, stop) == ([f"source {settings}", f"cd {stack.checkout}"], "keyferry local down")

    typed(sourced, put)

    for cluster in (in_eu, in_us):
        until(f"the new password by {cluster}", partial(shows, sourced, cluster, f"{NEW}\n"))
    # Of the tests' stack one cluster is lost, and some mappings are wrong: exit codes say so.
    assert re.search(r"right +prod-eu +payments +payments-db", typed(sourced, status, code=1))
    assert "route" in typed(sourced, trace)
    assert re.search(r"\d+ errors?", typed(sourced, doctor, code=1))
    assert "payments-db" not in typed(sourced, plan)
    planned = typed(sourced, push, code=1)
    assert "targets: " in planned
    assert "forbid" not in planned


def test_nothing_of_ones_own_aws_is_used_after_the_settings_are_sourced(stack: Installation, tmp_path: Path) -> None:
    settings = tmp_path / "env"
    look.write_settings(stack.cloud, settings)
    program = f"export AWS_PROFILE=mine AWS_SESSION_TOKEN=mine; source {settings}; env"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    ours = dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith("AWS_"))
    assert {name: ours.get(name) for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN")} == dict.fromkeys(
        ("AWS_PROFILE", "AWS_SESSION_TOKEN")
    )
    assert ours["AWS_ENDPOINT_URL"] == stack.cloud.aws.endpoint


def commands(told: list[str]) -> list[str]:
    """Return what is to be typed; a line that ends in a backslash goes on in the next one."""
    text = "\n".join(line.strip() for line in told if line.startswith("  "))
    return re.split(r"(?<!\\)\n", text)


def shows(sourced: list[str], command: str, wanted: str) -> bool:
    return typed(sourced, command) == wanted


def typed(sourced: list[str], command: str, *, code: int = 0) -> str:
    """Return what a shell prints that somebody has typed this into."""
    program = "\n".join(["set -euo pipefail", *sourced, command])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        ["bash", "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout
