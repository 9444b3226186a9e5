"""The demo's story can be read and pasted from, and counts what happens rather than what does not."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from keyferry.testing import FakeClock
from keyferry_local import timeline
from keyferry_local.__main__ import make_room
from keyferry_local.story import Story


def told(width: int = 40) -> tuple[Story, io.StringIO]:
    text = io.StringIO()
    return Story(Console(file=text, width=width)), text


def test_a_command_stays_on_one_line_as_it_is() -> None:
    story, text = told()
    command = "aws secretsmanager put-secret-value --secret-string '{\"list\": [bold]}'; echo"
    story.say(command)
    with story.step("step") as say:
        say(command)
    assert text.getvalue().splitlines() == [command, "▸ step", f"  {command}"]


def test_waiting_to_see_that_nothing_happens_is_no_part_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr("keyferry_local.story.time", SimpleNamespace(monotonic=clock))
    story, _ = told()
    with story.step("with a wait") as say:
        clock.jump(4.5)
        story.idle(1.5)
        say("done")
    with story.step("without one") as say:
        clock.jump(4.5)
        say("done, too")
    assert story.summary == [("with a wait", "done", 3.0), ("without one", "done, too", 4.5)]


def test_no_hop_takes_less_than_no_time() -> None:
    begin = datetime(2026, 11, 25, tzinfo=UTC)
    assert timeline.seconds(begin, begin - timedelta(milliseconds=3)) == 0
    assert timeline.seconds(begin, begin + timedelta(milliseconds=3)) == 0.003


def test_the_files_of_the_last_run_are_kept_for_who_looks_why_it_failed(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    for run in ("first", "second"):
        last = make_room(directory)
        (directory / "log").write_text(run)
    make_room(directory)
    assert list(directory.iterdir()) == []
    assert (last / "log").read_text() == "second"
