"""What all commands share: the environment, the folder of the mappings, the form of the output, and the exit codes.

`keyferry --help` imports this: what takes long to import is imported where it is used.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from keyferry.access.iam import Usage
    from keyferry.cli.call import Call
    from keyferry.cli.check.problems import Problem
    from keyferry.cli.sam import SamConfig
    from keyferry.mapping.catalog import Catalog

PROBLEMS, BUG, INTERRUPTED, PIPE_CLOSED = 1, 70, 130, 141
"""Exit codes. Click itself has 2, for a wrong command line."""
EXIT_CODES = {
    0: "done, and nothing is wrong",
    PROBLEMS: "problems were found, or something failed",
    2: "the command line is wrong, or a question could not be asked",
    BUG: "a bug in Keyferry",  # EX_SOFTWARE of sysexits.h
    INTERRUPTED: "interrupted, or the answer was no",  # 128 + SIGINT
    PIPE_CLOSED: "what reads the output has closed the pipe",  # 128 + SIGPIPE
}
"""Exit code → what it means. `--help` and docs/operate/cli.md have them from here."""


@dataclass
class Settings:
    """The options of `keyferry` itself, which all commands share."""

    folder: Path | None = None
    """The folder of the mappings that `--mappings` names; None for that of the environment."""
    output: str = "table"
    config_env: str = "default"
    """The environment of samconfig.toml."""

    @cached_property
    def config(self) -> "SamConfig":
        """The environment, as samconfig.toml has it: the one beside the folder named, or in the current folder.

        Raises:
            InvalidFiles: samconfig.toml is wrong, or has no such environment.
        """
        from keyferry.cli import sam  # noqa: PLC0415

        return sam.read(sam.find(self.folder), self.config_env)

    @property
    def mappings(self) -> Path:
        """The folder of the mappings.

        Raises:
            InvalidFiles: as `config` says, where `--mappings` names none.
        """
        return self.folder or self.config.path.parent / self.config.mappings

    @property
    def generated(self) -> Path:
        """The folder of what `keyferry generate` writes."""
        return self.mappings.parent / "generated"

    def choose_region(self, environment: "Mapping[str, str]", stack: str | None = None) -> str | None:
        """Return the region to ask: that which samconfig.toml has for its stack; None for that of the credentials.

        Args:
            environment: the environment variables. boto3 does not know AWS_REGION, which the AWS CLI puts before
                AWS_DEFAULT_REGION.
            stack: the stack that `--stack` names, which may be in the region that AWS_REGION says.
        """
        named = environment.get("AWS_REGION") or None
        return named or self.config.region if stack else self.config.region or named

    def describe_call(self, stack: str | None = None) -> "Call":
        """Return how this program was called, for the commands that it shows."""
        from keyferry.cli.call import Call  # noqa: PLC0415

        folder = {} if self.folder else {"usual": self.mappings}
        return Call(self.mappings, stack, self.config_env, **folder)

    @property
    def is_json(self) -> bool:
        """Whether the result is written as JSON."""
        return self.output == "json"

    def load_catalog(self) -> "Catalog":
        """Return the catalogue of the mappings.

        Raises:
            InvalidFiles: the files have problems.
        """
        return self.check_files()[0]

    def check_files(self) -> "tuple[Catalog, list[Problem]]":
        """Return the catalogue of the mappings, and the warnings about them.

        Raises:
            InvalidFiles: the files have problems.
        """
        from keyferry.cli.check import files  # noqa: PLC0415
        from keyferry.cli.output import console  # noqa: PLC0415

        return files.check(self.mappings, console.show_progress)

    def check_usage(self, catalog: "Catalog") -> "Usage":
        """Return how much of what IAM allows a role the mappings need.

        Raises:
            InvalidFiles: it is more than there is.
        """
        from keyferry.access.iam import compute_usage  # noqa: PLC0415
        from keyferry.cli.check.problems import InvalidFiles, Problem  # noqa: PLC0415

        usage = compute_usage(catalog)
        if not usage.fits:
            raise InvalidFiles([Problem(str(self.mappings), 1, 1, str(usage))])
        return usage


def check_can_ask(settings: Settings, verb: str, look: str = "--dry-run") -> None:
    """Check that there is somebody to ask before something is done.

    Args:
        settings: the options of `keyferry`.
        verb: what is to be done, as `push`.
        look: the option that only looks.

    Raises:
        click.UsageError: there is nobody; the message has the options that ask nothing.
    """
    why = "--output json asks nothing" if settings.is_json else "there is no terminal to ask on"
    if settings.is_json or not sys.stdin.isatty():
        raise click.UsageError(f"{why}; say --yes to {verb}, or {look} to look")


def examples(*commands: str) -> str:
    """Return the end of a command's help that shows these examples."""
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)


type Command = Callable[..., Any]
"""The function of a command."""


def contexts(command: Command) -> Command:
    """Give a command the option `--context`, whose values `keyferry.cli.clusters.reach.check_choices` checks."""
    return click.option(
        "--context",
        "contexts",
        metavar="[CLUSTER=]CONTEXT",
        multiple=True,
        help="Context of your kubeconfig for a cluster. Default: the one with its ARN or endpoint, or of its name.",
    )(command)


def output(command: Command) -> Command:
    """Give a command the option `--output table|json`, which `keyferry` itself has too."""
    return output_of("table", "json")(command)


def output_of(*forms: str) -> Callable[[Command], Command]:
    """Return a decorator that gives a command the options `--output`, with these forms, and `--verbose`."""

    def decorate(command: Command) -> Command:
        return click.option(
            "--output",
            type=click.Choice(forms),
            expose_value=False,
            callback=_set_output,
            help="Form of the result.",
        )(verbose(command))

    return decorate


def verbose(command: Command) -> Command:
    """Give a command the option `--verbose`, which `keyferry` itself has too."""
    return click.option(
        "--verbose",
        "-v",
        is_flag=True,
        expose_value=False,
        callback=_show_calls,
        help="Show each call to AWS and to clusters on stderr.",
    )(command)


def _show_calls(_context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # as click calls it
    if value:
        from keyferry.cli.output.calls import show_calls  # noqa: PLC0415

        show_calls()


def _set_output(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value:
        context.obj.output = value
