"""The threat model and SECURITY.md name a test for each control: one that is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
THREATS = (ROOT / "docs/understand/threat-model.md").read_text()
ATTACKERS = [
    "The author of a mapping",
    "The person who pushes",
    "The user of a namespace",
    "A stolen role",
    "A member account",
]
TEST = r"`tests(/\w+)+/\w+\.py::test_\w+`"
"""A test by its name, as pytest takes it."""


def rows(text: str) -> list[list[str]]:
    """Return the cells of each row of the tables of controls, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if len(row) == 3 and row[0] != "Tries"]


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_each_attacker_has_controls_each_with_a_test_and_a_word_on_what_is_left(attacker: str) -> None:
    section = THREATS.partition(f"\n## {attacker}\n")[2].partition("\n## ")[0]
    controls = rows(section)
    assert len(controls) >= 4
    assert all(re.fullmatch(rf"{TEST}(, {TEST})*", tests) for _, _, tests in controls)
    assert "**Left:**" in section


def is_there(name: str) -> bool:
    """Return whether there is a file, or a test in it, of a name as `tests/unit/test_x.py::test_y`."""
    path, _, function = name.partition("::")
    if not (ROOT / path).is_file():
        return False
    tree = ast.parse((ROOT / path).read_text())
    return not function or function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("document", ["docs/understand/threat-model.md", "SECURITY.md"])
def test_each_test_that_is_named_is_there(document: str) -> None:
    named = re.findall(r"`(tests/[^`]+)`", (ROOT / document).read_text())
    assert named
    assert [name for name in named if not is_there(name)] == []


def test_a_test_that_was_renamed_is_missed() -> None:
    here = "tests/unit/test_threat_model.py"
    assert is_there(here)
    assert is_there(f"{here}::test_a_test_that_was_renamed_is_missed")
    assert not is_there(f"{here}::test_that_was_here_once")
    assert not is_there("tests/unit/test_gone.py::test_that_was_here_once")
