"""What the Makefile's verbs run: `python -m keyferry_local demo [--keep] | oldest | stop | tools`."""

import shutil
import sys
from functools import partial
from pathlib import Path

import click
from rich.console import Console

from keyferry_local import binaries, tools
from keyferry_local import cloud as clouds
from keyferry_local import demo as demonstration
from keyferry_local.stack import StackError

ROOT = Path(__file__).resolve().parents[3]
HERE = ROOT / ".local"
RUNNING = HERE / "demo/processes.json"


def make_room(directory: Path) -> Path:
    """Make the folder of a run anew; that of the last run is kept beside it, and its name returned."""
    last = directory.with_name(f"{directory.name}.last")
    shutil.rmtree(last, ignore_errors=True)
    if directory.exists():
        directory.rename(last)
    directory.mkdir(parents=True)
    return last


@click.group()
def main() -> None:
    """Verbs of the local cloud; `make help` shows how they are called."""


@main.command()
@click.option("--keep", is_flag=True, help="Leave the local cloud running.")
def demo(*, keep: bool) -> None:
    """Rotate a secret, and watch it reach two clusters."""
    console = Console(highlight=False)
    if clouds.is_running(RUNNING):
        console.print("A local cloud is running already, and nothing was changed. Its settings:")
        console.print(f"  source {RUNNING.parent / demonstration.SETTINGS}", soft_wrap=True)
        console.print("Stop it with: make stop")
        sys.exit(0 if keep else 1)
    last = make_room(RUNNING.parent)
    code = demonstration.run(RUNNING.parent, console, running=RUNNING if keep else None)
    if code:
        left = " The local cloud is left running; stop it with: make stop." if RUNNING.exists() else ""
        console.print(f"Logs: {RUNNING.parent}. The next demo moves them to {last}.{left}", soft_wrap=True)
    sys.exit(code)


@main.command()
def stop() -> None:
    """Stop a local cloud that was left running."""
    count = clouds.forget(RUNNING)
    click.echo(f"stopped {count} processes" if count else "nothing is running")


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
    except (binaries.BinariesError, tools.ToolError, StackError) as failure:
        sys.exit(str(failure))
