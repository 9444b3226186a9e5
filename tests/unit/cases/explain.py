"""What `keyferry explain` shows."""

import shutil
from pathlib import Path

import pytest

from tests.unit.shown import Case

EVENTS = Path(__file__).resolve().parents[3] / "events"


def copy_event(_monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Give the folder a sample of an event."""
    shutil.copy(EVENTS / "secret-label-updated.json", folder / "event.json")


def break_event(_monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the file be no JSON."""
    (folder / "event.json").write_text('{\n  "id": canary\n}')


CASES = {"report": Case("explain event.json", prepare=copy_event), "error": Case("explain event.json", 1, break_event)}
