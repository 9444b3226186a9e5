"""A user's own repository, and whoever works in it: an administrator of the local cloud, at a terminal."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from keyferry_local import binaries
from keyferry_local.cloud import Cloud
from keyferry_local.stack import find_architecture
from tests.integration.terminal import record

ROOT = Path(__file__).resolve().parents[2]
_SHIM = """\
try:
    from samcli.lib.utils import s3
except ImportError:  # another program's Python
    pass
else:
    parse = s3.parse_s3_url
    s3.parse_s3_url = lambda url, *more, **named: parse(str(url).replace({endpoint!r}, "https://s3"), *more, **named)
"""
"""`sam delete` looks for the files of nested stacks at the addresses of AWS alone, which begin so."""
_SETTINGS = """\
[{environment}.global.parameters]
stack_name = "{stack}"
region = "eu-west-1"

[{environment}.deploy.parameters]
template_file = "build/{folder}template.yaml"
capabilities = "CAPABILITY_NAMED_IAM CAPABILITY_AUTO_EXPAND"
resolve_s3 = true
s3_prefix = "{stack}"
parameter_overrides = [
  "Architecture={processor}", "AccessEntries=false", "EventBusPolicy=false", "RoleNamePrefix={stack}"
]

[{environment}.keyferry.parameters]
mappings = "{mappings}"
"""
"""An environment of samconfig.toml; without the two types of resources that the local cloud lacks."""


@dataclass(frozen=True)
class Repository:
    """The repository, and the terminal in it."""

    cloud: Cloud
    folder: Path

    def add_environment(self, stack: str, mappings: str = "mappings", environment: str = "default") -> None:
        """Add an environment to samconfig.toml, whose roles are called after the stack."""
        path, folder = self.folder / "samconfig.toml", "" if environment == "default" else f"{environment}/"
        settings = {"environment": environment, "stack": stack, "mappings": mappings, "folder": folder}
        before = path.read_text() if path.exists() else "version = 0.1\n"
        path.write_text(before + _SETTINGS.format(**settings, processor=find_architecture()))

    def write(self, files: Mapping[str, str]) -> None:
        """Write files into the repository."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    @property
    def environment(self) -> dict[str, str]:
        """The environment: the tools, the kubeconfigs, and a SAM that reports nothing."""
        home = self.folder / ".sam"
        home.mkdir(exist_ok=True)
        (home / "metadata.json").write_text(json.dumps({"telemetryEnabled": False, "lastVersionCheck": time.time()}))
        (home / "sitecustomize.py").write_text(_SHIM.format(endpoint=self.cloud.aws.endpoint))
        tools = [*(ROOT / f".tools/{name}/bin" for name in ("sam", "awscli")), binaries.provide(print).kubectl.parent]
        path = [str(Path(sys.executable).parent), *map(str, tools), os.environ["PATH"]]
        return self.cloud.aws.inherit(os.environ) | {
            "PATH": os.pathsep.join(path),
            "KUBECONFIG": os.pathsep.join(str(plane.kubeconfig) for plane in self.cloud.clusters.values()),
            "__SAM_CLI_APP_DIR": str(home),
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "0.2",
            "PYTHONPATH": str(home),
        }

    def run(self, command: str, *codes: int) -> str:
        """Run a shell command, say yes to every question, and return what it prints.

        Args:
            command: one command, or several lines of them.
            codes: the exit codes that are right; none for 0 alone.
        """
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env=self.environment,
            input="y\n" * 5,
            capture_output=True,
            text=True,
            check=False,
        )
        record([command], done.stdout + done.stderr, self.folder / "log")
        assert done.returncode in (codes or (0,)), f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def read_commands(page: str) -> list[str]:
    """Return the blocks of shell commands of a guide, such as `docs/operate/remove.md`."""
    text = (ROOT / page).read_text()
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
