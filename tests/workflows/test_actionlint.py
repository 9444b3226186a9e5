"""actionlint finds nothing wrong with the workflows that `keyferry init` writes."""

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from keyferry.cli import main
from keyferry_local import toolchain

MODULE, PACKAGE = Path(__file__).parent, "github.com/rhysd/actionlint/cmd/actionlint"
SAID = ["--account", "111122223333", "--region", "eu-west-1", "--cluster", "prod-eu"]


@pytest.fixture(scope="module")
def actionlint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built from a pinned module; Go keeps what it has compiled."""
    program = tmp_path_factory.mktemp("actionlint") / "actionlint"
    toolchain.build(toolchain.find(print), PACKAGE, module=MODULE, flags="-s -w", output=program, waiting=print)
    return program


def lint(program: Path, *files: Path) -> str:
    """Return what is wrong with some workflows; of what is on the machine beside Go, nothing is asked."""
    command: list[str | Path] = [program, "-no-color", "-shellcheck=", "-pyflakes=", *files]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("environment", ["default", "prod"])
def test_nothing_is_wrong_with_a_workflow(actionlint: Path, tmp_path: Path, environment: str) -> None:
    result = CliRunner().invoke(main, ["--config-env", environment, "init", str(tmp_path / "acme"), *SAID])
    assert result.exit_code == 0, result.output
    [workflow] = (tmp_path / "acme/.github/workflows").iterdir()
    assert lint(actionlint, workflow) == ""
    workflow.write_text(workflow.read_text().replace("needs: check", "needs: chekc"))
    assert "chekc" in lint(actionlint, workflow), "it looks"
