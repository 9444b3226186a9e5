"""What a command shows on a terminal, as the files in tests/unit/golden have it.

Each command has a module in tests/unit/cases with its CASES: at least one table, one report of what was done or is the
case, and one error. Each is run by the real command line, on terminals of two widths, with and without colours and
Unicode. `make golden` writes the files anew; look at what git says is different.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Self

import pytest

from keyferry.cli import main
from keyferry.cli.output import console
from keyferry.cli.trace.pages import LogLines
from keyferry.pipeline.suspensions import Suspension, Suspensions
from tests.unit.terminal import on_terminal
from tests.unit.test_files import CLUSTERS, MAPPING

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
"""What time it is in the cases whose commands are frozen."""
SCREENS: dict[str, dict[str, str]] = {
    "colour": {},
    "plain": {"NO_COLOR": "1"},
    "ascii": {"TERM": "dumb", "LC_ALL": "C"},
}
"""Name of a terminal → what is set there."""
WIDTHS = 80, 160


def _change_nothing(_monkeypatch: pytest.MonkeyPatch, _folder: Path) -> None:
    """Leave all as it is."""


@dataclass(frozen=True)
class Case:
    """A command line, in a folder that has `mappings/` with a mapping and a cluster."""

    command: str
    """What follows `keyferry`, its words divided by blanks."""
    code: int = 0
    """The exit code."""
    prepare: Callable[[pytest.MonkeyPatch, Path], None] = _change_nothing
    """Puts fakes where the command would reach AWS or a cluster, and changes files of the folder."""

    def render(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
        """Return what the file of the case has: what each terminal shows; equal ones once."""
        shown: dict[str, list[str]] = {}
        for columns in WIDTHS:
            for name, environment in SCREENS.items():
                place = folder / f"{columns}-{name}"
                text = self._run(monkeypatch, place, columns, environment)
                shown.setdefault(text, []).append(f"{columns} {name}")
        parts = [f"=== {', '.join(names)}\n{text}" for text, names in shown.items()]
        return "\n".join([f"$ keyferry {self.command}\nexits with {self.code}\n", *parts])

    def _run(self, monkeypatch: pytest.MonkeyPatch, place: Path, columns: int, environment: Mapping[str, str]) -> str:
        (place / "mappings").mkdir(parents=True)
        (place / "mappings/clusters.yaml").write_text(CLUSTERS)
        (place / "mappings/payments.yaml").write_text(MAPPING)
        with monkeypatch.context() as patch:
            patch.chdir(place)
            for name, value in {
                "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
                "AWS_SECRET_ACCESS_KEY": "canary-key",
                "AWS_REGION": "eu-west-1",
            }.items():
                patch.setenv(name, value)
            patch.setattr(console, "PATIENCE_SECONDS", 600.0)  # else a slow machine shows progress, too
            self.prepare(patch, place)
            with on_terminal(patch, columns, **environment) as terminal, pytest.raises(SystemExit) as end:
                main(self.command.split(), prog_name="keyferry")
        assert end.value.code == self.code, terminal.text
        assert "canary" not in terminal.text
        return terminal.text.replace("\x1b", "\\e")


class FrozenTime(datetime):
    """A datetime whose `now` is always NOW."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls.fromtimestamp(NOW.timestamp(), tz)


def freeze(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Let it be NOW in a module that imports `datetime`."""
    monkeypatch.setattr(f"{module}.datetime", FrozenTime)


class FakeStack:
    """A deployed stack whose `report` answers with these rows, whose logs have these lines, with what is suspended."""

    name = "keyferry"

    def __init__(
        self,
        rows: Iterable[dict[str, Any]],
        lines: Iterable[dict[str, Any]] = (),
        suspended: Iterable[Suspension] = (),
    ) -> None:
        self.rows, self.lines = list(rows), list(lines)
        self.suspensions = Suspensions(tuple(suspended))

    def connect_suspensions(self) -> "FakeStack":
        return self

    def read(self) -> Suspensions:
        return self.suspensions

    def ask(self, _question: str, **_fields: object) -> Iterator[dict[str, Any]]:
        told = [one.model_dump(mode="json") for one in self.suspensions.entries]
        yield {"rows": self.rows, **({"suspended": told} if told else {})}

    def list_attempts(self, _since: datetime, **_more: object) -> list[LogLines]:
        return [LogLines(self.lines)]


def deploy(monkeypatch: pytest.MonkeyPatch, verb: str, stack: FakeStack) -> None:
    """Let a command find this stack, at the time NOW."""
    module = main.name_module(verb)
    monkeypatch.setattr(f"{module}.open_stack", lambda *_: stack)
    freeze(monkeypatch, module)
