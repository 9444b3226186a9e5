"""The command line as a whole: its help, what it imports, and the names that it is called by."""

import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click import Command, Context, Group
from click.testing import CliRunner

from keyferry import __main__ as program
from keyferry import __version__
from keyferry.cli import VERBS, main
from keyferry.cli.reference.commands import list_examples, render

KEYFERRY = Path(sys.executable).with_name("keyferry")
PUBLISHED = Path(__file__).resolve().parents[2] / "docs/operate/cli.md"
LOOKING = {
    *("validate", "plan", "status", "trace", "doctor", "expiring", "explain", "schema", "completion"),
    *("history", "uninstall", "dead-letters list", "dead-letters show"),
}
"""Commands that change nothing. Every other has --dry-run."""
HEAVY = ("boto3", "botocore", "pydantic", "rich", "kubernetes", "yaml", "urllib3")
"""What takes long to import."""


def test_the_help_imports_nothing_that_takes_long() -> None:
    program = (
        "import sys; from keyferry.cli import main; main(['--help'], standalone_mode=False);"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


START_EACH = """
import importlib, os, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
from keyferry.cli import VERBS, main
for verb in VERBS:
    if not os.fork():
        main([verb, "--help"], prog_name="keyferry", standalone_mode=False)
        print(verb, "asks clusters" if "kubernetes" in sys.modules else "asks none")
        sys.exit()
    os.wait()
"""
"""Starts each command in a process that has imported packages of others, and of ours the command line alone."""


@pytest.fixture(scope="module")
def started() -> "subprocess.CompletedProcess[str]":
    """What all commands say that start so."""
    argv = [sys.executable, "-c", START_EACH, "boto3", "jinja2", "pydantic.json_schema", "rich.progress", "yaml"]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_every_command_starts_with_what_it_imports_itself(started: "subprocess.CompletedProcess[str]") -> None:
    """That the program starts: tests/integration/test_cli.py."""
    assert started.stderr == ""
    assert re.findall(r"^Usage: keyferry (\S+) ", started.stdout, re.MULTILINE) == list(VERBS)


def test_commands_that_work_on_files_alone_do_not_wait_for_the_client_of_clusters(
    started: "subprocess.CompletedProcess[str]",
) -> None:
    """Its package takes a third of a second to import, as long as all that `keyferry generate` does besides."""
    asks = re.findall(r"^(\w+) asks clusters$", started.stdout, re.MULTILINE)
    assert asks == ["migrate", "doctor", "orphans", "uninstall"]


@pytest.mark.parametrize("verb", VERBS)
def test_the_summary_of_a_command_is_the_first_sentence_of_its_help(verb: str) -> None:
    command = main.get_command(Context(main), verb)
    assert command is not None
    assert command.name == verb
    assert (command.help or "").partition("\n")[0] == f"{VERBS[verb]}."


@pytest.mark.parametrize("args", [["--help"], *([verb, "--help"] for verb in VERBS)], ids=" ".join)
def test_every_help_is_ascii_and_fits_a_terminal(args: list[str]) -> None:
    said = CliRunner().invoke(main, args).stdout
    assert said.isascii()
    assert all(len(line) <= 80 for line in said.splitlines())


def test_without_its_extra_the_program_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "click", None)
    monkeypatch.delitem(sys.modules, "keyferry.cli")
    with pytest.raises(SystemExit, match=r"install keyferry\[cli\] in place of keyferry"):
        program.run()


def test_what_is_missing_of_the_package_itself_is_not_told_as_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyferry.cli", None)
    with pytest.raises(ModuleNotFoundError, match="keyferry"):
        program.run()


def test_the_package_is_run_as_the_program_is(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr("keyferry.cli.run", lambda: ran.append("run"))
    monkeypatch.delitem(sys.modules, "keyferry.__main__")
    runpy.run_module("keyferry", run_name="__main__")
    assert ran == ["run"]
    done = subprocess.run([KEYFERRY, "--version"], capture_output=True, text=True, check=True)
    assert __version__ in done.stdout


def test_a_command_that_is_nearly_one_is_told_with_the_one_that_is_meant() -> None:
    result = CliRunner().invoke(main, ["statu"])
    assert result.exit_code == 2
    assert "No such command 'statu'" in result.stderr
    assert "status" in result.stderr


def test_a_command_of_the_second_wheel_is_told_with_the_wheel_where_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("keyferry.cli.group.entry_points", lambda **_: ())
    result = CliRunner().invoke(main, ["local", "up"])
    assert result.exit_code == 2
    assert f"pip install --no-deps keyferry_local-{__version__}-py3-none-any.whl" in result.stderr
    assert "/try/local-cloud/#your-own-mappings" in result.stderr


def test_a_command_that_cannot_be_tried_without_an_effect_changes_nothing() -> None:
    for name, command in list_commands():
        assert name in LOOKING or any("--dry-run" in option.opts for option in command.params), name


def list_commands() -> Iterator[tuple[str, Command]]:
    """Yield each command with its name; in place of one that does nothing by itself, those below it."""
    for verb in VERBS:
        command = main.get_command(Context(main), verb)
        assert command is not None
        if isinstance(command, Group) and not command.params:
            yield from ((f"{verb} {name}", below) for name, below in command.commands.items())
        else:
            yield verb, command


# The reference


def test_the_reference_is_what_the_commands_say() -> None:
    assert PUBLISHED.read_text() == f"{render()}\n", "make it anew: make reference"


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_has_examples_that_it_takes(verb: str) -> None:
    command = main.get_command(Context(main), verb)
    assert command is not None
    shown = list_examples(command)
    assert shown
    for example in shown:
        words = shlex.split(example.partition(" > ")[0].partition(" | ")[2] or example.partition(" > ")[0])
        assert verb in words
        own = [word.rstrip(")") for word in words[words.index(verb) + 1 :]]
        command.make_parser(Context(command)).parse_args(own)
