"""What `keyferry restart` shows."""

from pathlib import Path

import pytest

from tests.unit.clusters import World
from tests.unit.shown import Case
from tests.unit.test_cli_restart import deploy


def prepare(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let everything be delivered to two clusters."""
    deploy(World(), monkeypatch, folder)


def prepare_without_terminal(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let nobody be there to answer."""
    with monkeypatch.context() as undone:
        deploy(World(), undone, folder)


CASES = {
    "table": Case("restart payments-db --dry-run", prepare=prepare),
    "report": Case("restart payments-db --yes", prepare=prepare),
    "error": Case("restart payment-db --yes", 1, prepare),
    "no-answer": Case("restart payments-db", 2, prepare_without_terminal),
}
