"""The command line as a whole: its help, what it imports, and the names that it is called by."""

import subprocess
import sys

import pytest
from click import Context
from click.testing import CliRunner

from keyferry.cli import VERBS, main

HEAVY = ("boto3", "botocore", "pydantic", "rich", "kubernetes", "yaml", "urllib3")
"""What takes long to import."""


def test_the_help_imports_nothing_that_takes_long() -> None:
    program = (
        "import sys; from keyferry.cli import main; main(['--help'], standalone_mode=False);"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


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
