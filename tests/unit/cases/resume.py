"""What `keyferry resume` shows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keyferry.pipeline.suspensions import Suspension
from tests.unit.cases.sweep import FOUND, RIGHT
from tests.unit.shown import Case
from tests.unit.test_cli_suspend import FakeSteered
from tests.unit.test_suspensions import suspension


def having(*suspended: Suspension, swept: dict[str, Any] = FOUND) -> Callable[[pytest.MonkeyPatch, Path], None]:
    """Let this be suspended."""

    def prepare(monkeypatch: pytest.MonkeyPatch, _folder: Path) -> None:
        FakeSteered(suspended=suspended, answer=json.dumps(swept)).deploy(monkeypatch, "resume")

    return prepare


MAPPING, CLUSTER = suspension("payments-db"), suspension(on="prod-us", reason="upgrade")
CASES = {
    "table": Case("resume --mapping payments-db --yes", 1, having(MAPPING, CLUSTER)),
    "report": Case("resume --mapping payments-db --yes", prepare=having(MAPPING, swept=RIGHT)),
    "no-answer": Case("resume", 2, having(MAPPING)),
    "nothing": Case("resume --yes", prepare=having()),
    "dry-run": Case("resume --dry-run", prepare=having(suspension(), CLUSTER)),
    "error": Case("resume --yes", 1, having(MAPPING, CLUSTER)),
}
