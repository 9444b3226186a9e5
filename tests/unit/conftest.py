"""Unit tests open no connection, draw the same examples every time, and hold every JSON to its schema."""

import json
import socket
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NoReturn

import click
import pytest
from coverage import Coverage
from hypothesis import settings

from keyferry.cli import generated
from keyferry.cli.output import console
from tests.unit.answers import check_answer

settings.register_profile("keyferry", deadline=None, derandomize=True)
settings.load_profile("keyferry")
EXHAUSTIVE = frozenset(
    f"test_{name}.py"
    for name in (
        *("arn", "cli_entries", "cli_init", "cli_push", "cli_schema", "contract", "docs", "exactness", "fuzz"),
        *("golden", "mistakes", "openssl", "protocol", "reliability", "schedules", "steps", "tampering"),
        *("template", "templates", "time_limits", "workflow"),
    )
)
"""What runs the same lines again and again. Other tests run each of them too, so coverage, which makes Python two to
three times slower, does not watch here. Tests of other files for which the same is true have the mark `unwatched`
themselves."""
_STOPPED = pytest.StashKey[Coverage]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    there = {item.path.name for item in items}
    gone = sorted(name for name in EXHAUSTIVE - there if not list(Path(__file__).parent.rglob(name)))
    if gone:
        raise pytest.UsageError(f"EXHAUSTIVE in {__file__} names what is no file: {', '.join(gone)}")


def _is_watched(item: pytest.Item | None) -> bool:
    return not item or not (item.path.name in EXHAUSTIVE or item.get_closest_marker("unwatched"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """Let coverage stand still for tests that it does not watch, and for all that is done for them.

    The mark `no_cover` of pytest-cov would let it watch their fixtures, and pytest itself, which takes as long as many
    a test.
    """
    stash, coverage = item.session.stash, Coverage.current()
    if coverage and not _is_watched(item):
        coverage.stop()
        stash[_STOPPED] = coverage
    result = yield
    if _STOPPED in stash and _is_watched(nextitem):
        stash[_STOPPED].start()
        del stash[_STOPPED]
    return result


@pytest.fixture(scope="session", autouse=True)
def _equal_documents_become_yaml_once() -> Iterator[None]:
    """Let all tests share the YAML of what is generated: commands generate the same documents hundreds of times."""
    write, written = generated._to_yaml, dict[str, str]()

    def write_once(document: object) -> str:
        key = repr(document)
        if key not in written:
            written[key] = write(document)
        return written[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generated, "_to_yaml", write_once)
        yield


@pytest.fixture(scope="module", autouse=True)
def _surroundings() -> Iterator[None]:
    """Let every test have the same ones. For each module they are made once: there are ten thousand tests."""
    with pytest.MonkeyPatch.context() as patch:
        _refuse_connections(patch)
        _check_answers(patch)
        for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LC_ALL"):  # they decide what commands write
            patch.delenv(name, raising=False)
        patch.delenv("AWS_CA_BUNDLE", raising=False)  # every session would read the user's
        yield


def _refuse_connections(patch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a unit test opens no connection")

    patch.setattr(socket.socket, "connect", refuse)
    patch.setattr(socket.socket, "connect_ex", refuse)


def _check_answers(patch: pytest.MonkeyPatch) -> None:
    """Check whatever a command answers as JSON, whichever test asks."""
    print_json = console.print_json

    def check_and_print(value: object) -> None:
        context = click.get_current_context(silent=True)
        if context:
            check_answer(str(context.find_root().invoked_subcommand), json.loads(json.dumps(value)))
        print_json(value)

    patch.setattr(console, "print_json", check_and_print)
