"""`keyferry compile`: the mappings in the form that the functions read."""

from pathlib import Path

import click

from keyferry.cli.commands.validate import summarize
from keyferry.cli.options import Settings, output
from keyferry.cli.output import console
from keyferry.errors import InvalidInput
from keyferry.runtime.wiring import COMPILED_FILE


@click.command("compile")
@click.argument("out_dir", type=click.Path(path_type=Path))
@output
@click.pass_obj
def compile_(settings: Settings, out_dir: Path) -> None:
    """Write the mappings to OUT_DIR in the form that the functions read."""
    # Whichever machine compiles, the same files make the same layer.
    catalog = settings.load_catalog().model_copy(update={"folder": settings.mappings.resolve().name})
    path = out_dir / COMPILED_FILE
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        path.write_text(catalog.model_dump_json(by_alias=True, exclude_defaults=True) + "\n")
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be written: {error.strerror}") from None
    if settings.is_json:
        counts = {"mappings": len(catalog.mappings), "clusters": len(catalog.clusters)}
        console.print_json({"file": str(path), **counts})
    else:
        console.print_line(f"{path}: {summarize(catalog)}")
