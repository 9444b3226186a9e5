"""Whether a program takes a command of the guides: by its own parser, or by what its documentation has."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import botocore.session
import click
from botocore import xform_name
from botocore.model import OperationModel

from keyferry.cli import main
from tests.unit.stack import ROOT

AWS_GLOBAL = frozenset(
    {"--cli-binary-format", "--cli-read-timeout", "--no-cli-pager", "--output", "--profile", "--query", "--region"}
)
AWS_RENAMED = {"--notification-endpoint": "--endpoint"}
"""What the CLI calls otherwise than the service does (of `sns subscribe`)."""
AWS_OWN: Mapping[tuple[str, str], frozenset[str]] = {
    ("cloudformation", "deploy"): frozenset(
        {"--stack-name", "--template-file", "--capabilities", "--parameter-overrides", "--s3-bucket"}
    ),
    ("eks", "update-kubeconfig"): frozenset({"--name", "--alias"}),
    ("logs", "tail"): frozenset({"--since", "--format", "--filter-pattern", "--follow"}),
    ("sso", "login"): frozenset(),
}
"""Commands of AWS CLI version 2 that are no operation of a service → their options (its command reference)."""
KUBECTL_VERBS = frozenset(
    {"apply", "create", "delete", "describe", "edit", "events", "exec", "get", "keyferry", "replace", "rollout"}
)
KUBECTL_OPTIONS = frozenset(
    {
        *("-A", "-f", "-k", "-l", "-n", "-o", "--all-namespaces", "--context", "--dry-run", "--field-manager"),
        *("--field-selector", "--for", "--from-file", "--namespace", "--prune", "--selector", "--server-side"),
        *("--show-managed-fields", "--ignore-not-found", "--wait", "--filename"),
    }
)
SAM: Mapping[str, frozenset[str]] = {
    "deploy": frozenset(
        {
            *("--config-env", "--no-execute-changeset", "--parameter-overrides", "--resolve-s3"),
            *("--stack-name", "--region", "--capabilities"),
        }
    ),
    "delete": frozenset({"--config-env", "--no-prompts", "--region", "--stack-name"}),
    "validate": frozenset({"--lint"}),
    "local": frozenset({"--event"}),
}
"""Commands of SAM → the options of them that the guides have (its command reference)."""
OTHERS = frozenset(
    [
        ".",
        "bash",
        "cat",
        "cd",
        "chmod",
        "cp",
        "date",
        "diff",
        "echo",
        "export",
        "gh",
        "git",
        "grep",
        "head",
        "helm",
        "jq",
        "mkdir",
        "openssl",
        "pip",
        "python",
        "python3.13",
        "read",
        "rm",
        "sha256sum",
        "source",
        "terraform",
        "test",
        "tr",
        "uv",
    ]
)
"""Programs whose options are not checked."""


def find_problem(words: Sequence[str]) -> str:
    """Return why a program would not take a command; empty where it does."""
    program = words[0].rsplit("/", 1)[-1]
    if program in PARSERS:
        return PARSERS[program](words[1:])
    return "" if program in OTHERS else f"no program of the guides: {program}"


def check_keyferry(words: Sequence[str]) -> str:
    """Check a command of ours by click, up to the types of its values: files need not be there."""
    try:
        with click.Context(main, info_name="keyferry") as context:
            _, rest, _ = main.make_parser(context).parse_args(_take_literally(words))
            if not rest:
                return ""
            command = main.get_command(context, rest[0])
            if command is None:
                return f"no such command: {rest[0]}"
            return _check_options(command, context, rest[1:])
    except click.UsageError as error:
        return error.format_message()


def _check_options(command: click.Command, context: click.Context, words: list[str]) -> str:
    own = click.Context(command, info_name=command.name, parent=context)
    inner = command.get_command(own, words[0]) if isinstance(command, click.Group) and words else None
    if inner is not None:
        return _check_options(inner, own, words[1:])
    if isinstance(command, click.Group) and not command.params:
        return f"no command {words[0]}" if words else ""
    values, rest, _ = command.make_parser(own).parse_args(words)
    if rest:
        return f"too many arguments: {rest}"
    for parameter in command.params:
        value = values.get(parameter.name or "")
        if isinstance(parameter.type, click.Choice) and isinstance(value, str) and value not in parameter.type.choices:
            return f"{parameter.name} is none of {', '.join(map(str, parameter.type.choices))}: {value}"
    return ""


def _take_literally(words: Sequence[str]) -> list[str]:
    return [word for word in words if word != "…"]


@cache
def _load(service: str) -> dict[str, OperationModel]:
    """Return the operations of a service of AWS by the names that the CLI has for them."""
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name, "-"): model.operation_model(name) for name in model.operation_names}


def check_aws(words: Sequence[str]) -> str:
    """Check a command of the AWS CLI by the models of the services: the operation, its options and what it requires."""
    service, name, *rest = words
    given = {AWS_RENAMED.get(word, word).partition("=")[0] for word in rest if word.startswith("--")} - AWS_GLOBAL
    if (service, name) in AWS_OWN:
        return _name_unknown(given - AWS_OWN[service, name])
    operation = _load(service).get(name)
    if operation is None:
        return f"{service} has no operation {name}"
    members: Any = operation.input_shape.members if operation.input_shape else {}
    names = {f"--{xform_name(member, '-')}": shape.type_name for member, shape in members.items()}
    negated = {f"--no-{option[2:]}" for option, kind in names.items() if kind == "boolean"}
    required = {f"--{xform_name(member, '-')}" for member in getattr(operation.input_shape, "required_members", ())}
    missing = required - given if rest else set()
    return _name_unknown(given - names.keys() - negated) or (f"requires {sorted(missing)}" if missing else "")


def _name_unknown(options: set[str] | frozenset[str]) -> str:
    return f"no such option: {', '.join(sorted(options))}" if options else ""


def check_kubectl(words: Sequence[str]) -> str:
    """Check verb and options of kubectl, by its reference."""
    verb = next((word for word, before in zip(words, ("", *words), strict=False) if _is_verb(word, before)), "")
    if verb not in KUBECTL_VERBS:
        return f"no verb of the guides: {verb}"
    return _name_unknown({word.partition("=")[0] for word in words if word.startswith("-")} - KUBECTL_OPTIONS - {"-"})


def _is_verb(word: str, before: str) -> bool:
    return not word.startswith("-") and before not in ("--context", "-n", "--namespace")


def check_sam(words: Sequence[str]) -> str:
    """Check command and options of SAM, by its reference."""
    if words[0] not in SAM:
        return f"no command of the guides: {words[0]}"
    return _name_unknown({word.partition("=")[0] for word in words if word.startswith("--")} - SAM[words[0]])


def check_make(words: Sequence[str]) -> str:
    """Check that the Makefile has the verb."""
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    unknown = [word for word in words if "=" not in word and word not in verbs]
    return f"no verb of make: {unknown}" if unknown else ""


def check_uvx(words: Sequence[str]) -> str:
    """Check the command of ours that is run without being installed."""
    words = list(words)
    return check_keyferry(words[words.index("keyferry") + 1 :]) if "keyferry" in words else "no command of ours"


def check_script(words: Sequence[str]) -> str:
    """Check that a script is one that `keyferry generate` writes."""
    name = words[0].rsplit("/", 1)[-1]
    known = re.findall(r"[a-z-]+\.sh", (ROOT / "layers/keyferry/src/keyferry/cli/generated.py").read_text())
    return "" if words[0].startswith("generated/") and name in known else f"no generated script: {words[0]}"


PARSERS: Mapping[str, Callable[[Sequence[str]], str]] = {
    "keyferry": check_keyferry,
    "aws": check_aws,
    "kubectl": check_kubectl,
    "sam": check_sam,
    "make": check_make,
    "sh": check_script,
    "uvx": check_uvx,
}
