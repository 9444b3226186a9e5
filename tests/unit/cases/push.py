"""What `keyferry push` shows."""

from pathlib import Path

import pytest

from keyferry.errors import WrongCluster
from keyferry.model import Delivery
from tests.unit.shown import Case
from tests.unit.test_cli_push import US, FakeRuntime
from tests.unit.test_files import CLUSTERS, MAPPING


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


CASES = {
    "table": Case("push --dry-run", 1, push_some),
    "report": Case("push --yes", prepare=prepare),
    "error": Case("push payment-db --yes", 1, prepare),
    "no-answer": Case("push", 2, prepare),
}
