"""Unit tests open no connection, draw the same examples every time, and hold every JSON to its schema."""

import json
import socket
from pathlib import Path
from typing import NoReturn

import click
import pytest
from hypothesis import settings

from keyferry.cli.output import console
from tests.unit.answers import check_answer

settings.register_profile("keyferry", deadline=None, derandomize=True)
settings.load_profile("keyferry")
EXHAUSTIVE = frozenset(
    f"test_{name}.py"
    for name in (
        *("arn", "cli_entries", "cli_schema", "docs", "exactness", "fuzz", "golden", "mistakes", "openssl"),
        *("protocol", "schedules", "tampering", "template", "templates", "workflow"),
    )
)
"""What runs the same lines again and again. Other tests run each of them too, so coverage, which makes Python a third
slower, does not watch here. Tests of other files for which the same is true have the mark `no_cover` themselves."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    gone = sorted(name for name in EXHAUSTIVE if not Path(__file__).with_name(name).is_file())
    if gone:
        raise pytest.UsageError(f"EXHAUSTIVE in {__file__} names what is no file: {', '.join(gone)}")
    for item in items:
        if item.path.name in EXHAUSTIVE:
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture(autouse=True)
def _no_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a unit test opens no connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)  # every session would read the user's


@pytest.fixture(autouse=True)
def _answers_follow_their_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check whatever a command answers as JSON, whichever test asks."""
    print_json = console.print_json

    def check_and_print(value: object) -> None:
        context = click.get_current_context(silent=True)
        if context:
            check_answer(str(context.find_root().invoked_subcommand), json.loads(json.dumps(value)))
        print_json(value)

    monkeypatch.setattr(console, "print_json", check_and_print)


@pytest.fixture(autouse=True)
def _plain_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no setting of the terminal that the tests run in decide what commands write."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LC_ALL"):
        monkeypatch.delenv(name, raising=False)
