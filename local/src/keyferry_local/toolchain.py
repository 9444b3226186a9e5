"""Go: the one on the path where it is new enough, else a pinned one; and building a program with it."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from keyferry_local import tools

MINIMUM = (1, 26)

_HEARTBEAT = 15.0
# A Go that fetches another Go, or a workspace or target that the caller's shell is set up for, builds something else.
_FIXED = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off"}
_CALLERS = {"GOOS", "GOARCH", "GOEXPERIMENT"}

Say = Callable[[str], None]


class NoGoError(Exception):
    """There is no Go that is new enough, and none could be installed."""


class BuildError(Exception):
    """A build failed; the text ends with what the compiler said."""


def find(say: Say) -> Path:
    """Find Go on the path, or else install the pinned one."""
    on_path = shutil.which("go")
    if on_path and _version(Path(on_path)) >= MINIMUM:
        return Path(on_path)
    try:
        return tools.provide("go", say) / "go"
    except tools.ToolError as error:
        raise NoGoError(f"there is no Go that is new enough: {error}") from None


def build(go: Path, package: str, *, module: Path, flags: str, output: Path, waiting: Callable[[float], None]) -> None:
    """Build one program of a module; `waiting` hears the seconds so far, the compiler is heard only where it fails."""
    command: list[str | Path] = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", output, package]
    child = subprocess.Popen(
        command,
        cwd=module,
        env=_environment(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said = _await(child, waiting)
    finally:
        if child.poll() is None:  # interrupted: the compilers that it has started end with it
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
    if child.returncode != 0:
        raise BuildError(f"go build {package} failed:\n{said[-3000:].strip()}")


def _await(child: subprocess.Popen[str], waiting: Callable[[float], None]) -> str:
    begun = time.monotonic()
    while True:
        try:
            return child.communicate(timeout=_HEARTBEAT)[0]
        except subprocess.TimeoutExpired:
            waiting(time.monotonic() - begun)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name not in _CALLERS} | _FIXED


def _version(go: Path) -> tuple[int, int]:
    told = subprocess.run([go, "version"], env=_environment(os.environ), capture_output=True, text=True, check=False)
    found = re.search(r"\bgo(\d+)\.(\d+)", told.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)
