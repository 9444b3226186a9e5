"""`make bench`: what is measured, side by side in one run. Nothing here passes or fails."""

import tempfile
from pathlib import Path

import click
from rich.console import Console

from benchmarks import change, commands, frozen, mappings, memory, namespaces, policies, start, sweeps
from local import layer, stack

CASES = ["mappings", "layer", "change", "namespaces", "sweeps", "frozen", "memory", "policies", "start", "commands"]


@click.command()
@click.option("--only", type=click.Choice(CASES), help="Measure one thing.")
@click.option(
    "--count",
    default=1000,
    show_default=True,
    help="Namespaces of the mapping that is delivered; targets that commands look at.",
)
@click.option("--targets", default=5000, show_default=True, help="Targets of the sweep.")
@click.option("--rounds", default=30, show_default=True, help="Changes that are timed.")
@click.option("--waiting", default=380, show_default=True, help="Deliveries that wait for a frozen cluster.")
@click.option("--seconds", default=120, show_default=True, help="How long that cluster is frozen.")
def main(*, only: str | None, count: int, targets: int, rounds: int, waiting: int, seconds: int) -> None:
    """Measure."""
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="keyferry-bench-") as directory:
        place = Path(directory)
        if only in (None, "mappings"):
            console.print(mappings.measure(place / "mappings"))
        if only in (None, "layer"):
            checkout = stack.stage(place, Path(__file__).resolve().parent.parent / "examples/mappings")
            layer.show(layer.measure(stack.build(checkout, console.print, work=place)))
        if only in (None, "change"):
            console.print(change.measure(place / "change", console.print, rounds=rounds))
        if only in (None, "namespaces"):
            console.print(namespaces.measure(place / "namespaces", console.print, count=count))
        if only in (None, "sweeps"):
            console.print(sweeps.measure(place / "sweeps", console.print, count=targets))
        if only in (None, "frozen"):
            console.print(frozen.measure(place / "frozen", console.print, count=waiting, seconds=seconds))
        if only in (None, "memory"):
            console.print(memory.measure(place / "memory", console.print, count=count))
        if only in (None, "policies"):
            console.print(policies.measure(place / "policies", console.print))
        if only in (None, "start"):
            console.print(start.measure())
        if only in (None, "commands"):
            console.print(commands.measure(place / "commands", console.print, count=count))


if __name__ == "__main__":
    main()
