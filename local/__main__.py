"""What the Makefile's verbs run: `python -m local demo [--keep] | build | stop`."""

import shutil
import sys
from pathlib import Path

import click
from rich.console import Console

from local import cloud as clouds
from local import demo as demonstration
from local import layer, stack
from local.stack import StackError

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / ".local"
RUNNING = HERE / "demo/processes.json"


@click.group()
def main() -> None:
    """Verbs of the local cloud; `make help` shows how they are called."""


@main.command()
@click.option("--keep", is_flag=True, help="Leave the local cloud running.")
def demo(*, keep: bool) -> None:
    """Rotate a secret, and watch it reach two clusters."""
    console = Console(highlight=False)
    if clouds.forget(RUNNING):
        console.print("stopped the local cloud that was left running", style="dim")
    directory = RUNNING.parent
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    sys.exit(demonstration.run(directory, console, running=RUNNING if keep else None))


@main.command()
def stop() -> None:
    """Stop a local cloud that was left running."""
    count = clouds.forget(RUNNING)
    click.echo(f"stopped {count} processes" if count else "nothing is running")


@main.command()
def build() -> None:
    """Build functions and layers with SAM; print size and import time, this on the processor that is here."""
    work = HERE / "build"
    measured = layer.measure(stack.build(ROOT, click.echo, work=work, here=False))
    if any(isinstance(each, layer.Unmeasured) for each in measured):  # built for another processor than this one
        imports = layer.measure(stack.build(stack.stage(work, ROOT / "mappings"), click.echo, work=work))
        measured = [each for each in measured if isinstance(each, layer.Layer)]
        measured += [each for each in imports if isinstance(each, layer.Import)]
    layer.show(measured)


if __name__ == "__main__":
    try:
        main()
    except (StackError, layer.ImportFailed) as failure:
        sys.exit(str(failure))
