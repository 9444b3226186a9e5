"""Each command shows on a terminal what its files in tests/unit/golden have."""

import importlib
import os
from pathlib import Path

import pytest

from keyferry.cli import VERBS
from tests.unit.shown import Case

GOLDEN = Path(__file__).with_name("golden")
KINDS = {"table", "report", "error"}
WITHOUT_TABLE = {"compile", "completion", "explain", "generate", "init", "schema"}
"""Commands that show no table."""


def cases(verb: str) -> dict[str, Case]:
    """Return the cases of a command."""
    found: dict[str, Case] = importlib.import_module(f"tests.unit.cases.{verb.replace('-', '_')}").CASES
    return found


ALL = [(verb, name) for verb in VERBS for name in cases(verb)]


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_has_a_table_a_report_and_an_error(verb: str) -> None:
    assert cases(verb).keys() >= KINDS - ({"table"} if verb in WITHOUT_TABLE else set())


@pytest.mark.parametrize(("verb", "name"), ALL)
def test_a_terminal_shows_what_the_file_has(
    verb: str, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = GOLDEN / verb / f"{name}.txt"
    shown = cases(verb)[name].render(monkeypatch, tmp_path)
    if os.environ.get("RENEW_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(shown)
    assert path.is_file(), "write it: make golden"
    assert shown == path.read_text(), "if that is meant, write it anew: make golden"


def test_there_is_no_file_of_a_case_that_is_gone() -> None:
    assert {(path.parent.name, path.stem) for path in GOLDEN.glob("*/*.txt")} <= set(ALL)
