"""`keyferry generate`: the files that follow from the mappings."""

import shlex
from pathlib import Path

import click

from keyferry.cli import generated
from keyferry.cli.options import PROBLEMS, Settings, output
from keyferry.cli.output import console
from keyferry.errors import InvalidInput

_DONE = {"missing": "written", "differs": "written", "superfluous": "removed"}


@click.command()
@click.option(
    "--to",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the generated files.  [default: generated, beside the folder of the mappings]",
)
@click.option("--check", is_flag=True, help="Write nothing; fail where a file is not what the mappings make it.")
@output
@click.pass_obj
def generate(settings: Settings, to: Path | None, *, check: bool) -> None:
    """Write what the mappings need: IAM policies, access entries, RBAC."""
    folder = to or settings.mappings.parent / "generated"
    catalog, warnings = settings.check()
    for warning in warnings:
        console.note(str(warning))
    files = generated.render_all(catalog)
    try:
        found = generated.difference(folder, files) if check else generated.write(folder, files)
    except OSError as error:
        raise InvalidInput(f"{error.filename or folder}: cannot be read or written: {error.strerror}") from None
    if settings.is_json:
        console.tell_json([{"file": str(folder / name), "state": _state(what, check)} for name, what in found.items()])
    else:
        for name, what in found.items():
            console.tell(f"{folder / name}: {_state(what, check)}")
        if not found:
            console.tell(f"{folder}: up to date")
    if check and found:
        command = shlex.join(["keyferry", "--mappings", str(settings.mappings), "generate", "--to", str(folder)])
        console.note(f"{folder} is not what {settings.mappings} makes it; mend it with: {command}")
        raise SystemExit(PROBLEMS)


def _state(what: str, check: bool) -> str:
    return what if check else _DONE[what]
