"""The environments of the samconfig.toml of a user's repository: read, and added at its end."""

from pathlib import Path

from keyferry.cli import sam
from keyferry.cli.check.problems import InvalidFiles
from keyferry.cli.init.repository import Environment, render_settings
from keyferry.identity import DEFAULT_PREFIX


def find_environment(folder: Path, name: str) -> Environment | None:
    """Return an environment of the samconfig.toml in a folder; None if there is none of that name.

    Raises:
        InvalidFiles: the file cannot be read, or the environment does not say what `keyferry init` writes into it.
    """
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
    return Environment(name, config.account, config.region, config.stack_name, prefix, config.mappings.as_posix())


def add_environment(folder: Path, environment: Environment) -> bool:
    """Add an environment at the end of samconfig.toml; return whether the file was there.

    Raises:
        OSError: it cannot be written.
    """
    path = folder / sam.FILE_NAME
    is_there = path.exists()
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(render_settings(environment, is_first=not is_there))
    return is_there
