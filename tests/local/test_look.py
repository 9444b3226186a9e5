"""What `make demo KEEP=1` prints works when it is pasted, with `aws` and `kubectl` and without."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from keyferry_local import install, look, world
from keyferry_local.install import Installation
from keyferry_local.watch import until

ROOT = Path(__file__).resolve().parent.parent.parent
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


@pytest.mark.parametrize("has", [look.works, lambda _: False], ids=["this machine's tools", "no tools"])
def test_each_command_does_what_is_said_of_it(stack: Installation, has: Callable[[str], bool]) -> None:
    secrets = stack.cloud.aws.client("secretsmanager")
    secrets.put_secret_value(SecretId=world.DATABASE, SecretString=world.database("canary-before"))
    *settings, put, in_eu, in_us, log, push, status, trace, doctor, plan = commands(look.how_to_look(stack, has))

    typed(settings, put)

    for cluster in (in_eu, in_us):
        until(f"the new password by {cluster}", partial(shows, settings, cluster, f"{NEW}\n"))
    assert '"message":"delivered"' in typed(settings, log).replace(" ", "")
    planned = typed(settings, push)
    assert "targets: " in planned
    assert "forbid" not in planned
    # Of the tests' stack one cluster is lost, and some mappings are wrong: status and doctor say so by their exit code.
    assert re.search(r"right +prod-eu +payments +payments-db", typed(settings, status, code=1))
    assert "route" in typed(settings, trace)
    assert re.search(r"\d+ errors?", typed(settings, doctor, code=1))
    assert "payments-db" not in typed(settings, plan)


def commands(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.startswith("  ")]


def shows(settings: list[str], command: str, wanted: str) -> bool:
    return typed(settings, command) == wanted


def typed(settings: list[str], command: str, *, code: int = 0) -> str:
    """Return what a shell prints that somebody has pasted this into."""
    program = "\n".join(["set -euo pipefail", *settings, command])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        ["bash", "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout
