"""What `keyferry build` is run with in the unit tests: a small release, and wheels that are kept already."""

from pathlib import Path

import pytest

from keyferry.cli.build.application import Application
from keyferry.cli.build.wheels import PLATFORMS, name_wheels
from tests.unit.stack import ROOT

HASH = f"--hash=sha256:{'0' * 64}"


def make_application(folder: Path) -> Application:
    """Return an application that has the real template and functions, and a package of three modules."""
    for name in ("runtime", "cli", "testing", "__pycache__"):
        _write(folder / f"package/{name}/__init__.py", f'"""Stands for {name}."""\n')
    _write(folder / "package/__init__.py", "def fail():\n    raise ValueError\n")
    _write(folder / "requirements/layer.txt", f"wheel==1 {HASH}\n")
    for name in ("template.yaml", "functions", "LICENSE"):
        (folder / name).symlink_to(ROOT / name)
    return Application(folder, folder / "package")


def use_application(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Application:
    """Let `keyferry build` take such an application, whose wheels are kept for both processors."""
    application = make_application(folder / "application")
    for architecture in PLATFORMS:
        wheels = folder / "cache/layers" / name_wheels(application.requirements, architecture)
        _write(wheels / "wheel.py", f'ARCHITECTURE = "{architecture}"\n')
    monkeypatch.setenv("KEYFERRY_CACHE", str(folder / "cache"))
    monkeypatch.setattr("keyferry.cli.commands.prepare.build.find_application", lambda: application)
    return application


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
