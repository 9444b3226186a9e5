"""The stack on the local cloud, by the steps that a user takes: put mappings in place, generate, build, deploy.

The template and everything in it are the real ones, byte for byte; so is SAM.
"""

import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from keyferry.cli import sam
from keyferry_local.aws import Aws

Say = Callable[[str], None]

_ROOT = Path(__file__).resolve().parents[3]
_SAM = _ROOT / ".tools/sam/bin/sam"
_KEYFERRY = _ROOT / ".venv/bin/keyferry"
_COPIED = ("LICENSE", "template.yaml", "samconfig.toml", "requirements", "functions", "layers")
_CACHES = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*_cache")
_OF_MAKE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")
_ARCHITECTURES = {"aarch64": "arm64", "arm64": "arm64", "x86_64": "x86_64", "AMD64": "x86_64"}

_NOT_EMULATED = {"AccessEntries": "false", "EventBusPolicy": "false"}
"""Parameters that leave out the resource types that the emulator lacks: AWS::EKS::AccessEntry, …::EventBusPolicy."""


class StackError(Exception):
    """A step towards the deployed stack failed; the text ends with what it printed last."""


def stage(directory: Path, mappings: Path, *, source: Path = _ROOT) -> Path:
    """Make a checkout with these mappings and what is generated from them, ready to build."""
    staged = directory / "checkout"
    staged.mkdir(parents=True, exist_ok=True)
    for name in _COPIED:
        _copy(source / name, staged / name)
    _copy(mappings, staged / "mappings")
    if not (staged / ".tools").is_symlink():
        (staged / ".tools").symlink_to(_ROOT / ".tools")  # uv, and the wheels of the code layer
    shutil.rmtree(staged / "generated", ignore_errors=True)
    argv: list[str | Path] = [
        _KEYFERRY,
        "--mappings",
        staged / "mappings",
        "generate",
        "--to",
        staged / "generated",
    ]
    _run(argv, staged, _build_environment(directory), directory / "generate.log")
    return staged


def build(checkout: Path, say: Say, *, work: Path, architecture: str | None = None) -> Path:
    """Build functions and layers with `sam build`, and return the folder of the result.

    What is built can be deployed for its own processor alone.

    Args:
        checkout: what to build.
        say: told of each step.
        work: where SAM's log and own files go.
        architecture: what to build for, as Lambda calls it; by default this machine.
    """
    say("Building functions and layers (sam build)")
    began = time.monotonic()
    built_for = architecture or find_architecture()
    work.mkdir(parents=True, exist_ok=True)
    # Its own settings of samconfig.toml are in the default environment alone; none of them is needed.
    argv: list[str | Path] = [_SAM, "build", "--build-in-source", "--parameter-overrides", f"Architecture={built_for}"]
    _run(argv, checkout, _build_environment(work), work / "build.log")
    built = checkout / ".aws-sam/build"
    template = built / "template.yaml"
    template.write_text(sam.limit_architecture(template.read_text(), built_for))
    say(f"Built for {built_for} in {time.monotonic() - began:.1f} s")
    return built


def deploy(staged: Path, aws: Aws, *, stack_name: str, parameters: Mapping[str, str], say: Say) -> dict[str, str]:
    """Deploy what was built with `sam deploy`, and return the outputs of the stack."""
    say(f"Deploying the stack {stack_name} (sam deploy)")
    began = time.monotonic()
    argv: list[str | Path] = [
        *(_SAM, "deploy", "--stack-name", stack_name, "--region", aws.region, "--no-progressbar"),
        *("--no-confirm-changeset", "--no-fail-on-empty-changeset"),
        *("--parameter-overrides", *_overrides(parameters)),
    ]
    environment = aws.inherit(os.environ) | _sam_environment(staged.parent)
    _run(argv, staged, environment, staged.parent / "deploy.log")
    say(f"Deployed in {time.monotonic() - began:.1f} s")
    stacks = aws.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}


def find_architecture() -> str:
    """Return the architecture of this machine as Lambda does: the functions run on it."""
    return _ARCHITECTURES[platform.machine()]


def _overrides(parameters: Mapping[str, str]) -> list[str]:
    chosen = {"Architecture": find_architecture()} | _NOT_EMULATED | dict(parameters)
    return [f'{name}="{value}"' for name, value in chosen.items()]


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, ignore=_CACHES)
    else:
        shutil.copy(source, target)


def _build_environment(directory: Path) -> dict[str, str]:
    """A build may fetch wheels, so it keeps the user's proxy and index settings; it has no business with AWS."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", *_OF_MAKE))}
    path = os.pathsep.join([str(_ROOT / ".venv/bin"), str(_ROOT / ".tools/uv/bin"), os.environ.get("PATH", os.defpath)])
    return kept | {"PATH": path, "AWS_DEFAULT_REGION": "eu-west-1"} | _sam_environment(directory)


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


def _run(argv: Sequence[str | Path], checkout: Path, environment: Mapping[str, str], log: Path) -> None:
    """Run a step in a checkout to its end, its output in a log."""
    with log.open("w") as output:
        done = subprocess.run(argv, cwd=checkout, env=environment, stdout=output, stderr=output, check=False)
    if done.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        raise StackError(f"{log.stem} failed with exit code {done.returncode}. The end of {log}:\n{tail}")
