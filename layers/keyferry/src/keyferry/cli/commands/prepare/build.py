"""`keyferry build`: the SAM project that `sam deploy` deploys."""

import os
import re
import shlex
from pathlib import Path, PurePath
from typing import TypedDict

import click

from keyferry import __version__
from keyferry.cli import sam
from keyferry.cli.build.application import find_application
from keyferry.cli.build.bytecode import check_python
from keyferry.cli.build.project import CODE, ENTRIES, MAPPINGS, TEMPLATE, Project, measure, replace_project
from keyferry.cli.build.wheels import STEPS, find_cache, provide_wheels
from keyferry.cli.check.problems import InvalidFiles, Problem
from keyferry.cli.commands.prepare.validate import summarize
from keyferry.cli.generated import compare_files, render_files
from keyferry.cli.options import Settings, examples, output
from keyferry.cli.output import console
from keyferry.errors import InvalidInput
from keyferry.mapping.catalog import Catalog

LIMIT_MB = 250
"""What Lambda takes: a function and its layers, unzipped (Lambda quotas)."""
_ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class BuiltLayer(TypedDict):
    """A layer of the functions."""

    name: str
    """The name of its folder: code or mappings."""
    bytes: int
    """Its size, unzipped."""
    files: int
    """How many files it has."""


class Built(TypedDict):
    """What `keyferry build --output json` answers."""

    template: str
    """The template to deploy."""
    release: str
    """The release of Keyferry."""
    architecture: str
    """The processor that it is for: it can be deployed for no other."""
    mappings: int
    """How many mappings it has."""
    clusters: int
    """How many clusters it has."""
    layers: list[BuiltLayer]
    """Both layers; a function and these have 250 MB at most. None with --dry-run."""


ANSWER = Built


@click.command(epilog=examples("keyferry build", "keyferry --config-env prod build"))
@click.option("--dry-run", is_flag=True, help="Write nothing; say whether all is right.")
@output
@click.pass_obj
def build(settings: Settings, *, dry_run: bool) -> None:
    """Make the SAM project of mappings and release.

    It is written to build/, and for an environment to build/NAME: what `sam deploy` deploys. samconfig.toml says for
    which processor. The wheels of the code layer are installed by the hashes of the release, and kept for later. Where
    something is wrong, what was built before stays as it was.
    """
    check_python()
    application, config = find_application(), settings.config
    catalog = settings.load_catalog()
    folder = _find_folder(config)
    sam.check(config, catalog.stack.prefix)
    sam.check_parameters(config, application.list_parameters())
    files = _check_generated(settings, catalog)
    if dry_run:
        _print(settings, folder, catalog, [])
        return
    with console.show_progress("installing the wheels of the code layer", STEPS) as step:
        wheels = provide_wheels(application.requirements, config.architecture, find_cache(os.environ), step)
    templates = {name: text for name, text in files.items() if PurePath(name).match("stack/*.yaml")}
    name = settings.mappings.resolve().name
    project = Project(application, wheels, config.architecture, __version__, catalog, name, templates)
    with replace_project(folder) as place:
        project.write(place)
        layers = list(map(_measure, (place / CODE, place / MAPPINGS)))
        _check_size(layers)
    _print(settings, folder, catalog, layers)


def _find_folder(config: sam.SamConfig) -> Path:
    """Return where the project of an environment goes.

    Raises:
        InvalidFiles: `sam deploy` would take another template.
        InvalidInput: the name of the environment cannot be that of a folder.
    """
    name, root = config.environment, config.path.parent
    if name in ENTRIES or not _ENVIRONMENT.fullmatch(name):
        raise InvalidInput(f"the environment {name} cannot have its own folder in build/: call it otherwise")
    folder = Path("build") if name == sam.DEFAULT_ENVIRONMENT else Path("build") / name
    wanted = folder / TEMPLATE
    if config.template_file and root / config.template_file != root / wanted:
        message = f'template_file is {config.template_file}, and what is built is "{wanted}": write that'
        raise InvalidFiles([config.problem(message, "template_file")])
    return root / folder


def _check_generated(settings: Settings, catalog: Catalog) -> dict[str, str]:
    """Return the generated files, once those in the folder are the same.

    Raises:
        InvalidFiles: they are not, with the command that writes them.
    """
    files, command = render_files(catalog), settings.describe_call().format("generate")
    try:
        differences = compare_files(settings.generated, files)
    except OSError as error:
        raise InvalidInput(f"{error.filename or settings.generated}: cannot be read: {error.strerror}") from None
    if differences:
        why = {"missing": "is missing", "differs": "is not what the mappings make it", "superfluous": "is left over"}
        raise InvalidFiles(
            Problem(str(settings.generated / name), 1, 1, f"{why[difference]}: run `{command}`")
            for name, difference in differences.items()
        )
    return files


def _measure(layer: Path) -> BuiltLayer:
    size, files = measure(layer)
    return {"name": layer.name, "bytes": size, "files": files}


def _format_size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def _check_size(layers: list[BuiltLayer]) -> None:
    total = sum(layer["bytes"] for layer in layers) / 1e6
    if total > LIMIT_MB:
        raise InvalidInput(f"both layers have {total:.1f} MB, and Lambda takes {LIMIT_MB}: deploy fewer mappings")


def _print(settings: Settings, folder: Path, catalog: Catalog, layers: list[BuiltLayer]) -> None:
    config, template = settings.config, folder / TEMPLATE
    if settings.is_json:
        answer: Built = {
            "template": str(template),
            "release": __version__,
            "architecture": config.architecture,
            "mappings": len(catalog.mappings),
            "clusters": len(catalog.clusters),
            "layers": layers,
        }
        console.print_json(answer)
        return
    made = f"{template}: {summarize(catalog)}, release {__version__} for {config.architecture}"
    if not layers:
        console.print_line(f"{made}: nothing is wrong, and nothing was written")
        return
    total = sum(layer["bytes"] for layer in layers) / 1e6
    rows = [[layer["name"], _format_size(layer["bytes"]), f"{layer['files']:,}"] for layer in layers]
    console.print_table(["layer", "size", "files"], rows)
    console.print_line(f"together {total:.1f} MB of the {LIMIT_MB} MB that Lambda takes")
    named = [] if config.template_file else ["--template-file", str(template)]
    if not config.stack_name:
        named += ["--stack-name", "NAME"]
        place = f"[{config.environment}.global.parameters]"
        console.print_note(f'{config.path}: write stack_name = "keyferry" into {place}, or name the stack each time')
    console.print_line(f"{made}; deploy it with:")
    *_, deploy = settings.describe_call().deploy
    console.print_verbatim(f"  {shlex.join([*shlex.split(deploy), *named])}")
