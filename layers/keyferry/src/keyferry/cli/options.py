"""What all commands share: the folder of mappings, the form of the output, and how errors end."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import BotoCoreError

from keyferry.cli.check import files
from keyferry.cli.check.problems import InvalidFiles, Problem
from keyferry.cli.output import console
from keyferry.errors import KeyferryError, raised_at
from keyferry.mapping.catalog import Catalog

PROBLEMS, USAGE, BUG, INTERRUPTED = 1, 2, 70, 130
_ADVICE = {
    "NoCredentialsError": "there are no AWS credentials: set AWS_PROFILE, or sign in (aws sso login)",
    "NoRegionError": "no AWS region is set: set AWS_REGION, or a region in the profile",
    "ProfileNotFound": "the profile that AWS_PROFILE names does not exist",
    "PartialCredentialsError": "the AWS credentials are incomplete: set both the key id and the secret key",
    "UnauthorizedSSOTokenError": "the AWS sign-in has ended: aws sso login",
    "TokenRetrievalError": "the AWS sign-in has ended: aws sso login",
    "SSOTokenLoadError": "there is no AWS sign-in: aws sso login",
}
"""botocore's error → what to do. Their own texts are not shown: some quote what was sent."""


@dataclass
class Settings:
    """What was said before the command."""

    mappings: Path
    output: str = "text"

    @property
    def is_json(self) -> bool:
        """Whether the result is for a program."""
        return self.output == "json"

    def catalog(self) -> Catalog:
        """Return the catalogue of the folder.

        Raises:
            InvalidInput: something in it is wrong.
        """
        return files.load(self.mappings, console.progress)

    def check(self) -> tuple[Catalog, list[Problem]]:
        """Return the catalogue of the folder, and what to be warned of.

        Raises:
            InvalidInput: something in it is wrong.
        """
        return files.check(self.mappings, console.progress)


def _tell_problems(settings: Settings, error: InvalidFiles) -> None:
    if settings.is_json:
        console.tell_json([each.as_dict() for each in error.problems])
    else:
        console.note(str(error))


def _set_output(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value:
        context.obj.output = value


class Group(click.Group):
    """A group whose commands end in one clear line and an exit code, whatever happens."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  # as click has it
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (KeyboardInterrupt, click.Abort):
            console.note("interrupted")
            ctx.exit(INTERRUPTED)
        except InvalidFiles as error:
            _tell_problems(ctx.obj, error)
            ctx.exit(PROBLEMS)
        except KeyferryError as error:
            console.note(str(error))
            ctx.exit(PROBLEMS)
        except BotoCoreError as error:
            kind = type(error).__name__
            console.note(_ADVICE.get(kind, f"AWS cannot be asked ({kind})"))
            ctx.exit(PROBLEMS)
        except Exception as error:
            # Its text is not shown: it can quote a value.
            console.note(
                f"unexpected {type(error).__name__} at {raised_at(error)}: a bug in Keyferry; please report it"
            )
            ctx.exit(BUG)


type Command = Callable[..., Any]


def output(command: Command) -> Command:
    """Accept `--output` after a command too."""
    return output_of("text", "json")(command)


def output_of(*forms: str) -> Callable[[Command], Command]:
    """Accept `--output` with these forms after a command."""
    return click.option(
        "--output",
        type=click.Choice(forms),
        expose_value=False,
        callback=_set_output,
        help="Form of the result.",
    )
