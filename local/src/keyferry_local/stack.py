"""The stack on the local cloud, by the steps that a user takes: a repository with mappings, generate, build, deploy.

What is built is the release that is installed, byte for byte; SAM is the real one.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from keyferry.identity import DEFAULT_PREFIX
from keyferry_local import tools
from keyferry_local.aws import Aws

Say = Callable[[str], None]

_KEYFERRY = Path(sys.executable).with_name("keyferry")
_SAMCONFIG = """version = 0.1
[default.deploy.parameters]
stack_name = "keyferry"
template_file = "build/template.yaml"
capabilities = "CAPABILITY_NAMED_IAM CAPABILITY_AUTO_EXPAND"
resolve_s3 = true
parameter_overrides = ["Architecture={}", "RoleNamePrefix={}"]
"""
_CACHES = shutil.ignore_patterns("__pycache__")
_OF_MAKE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")
_ARCHITECTURES = {"aarch64": "arm64", "arm64": "arm64", "x86_64": "x86_64", "AMD64": "x86_64"}

_NOT_EMULATED = {"AccessEntries": "false", "EventBusPolicy": "false"}
"""Parameters that leave out the resource types that the emulator lacks: AWS::EKS::AccessEntry, …::EventBusPolicy."""


class StackError(Exception):
    """A step towards the deployed stack failed; the text ends with what it printed last."""


def stage(directory: Path, mappings: Path, prefix: str = DEFAULT_PREFIX) -> Path:
    """Make a user's repository with these mappings and what is generated from them, ready to build.

    Args:
        directory: where the repository is made; that of an earlier run is brought up to date.
        mappings: the folder of the mappings.
        prefix: that of the mappings.
    """
    repository = directory / "repository"
    shutil.rmtree(repository / "mappings", ignore_errors=True)
    shutil.copytree(mappings, repository / "mappings", ignore=_CACHES)
    (repository / "samconfig.toml").write_text(_SAMCONFIG.format(find_architecture(), prefix))
    _run([_KEYFERRY, "generate"], repository, _build_environment(), directory / "generate.log")
    return repository


def build(repository: Path, say: Say, *, work: Path, architecture: str | None = None) -> Path:
    """Build functions and layers with `keyferry build`, and return the folder of the result.

    What is built can be deployed for its own processor alone.

    Args:
        repository: what to build.
        say: told of each step.
        work: where the log goes.
        architecture: what to build for, as Lambda calls it; by default this machine.
    """
    say("Building functions and layers (keyferry build)")
    began = time.monotonic()
    built_for = architecture or find_architecture()
    work.mkdir(parents=True, exist_ok=True)
    samconfig = repository / "samconfig.toml"
    samconfig.write_text(re.sub(r"Architecture=\w+", f"Architecture={built_for}", samconfig.read_text()))
    _run([_KEYFERRY, "build"], repository, _build_environment(), work / "build.log")
    say(f"Built for {built_for} in {time.monotonic() - began:.1f} s")
    return repository / "build"


def deploy(repository: Path, aws: Aws, *, stack_name: str, parameters: Mapping[str, str], say: Say) -> dict[str, str]:
    """Deploy what was built with `sam deploy`, and return the outputs of the stack."""
    say(f"Deploying the stack {stack_name} (sam deploy)")
    began = time.monotonic()
    program = tools.provide("sam", say) / "sam"
    argv: list[str | Path] = [
        *(program, "deploy", "--stack-name", stack_name, "--region", aws.region, "--no-progressbar"),
        *("--no-confirm-changeset", "--no-fail-on-empty-changeset"),
        *("--parameter-overrides", *_overrides(parameters)),
    ]
    environment = aws.inherit(os.environ) | _sam_environment(repository.parent)
    _run(argv, repository, environment, repository.parent / "deploy.log")
    say(f"Deployed in {time.monotonic() - began:.1f} s")
    stacks = aws.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}


def find_architecture() -> str:
    """Return the architecture of this machine as Lambda does: the functions run on it."""
    return _ARCHITECTURES[platform.machine()]


def _overrides(parameters: Mapping[str, str]) -> list[str]:
    chosen = {"Architecture": find_architecture()} | _NOT_EMULATED | dict(parameters)
    return [f'{name}="{value}"' for name, value in chosen.items()]


def _build_environment() -> dict[str, str]:
    """A build may fetch wheels, so it keeps the user's proxy and index settings; it has no business with AWS."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", *_OF_MAKE))}


def _sam_environment(directory: Path) -> dict[str, str]:
    """Keep SAM's own files here, and let it neither report nor look for a newer version of itself.

    It leaves a temporary folder behind for each archive that it uploads (samcli/lib/package/utils.py, zip_folder).
    """
    home = directory.resolve() / "sam"
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    known = {"telemetryEnabled": False, "lastVersionCheck": time.time()}
    (home / "metadata.json").write_text(json.dumps(known))
    folders = {"__SAM_CLI_APP_DIR": str(home), "TMPDIR": str(temporary)}
    return folders | {"SAM_CLI_TELEMETRY": "0", "SAM_CLI_POLL_DELAY": "0.2"}


def _run(argv: Sequence[str | Path], repository: Path, environment: Mapping[str, str], log: Path) -> None:
    """Run a step in a repository to its end, its output in a log."""
    with log.open("w") as output:
        done = subprocess.run(argv, cwd=repository, env=environment, stdout=output, stderr=output, check=False)
    if done.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        raise StackError(f"{log.stem} failed with exit code {done.returncode}. The end of {log}:\n{tail}")
