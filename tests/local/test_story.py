"""The demo's story can be read and pasted from, and counts what happens rather than what does not."""

import inspect
import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from keyferry.testing import FakeClock
from keyferry_local import demo, timeline, world
from keyferry_local.cloud import make_room
from keyferry_local.story import SECONDS_WIDTH, WIDTH, Story


def told(width: int = 40) -> tuple[Story, io.StringIO]:
    text = io.StringIO()
    return Story(Console(file=text, width=width)), text


def test_a_command_stays_on_one_line_as_it_is() -> None:
    story, text = told()
    command = "aws secretsmanager put-secret-value --secret-string '{\"list\": [bold]}'; echo"
    story.say(command)
    assert text.getvalue().splitlines() == [command]


def test_a_step_is_one_line_once_it_is_done_without_the_wait_to_see_that_nothing_happens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = FakeClock()
    monkeypatch.setattr("keyferry_local.story.time", SimpleNamespace(monotonic=clock))
    story, text = told()
    with story.step("with a wait") as say:
        say("something soon")
        clock.jump(4.5)
        story.idle(1.5)
    with story.step("without one"):
        clock.jump(1234.5)
    assert [line.split() for line in text.getvalue().splitlines()] == [
        ["✓", "with", "a", "wait", "3.0", "s"],
        ["✓", "without", "one", "1234.5", "s"],
    ]
    assert {len(line) for line in text.getvalue().splitlines()} == {WIDTH}


def test_who_waits_for_a_long_step_without_a_terminal_is_told_what_is_being_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = FakeClock()
    monkeypatch.setattr("keyferry_local.story.time", SimpleNamespace(monotonic=clock))
    story, text = told()
    with story.step("building") as say:
        for number in range(40):
            say(f"still building, {number} s so far")
            clock.jump(1)
    first, second, done = text.getvalue().splitlines()
    assert (first, second) == ("  still building, 15 s so far", "  still building, 30 s so far")
    assert done.startswith("✓ building")


def test_what_is_being_done_is_told_in_one_line_and_never_breaks_off_in_a_word() -> None:
    text = io.StringIO()
    story = Story(Console(file=text, width=WIDTH, force_terminal=True))
    with story.step("A local cloud: AWS, and the clusters prod-eu and prod-us") as say:
        say("Building Kubernetes v1.36.2 from source, once, into /home/somebody/.cache/keyferry/kubernetes")
    assert "Building Kubernetes v1.36.2 from source, once, into …" in text.getvalue()


def test_a_step_that_fails_has_no_line_of_its_own() -> None:
    story, text = told()
    with pytest.raises(ValueError, match="no"), story.step("failing"):
        raise ValueError("no")
    assert text.getvalue() == ""


def test_the_way_of_a_change_fits_a_terminal_of_80_columns() -> None:
    story, text = told(width=200)
    story.show_hops([timeline.Hop("prod-eu", "rollout begun: pod template stamped", 12.345, 1.234)])
    assert max(map(len, text.getvalue().splitlines())) <= WIDTH


def test_the_titles_of_the_demo_leave_room_for_their_seconds() -> None:
    titles = re.findall(r'step\(f?"([^"]+)"\)', inspect.getsource(demo))
    known = {"world.DATABASE": world.DATABASE, "BOTH": demo.BOTH, "len(world.SECRETS)": "7"}
    filled = [re.sub(r"\{([^}]+)\}", lambda match: known[match[1]], title) for title in titles]
    assert len(filled) == 8
    assert max(map(len, filled)) <= WIDTH - 2 - SECONDS_WIDTH


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
