"""What `keyferry build` shows."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from keyferry.cli import main
from tests.unit.built import use_application
from tests.unit.shown import Case


def generate(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let all be generated, and the layers have sizes that no change of the code changes."""
    use_application(monkeypatch, folder)
    sizes = {"code": (42_547_735, 1597), "mappings": (1234, 1)}
    monkeypatch.setattr("keyferry.cli.commands.prepare.build.measure", lambda layer: sizes[layer.name])
    monkeypatch.setattr("keyferry.cli.commands.prepare.build.__version__", "1.2.3")
    CliRunner().invoke(main, ["generate"])


def break_samconfig(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let samconfig.toml name a processor that there is not."""
    generate(monkeypatch, folder)
    text = '[default.deploy.parameters]\nparameter_overrides = "Architecture=x86-64"\n'
    (folder / "samconfig.toml").write_text(text)


CASES = {
    "table": Case("build", prepare=generate),
    "report": Case("build --output json", prepare=generate),
    "error": Case("build", 1, break_samconfig),
    "stale": Case("build", 1),
}
