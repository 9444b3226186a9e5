"""`keyferry validate` and `keyferry compile`."""

from pathlib import Path

import click

from keyferry.cli.check.problems import InvalidFiles, Problem
from keyferry.cli.options import PROBLEMS, Settings, output, output_of
from keyferry.cli.output import console
from keyferry.cli.output import targets as reach
from keyferry.errors import InvalidInput
from keyferry.mapping.catalog import Catalog
from keyferry.runtime.wiring import COMPILED_FILE


@click.command()
@click.option("--targets", is_flag=True, help="Show also to which namespaces of which clusters each mapping goes.")
@output_of("text", "json", "github")
@click.pass_obj
def validate(settings: Settings, *, targets: bool) -> None:
    """Show everything that is wrong with the mappings; as annotations of a pull request with --output github."""
    say = Problem.as_command if settings.output == "github" else str
    try:
        catalog, warnings = settings.check()
    except InvalidFiles as error:
        if settings.is_json:
            raise
        console.tell("\n".join(map(say, error.problems)))  # here they are the result
        console.note(f"{settings.mappings}: {_count(len(error.problems), 'problem')}")
        raise SystemExit(PROBLEMS) from None
    if settings.is_json:
        problems = [each.as_dict() for each in warnings]
        console.tell_json({"problems": problems, "targets": reach.as_dicts(catalog)} if targets else problems)
        return
    if targets:
        console.table(("mapping", "secret", "clusters", "namespaces"), list(reach.rows(catalog)))
    for each in warnings:
        console.tell(say(each))
    verdict = _count(len(warnings), "warning") if warnings else "nothing wrong"
    console.tell(f"{settings.mappings}: {summary(catalog)}, {verdict}")


@click.command("compile")
@click.argument("out_dir", type=click.Path(path_type=Path))
@output
@click.pass_obj
def compile_(settings: Settings, out_dir: Path) -> None:
    """Write the mappings to OUT_DIR in the form that the functions read."""
    catalog = settings.catalog()
    path = out_dir / COMPILED_FILE
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        path.write_text(catalog.model_dump_json(by_alias=True, exclude_defaults=True) + "\n")
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be written: {error.strerror}") from None
    if settings.is_json:
        counts = {"mappings": len(catalog.mappings), "clusters": len(catalog.clusters)}
        console.tell_json({"file": str(path), **counts})
    else:
        console.tell(f"{path}: {summary(catalog)}")


def summary(catalog: Catalog) -> str:
    """Return what is there."""
    return f"{_count(len(catalog.mappings), 'mapping')}, {_count(len(catalog.clusters), 'cluster')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
