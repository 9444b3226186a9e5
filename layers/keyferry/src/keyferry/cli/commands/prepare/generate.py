"""`keyferry generate`: IAM policies of functions and people, alarms, access entries and RBAC, as files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypedDict

import click

from keyferry.cli.clusters.generated import format_deletion
from keyferry.cli.generated import Difference, compare_files, list_gone_clusters, render_files
from keyferry.cli.options import PROBLEMS, Settings, examples, output
from keyferry.cli.output import console
from keyferry.errors import InvalidInput

type State = Literal["missing", "differs", "superfluous", "written", "removed"]
_ACTIONS: Mapping[Difference, State] = {"missing": "written", "differs": "written", "superfluous": "removed"}
"""How a file differed → what was done about it."""


class GeneratedFile(TypedDict):
    """A file that was not as the mappings make it."""

    file: str
    """Its path."""
    state: State
    """How it differs; or, where files are written, what was done about it."""


class Generated(TypedDict):
    """What `keyferry generate --output json` answers."""

    files: list[GeneratedFile]
    """The files that were not as the mappings make them; none where all is up to date."""


ANSWER = Generated


@click.command(
    epilog=examples("keyferry generate", "keyferry generate --check", "keyferry generate --dry-run --to /tmp/generated")
)
@click.option(
    "--to",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the generated files.  [default: generated, beside the folder of the mappings]",
)
@click.option("--check", is_flag=True, help="Write nothing; fail where a file is not what the mappings make it.")
@click.option("--dry-run", is_flag=True, help="Write nothing; show which files differ.")
@output
@click.pass_obj
def generate(settings: Settings, to: Path | None, *, check: bool, dry_run: bool) -> None:
    """Write the rights that the mappings need: IAM, RBAC, access entries.

    stack/ has the nested templates of the stack: rights of the functions, policies for people, access entries, alarms,
    and who may send events; access-entries.json has the access entries of all clusters for Terraform.
    accounts/ID/member.yaml is the template for an account or region other than the stack's.

    clusters/NAME/ is for one cluster: rbac.yaml has its Roles and admission policies, for kubectl, Flux or Argo CD;
    remove-stale.sh takes out of it what is no longer generated. access-entries.sh makes its access entries where
    nothing else does, and that in stack/ those of all clusters.
    """
    looks = check or dry_run
    folder = to or settings.generated
    catalog, warnings = settings.check_files()
    for warning in warnings:
        console.print_note(str(warning))
    usage = settings.check_usage(catalog)
    if usage.is_near and not settings.is_json:
        console.print_note(str(usage))
    files = render_files(catalog)
    try:
        gone = list_gone_clusters(folder, catalog)  # before the files that tell are removed
        differences = compare_files(folder, files) if looks else _update(folder, files)
    except OSError as error:
        raise InvalidInput(f"{error.filename or folder}: cannot be read or written: {error.strerror}") from None
    states: dict[str, State] = {
        name: difference if looks else _ACTIONS[difference] for name, difference in differences.items()
    }
    _print_states(settings, folder, states)
    _tell_of_gone_clusters(gone, folder, catalog.stack.prefix)
    if check and differences:
        command = settings.describe_call().format("generate", *(("--to", str(folder)) if to else ()))
        console.print_note(f"{folder} is not what {settings.mappings} makes it; mend it with:")
        console.print_command(command)
        raise SystemExit(PROBLEMS)


def _print_states(settings: Settings, folder: Path, states: Mapping[str, State]) -> None:
    if settings.is_json:
        answer: Generated = {"files": [{"file": str(folder / name), "state": state} for name, state in states.items()]}
        console.print_json(answer)
        return
    for name, state in states.items():
        console.print_line(f"{folder / name}: {state}")
    if not states:
        console.print_line(f"{folder}: up to date")


def _tell_of_gone_clusters(gone: Mapping[str, str | None], folder: Path, prefix: str) -> None:
    """Write what stays in the clusters whose files are no longer generated, and the command that removes it.

    One that has only another name gets none: the label is that of its rights under the new name, too.
    """
    for cluster, new_name in gone.items():
        if new_name:
            console.print_note(
                f"{cluster} is called {new_name} now, and keeps its rights; what is no longer generated for it,"
                f" {folder / 'clusters' / new_name / 'remove-stale.sh'} removes"
            )
            continue
        doubt = "" if new_name is not None else "unless it is still there under another name, "
        console.print_note(
            f"{cluster} is no longer in clusters.yaml; {doubt}Keyferry's Roles and admission policies stay in it until,"
            " after the next deployment, you run:"
        )
        console.print_command(format_deletion(cluster, prefix))


def _update(folder: Path, files: Mapping[str, str]) -> dict[str, Difference]:
    """Write and remove files until the folder is up to date; return how they differed before."""
    differences = compare_files(folder, files)
    for name, difference in differences.items():
        path = folder / name
        if difference == "superfluous":
            path.unlink()
            if path.parent != folder and not any(path.parent.iterdir()):
                path.parent.rmdir()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[name], newline="\n")
    return differences
