"""The commands → their reference, docs/operate/cli.md: usage, options, what they answer, examples, exit codes."""

import inspect
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from keyferry.cli import VERBS, main
from keyferry.cli.options import EXIT_CODES
from keyferry.cli.reference.schemas import build_answer_schema

_HEAD = """\
# The command line

Every command with its options: made from the code by `make reference`, and held to it by a test. `keyferry COMMAND
--help` says the same.

The result goes to stdout, and nothing else: a table, or one JSON document with `--output json`. Progress, notes,
questions and errors go to stderr. The problems that `keyferry validate` shows are its result; where another command
meets them, they are an error, and with `--output json` the result all the same: `{"problems": […]}` in place of the
answer.

On a terminal, tables are as wide as it is: what does not fit goes below its row, and no name is cut. In a pipe each row
is one line. Colours and other escapes are left out in a pipe, where `NO_COLOR` is set, and where `TERM` is `dumb`;
`FORCE_COLOR` gives a pipe colours. Where the locale is `C` by `LC_ALL`, or the output is not UTF-8, only ASCII is
written.

As a plugin of kubectl the program is `kubectl keyferry`; `kubectl` completes it by itself where both
`kubectl-keyferry` and `kubectl_complete-keyferry` are on the path.
"""


def render() -> str:
    """Return the reference as Markdown."""
    context = click.Context(main, info_name="keyferry")
    lines = [_HEAD, *_list_exit_codes(), "## keyferry\n", *_list_options(main, context)]
    for verb in VERBS:
        command = main.get_command(context, verb)
        if command is not None:
            lines += _list_command(verb, command, click.Context(command, context, verb), verb)
            lines += _list_below(verb, command, context)
    return "\n".join(lines).rstrip()


def _list_exit_codes() -> Iterator[str]:
    yield "| exit code | |"
    yield "|---|---|"
    yield from (f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items())
    yield ""


def _list_below(verb: str, command: click.Command, parent: click.Context) -> Iterator[str]:
    """Yield the sections of the commands below a command; they answer by the schema of that one."""
    if not isinstance(command, click.Group):
        return
    context = click.Context(command, parent, verb)
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        if below is not None:
            yield from _list_command(f"{verb} {name}", below, click.Context(below, context, name), verb)


def _list_command(name: str, command: click.Command, context: click.Context, verb: str) -> Iterator[str]:
    """Yield the section of a command.

    Args:
        name: its name; `migrate verify` of one below another.
        command: the command.
        context: its context.
        verb: the command whose schema its answer follows.
    """
    yield f"## keyferry {name}\n"
    yield f"{inspect.cleandoc(command.help or '')}\n"
    yield f"```\n{' '.join(['keyferry', name, *command.collect_usage_pieces(context)])}\n```\n"
    yield from _list_options(command, context)
    yield from _list_answer(verb, command)
    yield "```sh"
    yield from list_examples(command)
    yield "```\n"


def list_examples(command: click.Command) -> Sequence[str]:
    """Return the examples in a command's help."""
    return [line.strip() for line in (command.epilog or "").splitlines() if line.startswith("  ")]


def _list_options(command: click.Command, context: click.Context) -> Iterator[str]:
    options = (param for param in command.get_params(context) if isinstance(param, click.Option))
    records = (option.get_help_record(context) for option in options)
    yield "| option | |"
    yield "|---|---|"
    for names, text in filter(None, records):
        yield f"| `{_escape(names)}` | {_escape(text)} |"
    yield ""


def _list_answer(verb: str, command: click.Command) -> Iterator[str]:
    """Yield what the JSON of a command has, without the problems that every command can have in its place."""
    json_schema = build_answer_schema(verb)
    if json_schema is None:
        return
    module = sys.modules[command.callback.__module__] if command.callback else None
    answers = [each["$ref"].rpartition("/")[2] for each in json_schema["anyOf"]]
    own = getattr(getattr(module, "ANSWER", None), "__name__", answers[0])  # of several answers, the first is its own
    fields: dict[str, Any] = json_schema["$defs"][own if own in answers else answers[0]]["properties"]
    yield f"`--output json` has, by [its schema](../output/{verb}.schema.json):\n"
    yield from (f"- `{name}`: {field['description']}" for name, field in fields.items())
    yield ""


def _escape(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
