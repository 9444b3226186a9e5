"""What `keyferry push` shows."""

import importlib
from pathlib import Path

import pytest

from keyferry.cli.steer.interrupt import Interrupt
from keyferry.errors import Conflict, WrongCluster
from keyferry.model import Delivery
from tests.unit.clusters import SOURCE, World
from tests.unit.deployed_stack import DeployedStack
from tests.unit.samples import mapping
from tests.unit.shown import Case
from tests.unit.test_cli_push import US, FakeRuntime
from tests.unit.test_files import CLUSTERS, MAPPING
from tests.unit.test_follow import create_interrupt

importlib.import_module("keyferry.cli.commands.steer.push")  # while boto3's Session is still a class
OWNER = {"team": "checkout", "contact": "#checkout-oncall"}
STRIPE = {"name": "stripe", "data": {"key": {"from": "db", "path": "password"}}}


def connect(monkeypatch: pytest.MonkeyPatch, folder: Path) -> FakeRuntime:
    """Let there be two clusters with memory in place of the real ones, and two mappings."""
    (folder / "mappings/clusters.yaml").write_text(CLUSTERS + US)
    both = MAPPING.replace("[prod-eu]", "[prod-eu, prod-us]").replace("[payments]", "[payments, shop-web]")
    (folder / "mappings/payments.yaml").write_text(both)
    (folder / "mappings/stripe.yaml").write_text(
        both.replace("name: payments-db", "name: checkout-stripe", 1).replace("name: payments-db", "name: stripe")
        + '  owner: {team: checkout, contact: "#checkout-oncall"}\n'
    )
    runtime = FakeRuntime()
    monkeypatch.setattr("keyferry.cli.commands.steer.push.Runtime", runtime)
    return runtime


def push_some(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let one target be somebody else's, and one cluster be another than the one that is meant."""
    runtime = connect(monkeypatch, folder)
    runtime.clusters["prod-eu"].create("payments", "payments-db", {"password": "canary-theirs"}, manager="helm")

    def fail(delivery: Delivery) -> Exception | None:
        text = "prod-us is arn:aws:eks:us-east-1:444455556666:cluster/prod-us, and not the cluster of clusters.yaml"
        return WrongCluster(text) if delivery.cluster == "prod-us" else None

    runtime.failure = fail


def prepare(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let nothing be delivered yet."""
    connect(monkeypatch, folder)


def deploy(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let there be a stack whose secret has changed, and where somebody else has one of the Secrets of one cluster."""
    owned = mapping("checkout-stripe", clusters=["prod-eu"], namespaces=["payments"], owner=OWNER, secret=STRIPE)
    deployed = DeployedStack(
        World(mapping(clusters=["prod-eu", "prod-us"], namespaces=["payments", "shop"]), owned), monkeypatch
    )
    deployed.world.sources.put(SOURCE, '{"username": "me", "password": "canary-2"}')
    deployed.failures["prod-us"] = Conflict("helm has password of Secret payments-db: stop it there")
    monkeypatch.setattr("boto3.Session", lambda **_: deployed)
    monkeypatch.setattr("keyferry.cli.steer.follow.Interrupt", lambda: create_interrupt(deployed))
    (folder / "samconfig.toml").write_text('[default.deploy.parameters]\nstack_name = "keyferry"\n')


def interrupt(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let Ctrl-C be pressed at the second request."""
    runtime = connect(monkeypatch, folder)
    pressed = Interrupt()

    def press(number: int, _call: str) -> None:
        if number == 2:
            pressed.is_pressed = True

    runtime.calls.before = press
    monkeypatch.setattr("keyferry.cli.commands.steer.push.Interrupt", lambda: pressed)
    monkeypatch.setattr("keyferry.cli.deliveries.CONCURRENCY", 1)


CASES = {
    "stack": Case("push --dry-run", prepare=deploy),
    "stack-report": Case("push --yes", 1, deploy),
    "interrupted": Case("push --yes", 130, interrupt),
    "table": Case("push --dry-run", 1, push_some),
    "report": Case("push --yes", prepare=prepare),
    "error": Case("push payment-db --yes", 1, prepare),
    "no-answer": Case("push", 2, prepare),
}
