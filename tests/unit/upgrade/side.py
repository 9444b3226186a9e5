"""Both sides of an upgrade, each a process with the package of its release."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keyferry import __version__
from tests.releases import ROOT

_DRIVER = "tests/unit/upgrade/driver.py"


@dataclass
class Side:
    """A release, as it lies in a folder; its process starts with the first step."""

    root: Path
    release: str
    _process: "subprocess.Popen[str] | None" = field(default=None, repr=False)

    def do(self, step: str, **needs: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
        """Let the release do a step of `driver.py`, and return the answer."""
        process = self._process = self._process or self._start()
        assert process.stdin
        assert process.stdout
        print(json.dumps({"do": step, **needs}, default=str), file=process.stdin, flush=True)
        answer = process.stdout.readline()
        assert answer, f"{self.release} ended at {step!r}: {process.stderr and process.stderr.read()}"
        return dict(json.loads(answer))

    def run(self, code: str) -> "subprocess.CompletedProcess[str]":
        """Run some Python with the package of this release."""
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=self._environment(), capture_output=True, text=True, check=False)

    def end(self) -> None:
        """End its process."""
        if self._process:
            self._process.communicate()

    def _start(self) -> "subprocess.Popen[str]":
        own = self.root / _DRIVER
        driver = own if own.exists() else ROOT / _DRIVER
        pipe = subprocess.PIPE
        command = [sys.executable, str(driver)]
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=self._environment())

    def _environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": str(self.root / "layers/keyferry/src"), "AWS_DEFAULT_REGION": "eu-west-1"}


def build_sides(previous: Path, name: str) -> tuple[Side, Side]:
    """Return the release before this one, and this one."""
    return Side(previous, name), Side(ROOT, __version__)
