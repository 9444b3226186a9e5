"""The command line: `keyferry --mappings DIR [--output text|json] COMMAND`."""

from pathlib import Path

import click

from keyferry.cli.commands.compile import compile_
from keyferry.cli.commands.expiring import expiring
from keyferry.cli.commands.explain import explain
from keyferry.cli.commands.generate import generate
from keyferry.cli.commands.push import push
from keyferry.cli.commands.schema import schema
from keyferry.cli.commands.status import status
from keyferry.cli.commands.validate import validate
from keyferry.cli.options import Group, Settings

EPILOG = """\b
Exit codes:
  0    done, and nothing is wrong
  1    problems were found, or something failed
  2    the command line is wrong, or a question could not be asked
  70   a bug in Keyferry
  130  interrupted
"""


@click.group(cls=Group, epilog=EPILOG)
@click.option(
    "--mappings",
    type=click.Path(path_type=Path),
    default=Path("mappings"),
    show_default=True,
    help="Folder of the mappings and clusters.yaml.",
)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="Form of the result.")
@click.version_option(package_name="keyferry")
@click.pass_context
def main(context: click.Context, mappings: Path, output: str) -> None:
    """Carry changed AWS secrets into Kubernetes Secrets on EKS, and restart what uses them."""
    context.obj = Settings(mappings, output)


for command in (validate, schema, compile_, explain, generate, push, status, expiring):
    main.add_command(command)
