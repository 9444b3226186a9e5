"""What the Makefile runs beside `keyferry local`: `python -m keyferry_local oldest | tools FOLDER`."""

import shutil
import sys
from functools import partial
from pathlib import Path

import click

from keyferry_local import binaries, tools


@click.group()
def main() -> None:
    """Verbs of a checkout; `make help` shows how they are called."""


@main.command()
def oldest() -> None:
    """Build the oldest Kubernetes that is promised; print the folder, for `KUBEBUILDER_ASSETS`."""
    click.echo(binaries.build(binaries.OLDEST, partial(click.echo, err=True)).kubectl.parent)


@main.command("tools")
@click.argument("folder", type=click.Path(path_type=Path))
def link_tools(folder: Path) -> None:
    """Install the tools that a checkout needs, and link them into FOLDER."""
    for name in ("sam", "ministack", "awscli"):
        link, made = folder / name, tools.provide(name, partial(click.echo, err=True)).parent
        if link.is_dir() and not link.is_symlink():
            shutil.rmtree(link)
        link.unlink(missing_ok=True)
        link.symlink_to(made)


if __name__ == "__main__":
    try:
        main()
    except (binaries.BinariesError, tools.ToolError) as failure:
        sys.exit(str(failure))
