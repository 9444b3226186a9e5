"""Completes the arguments of `kubectl keyferry`: kubectl asks the program `kubectl_complete-keyferry` for them.

That gets the words behind `kubectl keyferry`, the last of which is not complete, and answers as programs of cobra do: a
line for each completion, with a tab before its description, and a last one with what the shell is to do further.
"""

import sys

import click
from click.shell_completion import ShellComplete

from keyferry.cli import COMPLETE_VARIABLE, main

NO_FILES, FILES = ":4", ":0"
"""What the shell is to do further (cobra, ShellCompDirective): nothing, or to complete names of files."""


def complete() -> None:
    """Write the completions of the words in `sys.argv`."""
    *words, incomplete = sys.argv[1:] or [""]
    items = ShellComplete(main, {}, "kubectl keyferry", COMPLETE_VARIABLE).get_completions(words, incomplete)
    for item in items:
        if item.type == "plain":
            click.echo(f"{item.value}\t{item.help}" if item.help else item.value)
    click.echo(FILES if any(item.type != "plain" for item in items) else NO_FILES)
