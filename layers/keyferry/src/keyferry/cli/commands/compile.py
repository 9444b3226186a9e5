"""`keyferry compile`: the mappings in the form that the functions read."""

from pathlib import Path
from typing import TypedDict

import click

from keyferry.cli.commands.validate import summarize
from keyferry.cli.options import Settings, examples, output
from keyferry.cli.output import console
from keyferry.errors import InvalidInput
from keyferry.runtime.wiring import COMPILED_FILE


class Compiled(TypedDict):
    """What `keyferry compile --output json` answers."""

    file: str
    """The file that was written, or would be."""
    mappings: int
    """How many mappings it has."""
    clusters: int
    """How many clusters it has."""


ANSWER = Compiled


@click.command("compile", epilog=examples("keyferry --mappings mappings compile build/keyferry/mappings"))
@click.argument("out_dir", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Write nothing; say what would be written.")
@output
@click.pass_obj
def compile_(settings: Settings, out_dir: Path, *, dry_run: bool) -> None:
    """Write the mappings in the form that the functions read.

    OUT_DIR gets the file mappings.json. `sam build` calls this for the layer of the mappings.
    """
    # Whichever machine compiles, the same files make the same layer.
    catalog = settings.load_catalog().model_copy(update={"folder": settings.mappings.resolve().name})
    path = out_dir / COMPILED_FILE
    if not dry_run:
        _write(path, catalog.model_dump_json(by_alias=True, exclude_defaults=True) + "\n")
    if settings.is_json:
        answer: Compiled = {
            "file": str(path),
            "mappings": len(catalog.mappings),
            "clusters": len(catalog.clusters),
        }
        console.print_json(answer)
    else:
        console.print_line(f"{path}: {summarize(catalog)}")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be written: {error.strerror}") from None
