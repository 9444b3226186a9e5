"""What `keyferry plan` shows."""

from pathlib import Path

import pytest

from keyferry.cli.check import files
from keyferry.cli.generated import render_files
from tests.unit.clusters import World
from tests.unit.planning import EU, FakeStack, write_folder
from tests.unit.samples import mapping
from tests.unit.shown import Case, freeze

BEFORE = mapping(clusters=["prod-eu"], namespaces=["payments", "shop"])


def connect(monkeypatch: pytest.MonkeyPatch, folder: Path, *mappings: object) -> None:
    """Let there be a stack with a mapping, and these in the folder; `generated` is up to date."""
    world = World(BEFORE)
    stack = FakeStack(world)
    stack.release = "1.2.3"
    write_folder(folder / "mappings", *mappings, clusters=[EU])  # type: ignore[arg-type]
    world.catalog = world.catalog.model_copy(update={"clusters": {"prod-eu": EU}})
    for name, text in render_files(files.load(folder / "mappings")).items():
        path = folder / "generated" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr("keyferry.cli.commands.look.plan.open_stack", lambda *_: stack)
    monkeypatch.setattr("keyferry.cli.deployment.__version__", "1.2.3")
    freeze(monkeypatch, "keyferry.cli.commands.look.plan")


def change(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Change a mapping in its keys and namespaces, and add one."""
    data = {"password": {"from": "db", "path": "password"}, "url": {"template": "{{ db.username }}"}}
    changed = mapping(data=data, clusters=["prod-eu"], namespaces=["payments"])
    added = mapping("shop-session", name="session", clusters=["prod-eu"], namespaces=["shop"], restart="none")
    connect(monkeypatch, folder, changed, added)


def change_nothing(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Leave the folder as it is deployed."""
    connect(monkeypatch, folder, BEFORE)


CASES = {
    "table": Case("plan --detailed-exitcode", 2, change),
    "markdown": Case("plan --output markdown", prepare=change),
    "report": Case("plan", prepare=change_nothing),
    "error": Case("plan -o missing/plan.json", 1, change_nothing),
}
