"""What `keyferry init` shows."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from keyferry.cli import main
from tests.unit.shown import Case

_SAID = "init acme --account 111122223333 --region eu-west-1 --cluster prod-eu --team payments"


def write(_monkeypatch: pytest.MonkeyPatch, _folder: Path) -> None:
    """Let the repository be there, written by another release."""
    assert CliRunner().invoke(main, _SAID.split()).exit_code == 0
    workflow = Path("acme/.github/workflows/keyferry.yml")
    workflow.write_text(workflow.read_text().replace("ubuntu-24.04", "ubuntu-22.04", 1))


CASES = {
    "report": Case(_SAID),
    "again": Case(_SAID, prepare=write),
    "check": Case("init acme --check", 1, write),
    "error": Case("init --account 111122223333", 2),
    "bad-answer": Case("init --account 1111-2222-3333 --region eu-west-1 --cluster prod-eu", 2),
}
