"""The environments of the samconfig.toml of a user's repository: read, and added at its end."""

import os
from collections.abc import Iterator
from pathlib import Path

from keyferry.cli import sam
from keyferry.cli.check.problems import InvalidFiles, Problem
from keyferry.cli.init.answers import find_fault
from keyferry.cli.init.repository import Environment, check_name, render_settings
from keyferry.cli.init.writing import write_missing
from keyferry.identity import DEFAULT_PREFIX


def find_environment(folder: Path, name: str) -> Environment | None:
    """Return an environment of the samconfig.toml in a folder; None if there is none of that name.

    Raises:
        click.BadParameter: no environment can have this name.
        InvalidFiles: the file cannot be read, or the environment does not say what `keyferry init` writes into it, or
            says something that no other file could be given.
    """
    check_name(name)
    path = folder / sam.FILE_NAME
    if name not in sam.list_environments(path):
        return None
    config = sam.read(path, name)
    if config.account is None or config.region is None or config.stack_name is None:
        missing = {
            f'account = "111122223333" in [{name}.keyferry.parameters]': config.account,
            f'region = "eu-west-1" in [{name}.global.parameters]': config.region,
            f'stack_name = "keyferry" in [{name}.global.parameters]': config.stack_name,
        }
        texts = " and ".join(text for text, value in missing.items() if value is None)
        raise InvalidFiles([config.problem(f"environment {name} does not have {texts}", "stack_name")])
    prefix = config.parameters.get("RoleNamePrefix", DEFAULT_PREFIX)
    environment = Environment(
        name, config.account, config.region, config.stack_name, prefix, config.mappings.as_posix()
    )
    if problems := list(_check_values(config, environment)):
        raise InvalidFiles(problems)
    return environment


def list_accounts(folder: Path) -> tuple[str, ...]:
    """Return the account of each environment of the samconfig.toml in a folder; an empty text where it has none.

    Raises:
        InvalidFiles: the file cannot be read, or has something else there.
    """
    path = folder / sam.FILE_NAME
    return tuple(sam.read(path, name).account or "" for name in sam.list_environments(path))


def _check_values(config: sam.SamConfig, environment: Environment) -> Iterator[Problem]:
    """Yield what cannot be, before it gets into a workflow or a path."""
    for key in ("account", "region", "stack_name", "mappings"):
        if fault := find_fault(key, getattr(environment, key)):
            yield config.problem(f"{key}: {fault}", key)
    if fault := find_fault("prefix", environment.prefix):
        yield config.problem(f"RoleNamePrefix: {fault}", "parameter_overrides", "RoleNamePrefix")


def add_environment(folder: Path, environment: Environment) -> bool:
    """Add an environment at the end of samconfig.toml, whole or not at all; return whether the file was there.

    Raises:
        OSError: it cannot be written.
    """
    path = folder / sam.FILE_NAME
    if not path.exists():
        write_missing(folder, {sam.FILE_NAME: render_settings(environment, is_first=True)})
        return False
    size = path.stat().st_size
    try:
        with path.open("ab") as file:
            file.write(render_settings(environment, is_first=False).encode())
    except OSError as error:
        os.truncate(path, size)
        raise OSError(error.errno, error.strerror, str(path)) from None
    return True
