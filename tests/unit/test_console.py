"""What a terminal, a pipe and a file get: width, colours, Unicode, progress."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from keyferry.cli.output import console
from keyferry.cli.output.wrapping import wrap
from keyferry_local.watch import until
from tests.unit.terminal import on_terminal

ROWS = [("payments", "update"), ("[shop]", "fail")]
KEYFERRY = str(Path(sys.executable).with_name("keyferry"))
EXAMPLES = Path(__file__).resolve().parents[2] / "examples/mappings"


def test_a_table_is_plain_columns_where_it_is_piped(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_table(("namespace", "will"), ROWS)
    assert capsys.readouterr().out == "namespace  will\npayments   update\n[shop]     fail\n"


def test_a_row_is_one_line_where_it_is_piped_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_table(("namespace", "why"), [("shop", "word " * 100)])
    console.print_line("word " * 100)
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_table_has_colours_on_a_terminal_and_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    with on_terminal(monkeypatch) as terminal:
        console.print_table(("namespace", "will"), ROWS)
    assert "\x1b[31mfail\x1b[0m" in terminal.text
    assert "[shop]" in terminal.text
    assert not any(line in terminal.text for line in "│─━┃")


def test_what_does_not_fit_goes_below_its_row_and_no_name_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"word{number}" for number in range(40)]
    row = "n" * 63, "update", "prod-europe", " ".join(words)
    with on_terminal(monkeypatch, NO_COLOR="1") as terminal:
        console.print_table(("namespace", "will", "cluster", "why"), [row, ("shop", "fail", "", "")])
    first, second, third, *more = terminal.text.splitlines()
    assert first.split() == ["namespace", "will"]
    assert second == f"{'n' * 63}  update"
    assert third == "  cluster: prod-europe"
    assert more[0].startswith("  why: word0 ")
    assert " ".join(more).split() == ["why:", *words, "shop", "fail"]
    assert all(len(line) <= 80 for line in terminal.text.splitlines())


@pytest.mark.parametrize("columns", [20, 40, 79])
def test_a_name_that_is_wider_than_the_terminal_is_left_whole(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    name = "n" * 100
    with on_terminal(monkeypatch, columns) as terminal:
        console.print_table(("namespace", "will", "secret"), [(name, "update", name)])
        console.print_line(f"a word and {name}")
    assert terminal.text.count(name) == 3


def test_a_question_is_wrapped_at_blanks_and_leaves_room_for_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with on_terminal(monkeypatch) as terminal:
        assert console.ask(" ".join(["Suspend everything"] * 8) + "?")
    lines = terminal.text.splitlines()
    assert len(lines) == 3
    assert all(len(line) <= 77 for line in lines)


def test_a_command_to_paste_is_never_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    with on_terminal(monkeypatch) as terminal:
        console.print_command("word " * 40)
        console.print_verbatim("word " * 40)
    assert len(terminal.text.splitlines()) == 2


def test_what_is_wrapped_keeps_the_blanks_that_it_begins_with() -> None:
    assert wrap("  one two three", 9) == ["  one two", "  three"]
    assert wrap("", 9) == [""]


def test_a_column_that_is_empty_in_every_row_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_table(("namespace", "keys", "will"), [(namespace, "", will) for namespace, will in ROWS])
    assert capsys.readouterr().out == "namespace  will\npayments   update\n[shop]     fail\n"


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}])
def test_no_escapes_are_written_where_nobody_wants_them(
    monkeypatch: pytest.MonkeyPatch, setting: dict[str, str]
) -> None:
    monkeypatch.setattr(console, "PATIENCE_SECONDS", 0.01)
    with on_terminal(monkeypatch, 80, **setting) as terminal:
        console.print_table(("namespace", "will"), ROWS)
        with console.show_progress("planning", 2):
            until("a word", lambda: "planning …" in terminal.text)
    assert "fail" in terminal.text
    assert "\x1b" not in terminal.text


def test_an_empty_no_color_means_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with on_terminal(monkeypatch, NO_COLOR="") as terminal:
        console.print_table(("namespace", "will"), ROWS)
    assert "\x1b[31m" in terminal.text


def test_colours_can_be_asked_for_in_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    console.print_table(("namespace", "will"), ROWS)
    assert "\x1b[31mfail" in capsys.readouterr().out


TEXT = "version 1 → 2 … ü"


@pytest.mark.parametrize("setting", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX"}])
def test_only_ascii_is_written_where_the_locale_is_c(monkeypatch: pytest.MonkeyPatch, setting: dict[str, str]) -> None:
    with on_terminal(monkeypatch, 80, **setting) as terminal:
        console.print_line(TEXT)
        console.print_table((TEXT,), [(TEXT,)])
        console.print_json({"name": TEXT})
    assert terminal.text.isascii()
    assert terminal.text.startswith("version 1 -> 2 ... \\xfc\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_no_encoding_of_a_file_is_an_error(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", file)
    console.print_line(TEXT)
    console.print_json({"name": TEXT})
    file.seek(0)
    line, _, document = file.read().partition("\n")
    assert line == "version 1 -> 2 ... \\xfc"
    assert json.loads(document) == {"name": TEXT}


def test_the_columns_that_are_asked_for_count(monkeypatch: pytest.MonkeyPatch) -> None:
    with on_terminal(monkeypatch, 160, COLUMNS="40") as terminal:
        console.print_line("word " * 20)
    assert max(len(line) for line in terminal.text.splitlines()) == 39


def test_what_a_terminal_could_take_for_a_command_is_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_line("name \x1b[2J\x07 ü\nnext")
    assert capsys.readouterr().out == "name \\x1b[2J\\x07 ü\nnext\n"


def test_what_is_quick_shows_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with console.show_progress("planning", 1) as step:
        step()
    assert capsys.readouterr() == ("", "")


def test_what_takes_long_says_so_on_stderr(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(sys, "stderr", stderr := io.StringIO())
    with console.show_progress("planning", 2) as step:
        step()
        until("a word", stderr.getvalue)
    assert (capsys.readouterr().out, stderr.getvalue()) == ("", "planning …\n")


def test_what_takes_long_shows_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "PATIENCE_SECONDS", 0.01)
    with on_terminal(monkeypatch) as terminal, console.show_progress("planning", 2) as step:
        step()
        until("a bar", lambda: "1/2" in terminal.text)
    assert "planning" in terminal.text


def test_json_is_written_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    value: dict[str, Any] = {"name": "ü", "list": []}
    console.print_json(value)
    assert json.loads(capsys.readouterr().out) == value


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_pipe_that_is_closed_ends_it_quietly(form: str) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [KEYFERRY, "--mappings", str(EXAMPLES), "status", "--offline", "--output", form]
    # Python writes what a buffer still holds at its end; containers often do without one.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    ended = subprocess.run(command, env=environment, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (141, "")
