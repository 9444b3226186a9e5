"""Python files as Lambda imports them: as bytecode that is never checked against its source.

A cold start has no time to compile, and /opt is read-only: a file that is stale there could not be replaced.
"""

import subprocess
import sys
from pathlib import Path

from keyferry.errors import InvalidInput

PYTHON = "3.13"
"""The runtime of the functions, as template.yaml has it."""
ROOT = "/opt/python"
"""Where Lambda puts what is in the folder `python` of a layer."""
ISOLATED = (sys.executable, "-I", "-S")
"""A Python that goes by no variable of the user, and has the standard library alone."""


def check_python(version: tuple[int, int] = sys.version_info[:2]) -> None:
    """Refuse a Python whose bytecode is not that of the runtime.

    Raises:
        InvalidInput: this is another minor version, with what to do.
    """
    own = ".".join(map(str, version))
    if own != PYTHON:
        raise InvalidInput(
            f"the functions run on Python {PYTHON}, and this is {own}, whose bytecode they cannot read: install"
            f" keyferry into an environment of Python {PYTHON}, as `uv venv --python {PYTHON}` makes it"
        )


def compile_folder(folder: Path, root: Path, *, workers: int = 1) -> None:
    """Compile all files of a folder, with their paths as they are on Lambda: tracebacks read well there.

    The same files give the same bytecode, wherever they are.

    Args:
        folder: the folder.
        root: the folder that is at /opt/python on Lambda, in which it is, or itself.
        workers: how many processes; 0 for one for each processor.

    Raises:
        InvalidInput: a file does not compile.
    """
    options = ["-q", "--invalidation-mode", "unchecked-hash", "-p", ROOT, "-s", str(root), "-j", str(workers)]
    done = subprocess.run(
        [*ISOLATED, "-m", "compileall", *options, str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise InvalidInput(f"{folder}: cannot be compiled: {done.stdout.strip() or done.stderr.strip()}")
