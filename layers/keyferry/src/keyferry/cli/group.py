"""The commands of `keyferry`: each is imported when it is asked for, and every error is one line and an exit code."""

import contextlib
import importlib
import os
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click
from click.shell_completion import CompletionItem

from keyferry.cli.options import BUG, EXIT_CODES, INTERRUPTED, PIPE_CLOSED, PROBLEMS, Settings

LOCAL = "local"
"""The command that keyferry-local adds."""


class Group(click.Group):
    """Commands that are modules of `keyferry.cli.commands`, in a folder for each section of the help.

    `--help` shows their summaries without importing any of them: it is what people and shells wait for most often.
    Other distributions that are installed can add commands by the entry points `keyferry.commands`, as keyferry-local
    does; their summaries are those of the distributions.
    """

    def __init__(self, *args: Any, sections: Mapping[str, Mapping[str, str]] | None = None, **attributes: Any) -> None:  # noqa: ANN401  # as click has it
        """Create a group.

        Args:
            args: those of click.
            sections: section → name of a command → the first sentence of its help, without the full stop.
            attributes: those of click.
        """
        super().__init__(*args, **attributes)
        self.sections = dict(sections or {})
        self.summaries = {name: text for commands in self.sections.values() for name, text in commands.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order in which they are shown."""
        return [*self.summaries, *super().list_commands(ctx), *_find_added()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; None if there is none of that name."""
        if cmd_name not in self.summaries:
            added = _find_added().get(cmd_name)
            return added.load() if added else super().get_command(ctx, cmd_name)
        module, name = importlib.import_module(self.name_module(cmd_name)), cmd_name.replace("-", "_")
        command: click.Command = getattr(module, name if hasattr(module, name) else f"{name}_")
        return command

    def name_module(self, command: str) -> str:
        """Return the name of the module that has a command."""
        folder = next(section for section, commands in self.sections.items() if command in commands)
        return f"keyferry.cli.commands.{folder}.{command.replace('-', '_')}"

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments begin with.

        Raises:
            click.exceptions.NoSuchCommand: there is none of that name; the message has similar ones.
            click.UsageError: it is one of the second wheel of a release, which is not installed.
        """
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            if error.command_name == LOCAL:
                raise click.UsageError(_describe_local()) from None
            raise click.exceptions.NoSuchCommand(
                error.command_name, possibilities=self.list_commands(ctx), ctx=ctx
            ) from None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that begin so, and the options."""
        items = [
            CompletionItem(name, help=text) for name, text in self._summarize().items() if name.startswith(incomplete)
        ]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the summaries, and what the exit codes mean."""
        for section, summaries in self.sections.items():
            with formatter.section(section.capitalize()):
                formatter.write_dl(list(summaries.items()))
        if added := self._summarize_added():
            with formatter.section("Also installed"):
                formatter.write_dl(list(added.items()))
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])

    def _summarize(self) -> dict[str, str]:
        """Return name and summary of all commands, in the order in which they are shown."""
        return self.summaries | self._summarize_added()

    def _summarize_added(self) -> dict[str, str]:
        """Return name and summary of the commands of other distributions."""
        return {name: _summarize(entry) for name, entry in _find_added().items()}

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  # as click has it
        """Run the command; exit with the code of its error, if it has one."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except BrokenPipeError:
            _discard_output()
            ctx.exit(PIPE_CLOSED)
        except (KeyboardInterrupt, click.Abort):
            _print_note("interrupted")
            ctx.exit(INTERRUPTED)
        except Exception as error:
            ctx.exit(_tell(ctx.obj, error))


def _describe_local() -> str:
    """Return where the commands of `keyferry local` come from."""
    from keyferry import __version__  # noqa: PLC0415
    from keyferry.guides import link  # noqa: PLC0415

    wheel = f"keyferry_local-{__version__}-py3-none-any.whl"
    return (
        f"`keyferry local` is in keyferry-local, the second wheel of the release: pip install --no-deps {wheel};"
        f" {link('try/local-cloud', 'your-own-mappings')}"
    )


def _find_added() -> dict[str, EntryPoint]:
    """Return the commands of other distributions, by name."""
    return {entry.name: entry for entry in entry_points(group="keyferry.commands")}


def _summarize(entry: EntryPoint) -> str:
    """Return what the distribution of a command says of itself."""
    return str(entry.dist.metadata["Summary"]) if entry.dist else ""


def _discard_output() -> None:
    """Let nobody get what is left to be written: Python writes it at its end, and would complain of the pipe."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(settings: Settings | None, error: Exception) -> int:
    """Tell an error, and return the exit code."""
    from keyferry.cli.check.problems import InvalidFiles  # noqa: PLC0415
    from keyferry.cli.output import console  # noqa: PLC0415
    from keyferry.errors import InvalidInput, KeyferryError, raised_at  # noqa: PLC0415
    from keyferry.guides import link_error  # noqa: PLC0415

    if isinstance(error, InvalidFiles) and settings and settings.is_json:
        console.print_json({"problems": [problem.as_dict() for problem in error.problems]})
        return PROBLEMS
    if isinstance(error, KeyferryError):
        _print_note(str(error))
        if not isinstance(error, InvalidInput):  # of which the text says all
            _print_note(link_error(type(error).__name__))
        return PROBLEMS
    # Its text is not shown: it can quote a value.
    _print_note(f"unexpected {type(error).__name__} at {raised_at(error)}: a bug in Keyferry; please report it")
    _print_note(link_error("Unexpected"))
    return BUG


def _print_note(text: str) -> None:
    from keyferry.cli.output import console  # noqa: PLC0415

    console.print_note(text)
