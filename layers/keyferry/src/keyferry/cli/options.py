"""What all commands share: the folder of the mappings, the form of the output, and the exit codes of errors."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from keyferry.access import iam
from keyferry.cli.check import files
from keyferry.cli.check.problems import InvalidFiles, Problem
from keyferry.cli.output import console
from keyferry.errors import KeyferryError, raised_at
from keyferry.mapping.catalog import Catalog

PROBLEMS, BUG, INTERRUPTED = 1, 70, 130
"""Exit codes. Click itself has 2, for a wrong command line; 70 is EX_SOFTWARE of sysexits.h, 130 is 128 + SIGINT."""


@dataclass
class Settings:
    """The options of `keyferry` itself, which all commands share."""

    mappings: Path
    output: str = "text"

    @property
    def is_json(self) -> bool:
        """Whether the result is written as JSON."""
        return self.output == "json"

    def load_catalog(self) -> Catalog:
        """Return the catalogue of the mappings.

        Raises:
            InvalidFiles: the files have problems.
        """
        return files.load(self.mappings, console.show_progress)

    def check_files(self) -> tuple[Catalog, list[Problem]]:
        """Return the catalogue of the mappings, and the warnings about them.

        Raises:
            InvalidFiles: the files have problems.
        """
        return files.check(self.mappings, console.show_progress)

    def check_usage(self, catalog: Catalog) -> iam.Usage:
        """Return how much of what IAM allows a role the mappings need.

        Raises:
            InvalidFiles: it is more than there is.
        """
        usage = iam.compute_usage(catalog)
        if not usage.fits:
            raise InvalidFiles([Problem(str(self.mappings), 1, 1, str(usage))])
        return usage


def _print_problems(settings: Settings, error: InvalidFiles) -> None:
    if settings.is_json:
        console.print_json([problem.as_dict() for problem in error.problems])
    else:
        console.print_note(str(error))


def _set_output(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value:
        context.obj.output = value


class Group(click.Group):
    """A group of commands that turns every error into one line and an exit code, instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  # as click has it
        """Run the command; exit with the code of its error, if it has one."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (KeyboardInterrupt, click.Abort):
            console.print_note("interrupted")
            ctx.exit(INTERRUPTED)
        except InvalidFiles as error:
            _print_problems(ctx.obj, error)
            ctx.exit(PROBLEMS)
        except KeyferryError as error:
            console.print_note(str(error))
            ctx.exit(PROBLEMS)
        except Exception as error:
            # Its text is not shown: it can quote a value.
            console.print_note(
                f"unexpected {type(error).__name__} at {raised_at(error)}: a bug in Keyferry; please report it"
            )
            ctx.exit(BUG)


type Command = Callable[..., Any]
"""The function of a command."""


def output(command: Command) -> Command:
    """Give a command the option `--output text|json`, which `keyferry` itself has too."""
    return output_of("text", "json")(command)


def output_of(*forms: str) -> Callable[[Command], Command]:
    """Return a decorator that gives a command the option `--output` with these forms."""
    return click.option(
        "--output",
        type=click.Choice(forms),
        expose_value=False,
        callback=_set_output,
        help="Form of the result.",
    )
