"""Work in a process of its own: the function outlives it, and sees how it ended."""

import json
import os
import signal
import time
from types import SimpleNamespace

import pytest

from keyferry.delivery.report import Outcome, Report
from keyferry.errors import Conflict, FunctionDied, OutOfTime, Unauthorized, Unexpected, UnknownName
from keyferry.model import Delivery
from keyferry.runtime.apart import run_apart
from tests.unit.incident import CONTEXT, build_event, load_app
from tests.unit.samples import delivery

SECONDS = 20


def test_a_report_comes_back_as_it_is_with_its_errors() -> None:
    errors = [Unauthorized("prod-eu", "role"), OutOfTime(), Conflict("stop helm"), Unexpected(ValueError("canary"))]
    outcomes = tuple(Outcome(f"n{number}", "failed", error=error) for number, error in enumerate(errors))
    parent = os.getpid()
    report = run_apart(lambda: Report(delivery(), outcomes, seconds=float(os.getpid() != parent)), SECONDS)
    assert report.seconds == 1, "it was made by another process"
    assert report.delivery == delivery()
    assert [(type(error), str(error)) for error in report.errors] == [(type(error), str(error)) for error in errors]


def test_an_error_of_the_work_is_raised_here() -> None:
    def fail() -> None:
        raise UnknownName("mapping x is not here")

    with pytest.raises(UnknownName, match="mapping x is not here"):
        run_apart(fail, SECONDS)


def test_an_error_that_nobody_foresaw_is_told_without_its_text() -> None:
    with pytest.raises(Unexpected) as raised:
        run_apart(lambda: int("canary"), SECONDS)
    assert "canary" not in str(raised.value)
    assert "ValueError at test_apart.py" in str(raised.value)


def test_work_that_is_killed_as_linux_kills_for_memory_is_a_death() -> None:
    with pytest.raises(FunctionDied, match="out of memory, most likely"):
        run_apart(lambda: os.kill(os.getpid(), signal.SIGKILL), SECONDS)


def test_work_that_ends_the_process_is_a_death() -> None:
    with pytest.raises(FunctionDied, match="exit code 3"):
        run_apart(lambda: os._exit(3), SECONDS)


def test_work_that_does_not_end_is_stopped() -> None:
    def hang() -> None:
        (pipe, _) = os.pipe()
        os.read(pipe, 1)

    began = time.monotonic()
    with pytest.raises(FunctionDied, match="still at work after 0 s"):
        run_apart(hang, 0.2)
    assert time.monotonic() - began < SECONDS
    with pytest.raises(ChildProcessError):  # nothing is left behind
        os.waitpid(-1, os.WNOHANG)


def test_work_that_does_not_end_is_stopped_at_once_and_leaves_the_time_to_settle_the_message() -> None:
    began = time.monotonic()
    with pytest.raises(FunctionDied):
        run_apart(lambda: time.sleep(SECONDS), 0.2)
    assert time.monotonic() - began < 0.7


def test_a_large_report_comes_back_whole() -> None:
    report = run_apart(lambda: Report(delivery(), tuple(Outcome(f"n{n}", "updated") for n in range(20_000))), SECONDS)
    assert len(report.outcomes) == 20_000


@pytest.mark.parametrize(
    ("attempt", "deaths", "place"), [(1, 0, "in the function"), (2, 0, "apart"), (9, 2, "apart"), (1, 1, "apart")]
)
def test_deliver_says_that_it_begins_and_then_works_apart_but_on_a_first_attempt(
    attempt: int, deaths: int, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = load_app("deliver", monkeypatch, POWERTOOLS_SERVICE_NAME=f"apart-{attempt}-{deaths}")
    places, lines = list[str](), list[str]()

    def work(name: str, asked: Delivery) -> Report:
        places.append(name)
        lines.extend(capsys.readouterr().out.splitlines())
        return Report(asked)

    runtime = SimpleNamespace(
        deliver=lambda asked, *_, **__: work("in the function", asked),
        deliver_apart=lambda asked, *_: work("apart", asked),
        choose_dimension=None,
    )
    monkeypatch.setattr(app, "get_runtime", lambda: runtime)
    app.handler(build_event(delivery(deaths=deaths).to_json(), attempt), CONTEXT)
    assert places == [place]
    [begun] = map(json.loads, lines)
    assert [begun[key] for key in ("message", "mapping", "cluster", "attempt", "deaths")] == [
        *("begun", "payments-db", "prod-eu", attempt, deaths)
    ]
