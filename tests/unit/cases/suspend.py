"""What `keyferry suspend` shows."""

from collections.abc import Callable
from pathlib import Path

import pytest

from keyferry.pipeline.suspensions import Suspension
from tests.unit.shown import Case
from tests.unit.test_cli_suspend import FakeSteered
from tests.unit.test_suspensions import suspension


def having(*suspended: Suspension) -> Callable[[pytest.MonkeyPatch, Path], None]:
    """Let this be suspended already."""

    def prepare(monkeypatch: pytest.MonkeyPatch, _folder: Path) -> None:
        FakeSteered(suspended=suspended).deploy(monkeypatch, "suspend")

    return prepare


CASES = {
    "table": Case("suspend --reason moving --dry-run", prepare=having()),
    "report": Case("suspend --mapping payments-db --reason moving --until 4h --yes", prepare=having()),
    "again": Case(
        "suspend --cluster prod-eu --reason OPS-1234 --yes --stack keyferry", prepare=having(suspension(on="prod-eu"))
    ),
    "error": Case("suspend --mapping payment-db --reason moving --yes", 1, having()),
    "no-zone": Case("suspend --reason moving --until 2026-11-30T18:00", 2, having()),
    "over": Case("suspend --reason moving --until 2026-11-24T14:00Z", 2, having()),
    "no-answer": Case("suspend --reason moving", 2, having()),
}
