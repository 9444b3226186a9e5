"""`keyferry init`: writes a user's own repository, or one more environment into it; never over what is there."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, TypedDict

import click

from keyferry.cli import sam
from keyferry.cli.check import files
from keyferry.cli.check.problems import InvalidFiles, nearest
from keyferry.cli.init import REQUIREMENTS, settings_file, writing
from keyferry.cli.init.answers import Answers, Given, ask, complete
from keyferry.cli.init.draft import Draft, draft
from keyferry.cli.init.repository import Environment, name_environment
from keyferry.cli.init.requirement import pin
from keyferry.cli.init.writing import State
from keyferry.cli.options import PROBLEMS, Settings, examples, output
from keyferry.cli.output import console
from keyferry.errors import InvalidInput


class InitializedFile(TypedDict):
    """A file of the repository."""

    file: str
    """Its path, from where the command ran."""
    state: State
    """What was done about it; with --check or --dry-run, how it is."""
    diff: str
    """With --check, what would change, as `git apply` takes it; empty where nothing does, and for a wheel."""


class Initialized(TypedDict):
    """What `keyferry init --output json` answers."""

    files: list[InitializedFile]
    """The files that this was about, in the order in which they are written."""
    next: list[str]
    """The commands to run next in the repository; none where its environment was there before."""


ANSWER = Initialized
_STAYS = "; it stays as it is"


@click.command(
    epilog=examples(
        "keyferry init acme-secrets",
        "keyferry init --account 111122223333 --region eu-west-1 --cluster prod-eu",
        "keyferry --config-env dev init --canary",
        "keyferry init --check > patch",
    )
)
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path, file_okay=False))
@click.option("--account", metavar="ID", help="Account of the stack.")
@click.option("--region", metavar="NAME", help="Region of the stack and of its clusters.")
@click.option("--cluster", "clusters", metavar="NAME", multiple=True, help="A cluster, by its name in EKS; repeatable.")
@click.option("--team", metavar="NAME", help="Team of the first mapping.  [default: example]")
@click.option("--secret", metavar="NAME", help="Its secret in Secrets Manager.  [default: TEAM/first]")
@click.option("--namespace", metavar="NAME", help="Where the Secret goes to.  [default: TEAM]")
@click.option("--canary", is_flag=True, help="Write a mapping for `keyferry doctor --canary` too.")
@click.option("--check", is_flag=True, help="Write nothing; show as a patch what this release would write otherwise.")
@click.option("--dry-run", is_flag=True, help="Write nothing; show which files are missing.")
@output
@click.pass_obj
def init(
    settings: Settings,
    /,
    folder: Path,
    *,
    canary: bool,
    check: bool,
    dry_run: bool,
    **answers: Any,  # noqa: ANN401  # texts, and clusters
) -> None:
    """Write a repository for mappings, or one more environment into it.

    Into DIR, or the current folder: mappings, settings, this release of keyferry with its hashes, workflows for GitHub
    and their roles. What the options do not say is asked, where there is a terminal. A file that is there is kept, and
    samconfig.toml is added to at its end; that is no failure. --check is about the files that follow from the release,
    and exits with 1 where they differ.
    """
    if settings.folder:
        raise click.UsageError(f"--mappings is for other commands: {sam.FILE_NAME} says where an environment has them")
    given = Given(**answers).check()
    known = settings_file.find_environment(folder, settings.config_env)
    if check:
        _check_comparable(folder, settings.config_env, known, given)
    environment, told = _choose(settings, known, given)
    is_written = not (check or dry_run)
    this = pin(distribution("keyferry"), _read_requirements(folder), is_written=is_written)
    accounts = () if known else settings_file.list_accounts(folder)
    plan = draft(environment, told, this, is_new=known is None, canary=canary, accounts=accounts)
    states, diffs = _carry_out(plan, folder, is_written=is_written, is_compared=check)
    to_do = plan.list_next(folder) if is_written else []
    if settings.is_json:
        console.print_json(_build_answer(folder, states, diffs, to_do))
    else:
        _tell(folder, states, diffs, is_check=check)
    if note := plan.choose_note(states):
        console.print_note(note)
    _tell_refused(folder / environment.mappings, [str(folder / each) for each in states if states[each] == "written"])
    if not settings.is_json:
        _tell_next(folder, to_do)
    sys.exit(PROBLEMS if check and set(states.values()) != {"up to date"} else 0)


def _carry_out(
    plan: Draft, folder: Path, *, is_written: bool, is_compared: bool
) -> tuple[dict[str, State], dict[str, str]]:
    """Write what is missing, or only look; return the state of each file, and how it differs if asked for."""
    try:
        states = plan.write(folder) if is_written else plan.look(folder)
        diffs = {name: writing.diff(folder, name, content) for name, content in plan.files.items() if is_compared}
    except OSError as error:
        raise InvalidInput(f"{error.filename or folder}: cannot be read or written: {error.strerror}") from None
    return states, diffs


def has_terminal(settings: Settings) -> bool:
    """Return whether there is somebody to ask."""
    return sys.stdin.isatty() and not settings.is_json


def _check_comparable(folder: Path, name: str, known: Environment | None, given: Given) -> None:
    """Refuse a check where nothing is there to compare with, or answers that it would not take.

    Raises:
        click.UsageError: the message says what would be right.
    """
    if given != Given():
        said = " ".join(f"--{option.removesuffix('s')}" for option, value in vars(given).items() if value)
        raise click.UsageError(f"--check takes no answers, since {sam.FILE_NAME} has them: leave out {said}")
    path = folder / sam.FILE_NAME
    if known is None and not path.exists():
        raise click.UsageError(f"there is nothing to check: {path} is not there; name the folder that `init` wrote")
    if known is None:
        there = nearest(name, sam.list_environments(path), "there is")
        raise click.UsageError(f"there is nothing to check: {path} has no environment {name}{there}")


def _choose(settings: Settings, known: Environment | None, given: Given) -> tuple[Environment, Answers | None]:
    """Return the environment, and what is said of it; ask for what is not said of a new one."""
    if known and given == Given():
        return known, None
    if known:
        given = replace(given, account=given.account or known.account, region=given.region or known.region)
    told = ask(given, os.environ) if has_terminal(settings) else complete(given)
    environment = known or name_environment(settings.config_env, told.account, told.region)
    if (told.account, told.region) != (environment.account, environment.region):
        raise click.UsageError(
            f"{sam.FILE_NAME} has {environment.account}, {environment.region} for {environment.name}; change it there"
        )
    return environment, told


def _read_requirements(folder: Path) -> str | None:
    """Return the requirements.txt that is there; None if there is none."""
    path = folder / REQUIREMENTS
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read or written: {error.strerror}") from None


def _build_answer(
    folder: Path, states: Mapping[str, State], diffs: Mapping[str, str], to_do: Sequence[tuple[str, str]]
) -> Initialized:
    files: list[InitializedFile] = [
        {"file": str(folder / name), "state": state, "diff": diffs.get(name, "")} for name, state in states.items()
    ]
    return {"files": files, "next": [command for _, command in to_do]}


def _tell(folder: Path, states: Mapping[str, State], diffs: Mapping[str, str], *, is_check: bool) -> None:
    """Tell the state of each file; with --check, the patch alone is the result."""
    if not is_check:
        for name, state in states.items():
            console.print_line(f"{folder / name}: {state}{_STAYS if state == 'differs' else ''}")
        return
    for name, state in states.items():
        if diffs.get(name):
            console.print_verbatim(diffs[name].rstrip("\n"))
        elif state != "up to date":
            console.print_note(f"{folder / name}: {state}; `keyferry init` writes it where it is missing")
    if set(states.values()) == {"up to date"}:
        console.print_note(f"{folder}: up to date")


def _tell_refused(mappings: Path, written: Sequence[str]) -> None:
    """Tell what the other files there have against the mappings that were written."""
    if not written or str(mappings / "policy.yaml") in written:
        return
    try:
        files.load(mappings)
    except InvalidFiles as error:
        found = [problem for problem in error.problems if problem.file in written]
        if found:
            console.print_note("warning: what was written does not fit a file that was there, which stays as it is:")
        for problem in found:
            console.print_note(str(problem))


def _tell_next(folder: Path, to_do: Sequence[tuple[str, str]]) -> None:
    if to_do:
        console.print_line(f"next; {folder / 'README.md'} has the rest:")
    for number, (what, command) in enumerate(to_do, start=1):
        console.print_line(f"{number}. {what}", indent=3)
        console.print_verbatim(f"   {command}")
