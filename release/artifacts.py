"""What a release is made of: both wheels, the same bytes each time for the same commit, the layer, and checksums."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from release.errors import Refused

PROJECTS = ("layers/keyferry", "local")
CHECKSUMS = "SHA256SUMS"


def build_wheels(source: Path, target: Path, seconds: int) -> None:
    """Build both wheels.

    Args:
        source: what is committed.
        target: the folder to write them to.
        seconds: the time that is written into them, since 1970 (reproducible-builds.org, SOURCE_DATE_EPOCH).

    Raises:
        Refused: a wheel cannot be built; the text ends with what hatchling said.
    """
    for project in PROJECTS:
        build = ["build", "--target", "wheel", "--directory", str(target.resolve())]
        _run("hatchling", build, source / project, {"SOURCE_DATE_EPOCH": str(seconds)})


def build_layer(source: Path) -> Path:
    """Build the application as a user does, and return the folder of the code layer's packages.

    Raises:
        Refused: it cannot be built.
    """
    _run("keyferry", ["build"], source, {})
    [built] = (source / "build").rglob("keyferry/built.json")
    return built.parents[1]


def write_checksums(folder: Path) -> None:
    """Write the file that `sha256sum --check` reads, of all other files of a folder."""
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / CHECKSUMS).write_text("".join(sums))


def _run(program: str, arguments: list[str], folder: Path, more: Mapping[str, str]) -> None:
    """Run a program of the development environment."""
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    done = subprocess.run(command, cwd=folder, env=os.environ | more, capture_output=True, text=True, check=False)
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}".strip()
        raise Refused(f"`{program} {arguments[0]}` in {folder.name} fails:\n{said[-2000:]}")
