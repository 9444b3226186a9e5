"""Programs beside those of this package: SAM, the emulator, Go. Each is in an environment of its own, by locked hashes.

Their dependencies are pinned too tightly to share one. They are kept among the caches of the user, in a folder whose
name stands for the lock; it is finished when it has the file `installed`.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uv

from keyferry.cli.build.wheels import find_cache

_HERE = Path(__file__).parent
_HEARTBEAT = 15.0

Say = Callable[[str], None]


class ToolError(Exception):
    """A tool cannot be installed; the text has what uv says."""


def find_files(*names: str) -> Path:
    """Return the path of a file or folder that the wheel carries, and that is at the root of a checkout."""
    carried = _HERE.joinpath("carried", *names)
    return carried if carried.exists() else _HERE.parents[2].joinpath(*names)


def provide(name: str, say: Say = lambda _: None) -> Path:
    """Return the folder of a tool's programs; it is installed the first time.

    Args:
        name: that of its lock, requirements/NAME.txt. The AWS CLI is for the tests alone: the wheel has none of it.
        say: told what takes long.

    Raises:
        ToolError: it cannot be installed.
    """
    lock = find_files("requirements", f"{name}.txt")
    folder = name_folder(name, lock)
    if not (folder / "installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        with alone(folder.with_suffix(".lock"), say, f"installs {name}"):
            if not (folder / "installed").exists():
                say(f"Installing {name} into {folder}")
                _install(name, lock, folder)
    return folder / "bin"


def name_folder(name: str, lock: Path) -> Path:
    """Return where a tool of that lock is, once it is installed."""
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:16]
    return find_cache(os.environ) / "tools" / f"{name}-{digest}"


def _install(name: str, lock: Path, folder: Path) -> None:
    python, quietly = ["--python", sys.executable], ["--quiet", "--no-progress"]
    steps = (
        ["venv", *quietly, "--clear", *python, str(folder)],
        ["pip", "sync", *quietly, "--require-hashes", "--python", str(folder), str(lock)],
    )
    environment = os.environ | {"UV_PYTHON_DOWNLOADS": "never"}
    for step in steps:
        argv = [uv.find_uv_bin(), *step]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ToolError(f"{name} cannot be installed. uv says: {done.stderr.strip()}")
    (folder / "installed").touch()


@contextmanager
def alone(file: Path, say: Say, work: str) -> Iterator[None]:
    """Hold a lock, which the system gives back however we end: two runs do not make the same thing.

    Args:
        file: the file of the lock.
        say: told every 15 seconds that another run is waited for.
        work: what the other one does, as `installs sam`.
    """
    with file.open("w") as lock:
        told = -_HEARTBEAT
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() - told >= _HEARTBEAT:
                    say(f"Waiting for another run that {work}")
                    told = time.monotonic()
                time.sleep(0.2)
        yield
