"""What `sam deploy` will be told, and `keyferry` itself: samconfig.toml is read and checked.

SAM's own rules: a section of the command comes before that of all commands, `global`, key by key; environments inherit
nothing from one another (AWS SAM CLI configuration file). It passes over the section `keyferry`, which is ours.
"""

import re
import shlex
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from keyferry.cli.check.problems import InvalidFiles, Problem, nearest
from keyferry.cli.check.text import toml
from keyferry.identity import DEFAULT_PREFIX, MAX_PREFIX_LENGTH

ARCHITECTURES = ("arm64", "x86_64")
"""What the parameter Architecture of template.yaml can be; the first is its default."""
FILE_NAME = "samconfig.toml"
DEFAULT_ENVIRONMENT = "default"
"""The environment where none is named, as SAM has it."""
MAPPINGS = Path("mappings")
"""The folder of the mappings where an environment names none."""
MAX_STACK_NAME = 51
"""The queue NAME-deliveries-dead-letters.fifo has 80 characters at most."""
_STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_HEADER = re.compile(r"\s*\[([^]]+)\]\s*(#.*)?")


@dataclass(frozen=True)
class SamConfig:
    """An environment of samconfig.toml, as `sam deploy` takes it."""

    path: Path
    environment: str = DEFAULT_ENVIRONMENT
    stack_name: str | None = None
    """The name of the stack; None where it is given to `sam deploy` by hand."""
    region: str | None = None
    """The region of the stack; None for that of the credentials."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """The parameters of the template that are set, by name."""
    template_file: str | None = None
    """The template that `sam deploy` takes; None for the one that it finds by itself."""
    mappings: Path = MAPPINGS
    """The folder of the mappings, seen from that of the file."""
    account: str | None = None
    """The account of the stack, for what `keyferry init` writes; None where nothing says it."""
    text: str = ""

    @property
    def architecture(self) -> str:
        """The processor that the functions will have: arm64 or x86_64."""
        return self.parameters.get("Architecture", ARCHITECTURES[0])

    def problem(self, message: str, key: str, part: str = "") -> Problem:
        """Return a problem at the line of a key, or at that below it which has a part of its value."""
        sections = _split_sections(self.text)
        for command in ("keyferry", "deploy", "global"):
            lines = sections.get(f"{self.environment}.{command}.parameters", [])
            start = next((index for index, (_, line) in enumerate(lines) if re.match(rf"\s*{key}\s*=", line)), None)
            if start is not None:
                number = next((number for number, line in lines[start:] if part in line), lines[start][0])
                return Problem(str(self.path), number, 1, message)
        return Problem(str(self.path), 1, 1, message)


def _split_sections(text: str) -> dict[str, list[tuple[int, str]]]:
    """Return the lines of each section of a TOML document, with their numbers."""
    sections: dict[str, list[tuple[int, str]]] = {"": []}
    name = ""
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.fullmatch(line)
        if header:
            name = header[1].replace('"', "")
        sections.setdefault(name, []).append((number, line))
    return sections


def find(mappings: Path | None) -> Path:
    """Return the path of samconfig.toml: that of the current folder, or beside the folder of mappings that is named.

    A folder below the current one can be that of one environment of several: it has no file beside it.
    """
    if mappings is None:
        return Path(FILE_NAME)
    beside = mappings.resolve().parent / FILE_NAME
    is_below = mappings.resolve().is_relative_to(Path.cwd())
    return Path(FILE_NAME) if is_below and not beside.exists() else beside


def list_environments(path: Path) -> list[str]:
    """Return the names of the environments of samconfig.toml; none if there is no such file.

    Raises:
        InvalidFiles: it cannot be read, or is not TOML.
    """
    try:
        return list(_read_environments(path)[1])
    except FileNotFoundError:
        return []


def read(path: Path, environment: str) -> SamConfig:
    """Return an environment of samconfig.toml; the default one without settings if there is no such file.

    Raises:
        InvalidFiles: it cannot be read, is not TOML, has no such environment, or a setting is no text.
    """
    try:
        text, environments = _read_environments(path)
    except FileNotFoundError:
        if environment == DEFAULT_ENVIRONMENT:
            return SamConfig(path, environment)
        message = f"is missing, and with it the environment {environment}: write [{environment}.deploy.parameters]"
        raise InvalidFiles([Problem(str(path), 1, 1, message)]) from None
    if environment not in environments:
        message = (
            f"has no environment {environment}{nearest(environment, environments, 'there is')}; write the settings into"
            f" [{environment}.deploy.parameters], or name another environment (--config-env NAME)"
        )
        raise InvalidFiles([Problem(str(path), 1, 1, message)])
    settings = environments[environment]
    own = _merge_settings(settings, "keyferry")
    return _parse(SamConfig(path, environment, text=text), _merge_settings(settings, "global", "deploy"), own)


def _read_environments(path: Path) -> tuple[str, dict[str, dict[str, Any]]]:
    """Return the text of samconfig.toml, and what it has for each environment.

    Raises:
        FileNotFoundError: there is no such file.
        InvalidFiles: it cannot be read, or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InvalidFiles([Problem(str(path), 1, 1, f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InvalidFiles([Problem(str(path), line, 1, "is not UTF-8: save it in that encoding")]) from None
    try:
        document = tomllib.loads(text)
    except ValueError as error:
        raise InvalidFiles([toml.explain(str(path), text, error)]) from None
    return text, {name: value for name, value in document.items() if isinstance(value, dict)}


def _merge_settings(environment: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the settings of commands, by key; those of later ones come before those of earlier ones."""
    commands = [environment.get(command, {}) for command in names]
    sections = [command.get("parameters", {}) for command in commands if isinstance(command, dict)]
    return {key: value for section in sections if isinstance(section, dict) for key, value in section.items()}


def _parse(config: SamConfig, settings: Mapping[str, Any], own: Mapping[str, Any]) -> SamConfig:
    name = _get_text(config, settings, "stack_name", "keyferry")
    region = _get_text(config, settings, "region", "eu-west-1")
    template = _get_text(config, settings, "template_file", "build/template.yaml")
    folder = _get_text(config, own, "mappings", f"{config.environment}/mappings")
    mappings = Path(folder) if folder else MAPPINGS
    overrides = settings.get("parameter_overrides", [])
    if not _is_text(overrides):
        message = 'parameter_overrides is a list of texts: ["Architecture=x86_64"]'
        raise InvalidFiles([config.problem(message, "parameter_overrides")])
    try:
        parameters = dict(_parse_overrides(overrides))
    except ValueError:
        message = "parameter_overrides has a quotation mark without its like"
        raise InvalidFiles([config.problem(message, "parameter_overrides")]) from None
    file = next((name for name in parameters if name.startswith("file://")), None)
    if file:
        message = f"parameter_overrides names {file}, which is not read here: write the parameters themselves"
        raise InvalidFiles([config.problem(message, "parameter_overrides", file)])
    return replace(
        config,
        stack_name=name,
        region=region,
        parameters=parameters,
        template_file=template,
        mappings=mappings,
        account=_get_text(config, own, "account", "111122223333"),
    )


def _get_text(config: SamConfig, settings: Mapping[str, Any], key: str, example: str) -> str | None:
    value = settings.get(key)
    if not isinstance(value, str | None):
        raise InvalidFiles([config.problem(f'{key} is a text: "{example}"', key)])
    return value


def _is_text(overrides: object) -> bool:
    """Return whether `parameter_overrides` is a text, a list of texts, or a table, whose values can be numbers."""
    if isinstance(overrides, list):
        return all(map(_is_text, overrides))
    return isinstance(overrides, str | dict)


def _parse_overrides(overrides: object) -> Iterator[tuple[str, str]]:
    """Yield the name and value of each parameter in `parameter_overrides`: a text, a list of texts, or a table."""
    if isinstance(overrides, dict):
        yield from ((str(name), str(value)) for name, value in overrides.items())
    elif isinstance(overrides, list):
        for part in overrides:
            yield from _parse_overrides(part)
    else:
        for word in shlex.split(str(overrides)):
            key, _, value = word.removeprefix("ParameterKey=").partition("=")
            yield key.removesuffix(",ParameterValue"), value


def check(config: SamConfig, prefix: str) -> None:
    """Refuse names that AWS, or the clusters' rights, would refuse later.

    Args:
        config: the environment that is built.
        prefix: the prefix of the stack's names in the clusters, as the mappings say it.

    Raises:
        InvalidFiles: a setting is wrong; it has the problem of each.
    """
    problems = [*_check_stack_name(config), *_check_prefix(config, prefix), *_check_architecture(config)]
    if problems:
        raise InvalidFiles(problems)


def _check_stack_name(config: SamConfig) -> Iterator[Problem]:
    name = config.stack_name or "x"
    if not _STACK_NAME.fullmatch(name):
        message = f"stack_name is {name}, and has to be a letter, then letters, digits and hyphens"
        yield config.problem(message, "stack_name")
    elif len(name) > MAX_STACK_NAME:
        message = f"stack_name has {len(name)} characters, and {MAX_STACK_NAME} is the most: the queue"
        yield config.problem(f"{message} NAME-deliveries-dead-letters.fifo could not be made", "stack_name")


def _check_prefix(config: SamConfig, prefix: str) -> Iterator[Problem]:
    name = config.parameters.get("RoleNamePrefix", DEFAULT_PREFIX)
    if len(name) > MAX_PREFIX_LENGTH:
        message = f"RoleNamePrefix has {len(name)} characters, and {MAX_PREFIX_LENGTH} is the most"
        yield config.problem(message, "parameter_overrides", "RoleNamePrefix")
    elif name != prefix:
        message = (
            f"RoleNamePrefix is {name}, and the prefix in the mappings is {prefix}: write RoleNamePrefix={prefix} into"
            " parameter_overrides, or change the prefix of the document of kind Stack"
        )
        yield config.problem(message, "parameter_overrides", "RoleNamePrefix")


def _check_architecture(config: SamConfig) -> Iterator[Problem]:
    if config.architecture not in ARCHITECTURES:
        message = f"Architecture is {config.architecture}{nearest(config.architecture, ARCHITECTURES, 'there is')}"
        yield config.problem(message, "parameter_overrides", "Architecture")


def check_parameters(config: SamConfig, known: Collection[str]) -> None:
    """Refuse parameters that the template does not have: SAM passes over them in silence.

    Args:
        config: the environment that is built.
        known: the names of the template's parameters.

    Raises:
        InvalidFiles: there are some; it has the problem of each.
    """
    unknown = [name for name in config.parameters if name not in known]
    if unknown:
        raise InvalidFiles(
            config.problem(f"the template has no parameter {name}{nearest(name, known)}", "parameter_overrides", name)
            for name in unknown
        )
