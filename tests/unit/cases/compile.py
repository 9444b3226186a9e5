"""What `keyferry compile` shows."""

from pathlib import Path

import pytest

from tests.unit.shown import Case


def break_file(_monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the folder that is written to be a file."""
    (folder / "out").write_text("")


CASES = {"report": Case("compile out"), "error": Case("compile out", 1, break_file)}
