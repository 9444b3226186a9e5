"""`make bench`: what is measured, side by side in one run. Nothing here passes or fails."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from benchmarks import (
    change,
    commands,
    frozen,
    imports,
    mappings,
    memory,
    migrations,
    namespaces,
    policies,
    start,
    sweeps,
)
from keyferry_local import stack

CASES = [
    "mappings",
    "layer",
    "change",
    "namespaces",
    "sweeps",
    "frozen",
    "memory",
    "policies",
    "start",
    "migrations",
    "commands",
]


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
    say = console.print
    with tempfile.TemporaryDirectory(prefix="keyferry-bench-") as directory:
        place = Path(directory)
        cases: dict[str, Callable[[], object]] = {
            "mappings": lambda: say(mappings.measure(place / "mappings")),
            "layer": lambda: _measure_layer(place, say),
            "change": lambda: say(change.measure(place / "change", say, rounds=rounds)),
            "namespaces": lambda: say(namespaces.measure(place / "namespaces", say, count=count)),
            "sweeps": lambda: say(sweeps.measure(place / "sweeps", say, count=targets)),
            "frozen": lambda: say(frozen.measure(place / "frozen", say, count=waiting, seconds=seconds)),
            "memory": lambda: say(memory.measure(place / "memory", say, count=count)),
            "policies": lambda: say(policies.measure(place / "policies", say)),
            "start": lambda: say(start.measure()),
            "migrations": lambda: say(migrations.measure(place / "migrations")),
            "commands": lambda: say(commands.measure(place / "commands", say, count=count)),
        }
        for case in CASES if only is None else [only]:
            cases[case]()


def _measure_layer(place: Path, say: Callable[[str], None]) -> None:
    repository = stack.stage(place, Path(__file__).resolve().parent.parent / "examples/mappings")
    for measured in imports.measure(stack.build(repository, say, work=place)):
        say(str(measured))


if __name__ == "__main__":
    main()
