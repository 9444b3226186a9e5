"""The wheels of the code layer: installed for a processor by their hashes, pruned, as bytecode, and kept.

They change rarely and are the same for everybody: they are kept in a folder whose name stands for all that they come
from. So it is never changed once it has that name, and builds that run side by side do not disturb each other.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from keyferry.cli.build import bytecode
from keyferry.cli.build.bytecode import ISOLATED, PYTHON, compile_folder
from keyferry.errors import InvalidInput

PLATFORMS = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}
"""Processor → which wheels fit: Python 3.13 of Lambda is on Amazon Linux 2023, with glibc 2.34."""

STEPS = 3
"""How often `provide_wheels` calls `step` where it has to make them."""
UNUSED_PACKAGES = (
    *("aiohappyeyeballs", "aiohttp", "aiohttp_retry", "aiosignal", "attr", "attrs", "certifi", "charset_normalizer"),
    *("durationpy", "frozenlist", "idna", "multidict", "oauthlib", "propcache", "pycparser", "requests"),
    *("requests_oauthlib", "websocket", "websocket_client", "yarl"),
)
"""What no function imports: most of what the Kubernetes client depends on, since most of that goes too. botocore and
urllib3 do without certifi and idna."""
UNUSED_PARTS = (
    *("cffi", "boto3/data", "boto3/dynamodb", "boto3/ec2", "boto3/examples", "boto3/s3", "dateutil/zoneinfo"),
    *("pydantic/mypy.py", "pydantic/v1", "bin", ".lock", "aws_lambda_powertools/event_handler"),
    *(
        f"aws_lambda_powertools/utilities/{name}"
        for name in (
            *("auth_alpha", "circuit_breaker", "data_masking", "feature_flags", "idempotency", "kafka", "parameters"),
            *("streaming", "validation"),
        )
    ),
)
"""Of packages that are used. Of cffi, which compiles C, cryptography needs `_cffi_backend` alone, beside it."""
KUBERNETES = {
    *("client/configuration.py", "client/exceptions.py", "client/rest.py"),
    *("utils/_retry_base.py", "utils/keepalive.py", "utils/retry.py"),
}
"""The modules of the Kubernetes client that keyferry.kube names, and those that they import: all that is kept of it.
Its packages' own `__init__` import everything."""
SERVICES = {"eks", "events", "secretsmanager", "sqs", "ssm", "sts"}
"""Those that are called, of the 440 that botocore describes."""
_IMPORT = "import sys; sys.path[:0] = sys.argv[1:]; from kubernetes.client import configuration, exceptions, rest"
_OLD_SECONDS = 86400
"""How old the folder of a build is that was killed: none takes a day."""


def find_cache(environment: Mapping[str, str]) -> Path:
    """Return the folder of what Keyferry keeps for later: `KEYFERRY_CACHE`, or a folder of the user's caches.

    Raises:
        InvalidInput: nothing names one, and the user has no home folder.
    """
    if named := environment.get("KEYFERRY_CACHE"):
        return Path(named)
    if caches := environment.get("XDG_CACHE_HOME"):
        return Path(caches) / "keyferry"
    try:
        return Path.home() / ".cache/keyferry"
    except RuntimeError:
        raise InvalidInput("you have no home folder: KEYFERRY_CACHE names the folder for what is kept") from None


def provide_wheels(requirements: Path, architecture: str, cache: Path, step: Callable[[], None] = lambda: None) -> Path:
    """Return a folder with the wheels of the code layer; it is made where it is not kept yet.

    Args:
        requirements: their versions and hashes.
        architecture: the processor, as Lambda calls it.
        cache: the folder of what is kept for later.
        step: called after each of `STEPS`.

    Raises:
        InvalidInput: they cannot be installed or kept, or what is left does not fit together.
    """
    folder = cache / "layers" / name_wheels(requirements, architecture)
    if folder.is_dir():
        return folder
    try:
        _make_wheels(requirements, architecture, folder, step)
    except OSError as error:
        where = f"{error.filename or folder}: cannot be written: {error.strerror}"
        raise InvalidInput(f"{where}; KEYFERRY_CACHE names another folder for what is kept") from None
    return folder


def _make_wheels(requirements: Path, architecture: str, folder: Path, step: Callable[[], None]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder.parent)
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent, ignore_cleanup_errors=True) as place:
        made = Path(place) / "python"
        _install(requirements, architecture, made)
        step()
        prune(made)
        _check_imports(made)
        step()
        compile_folder(made, made, workers=0)
        step()
        _put(made, folder)


def name_wheels(requirements: Path, architecture: str) -> str:
    """Return a name that stands for all that the folder comes from: the lock, this code, the Python that compiles."""
    digest = hashlib.sha256()
    for path in (requirements, Path(__file__), Path(bytecode.__file__)):
        digest.update(path.read_bytes())
    digest.update(sys.version.encode())
    return f"{architecture}-{digest.hexdigest()[:16]}"


def _remove_leftovers(folder: Path) -> None:
    """Remove what builds have left that were killed; those that may still run are let alone."""
    for place in folder.glob("*.*"):
        if time.time() - place.stat().st_mtime > _OLD_SECONDS:
            shutil.rmtree(place, ignore_errors=True)


def _put(made: Path, folder: Path) -> None:
    """Give it its name; whoever comes second finds that it is there."""
    try:
        made.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _install(requirements: Path, architecture: str, target: Path) -> None:
    argv = [
        *(_find_uv(), "pip", "install", "--quiet", "--no-progress", "--link-mode", "copy", "--target", str(target)),
        *("--python", sys.executable, "--python-version", PYTHON, "--python-platform", PLATFORMS[architecture]),
        *("--only-binary", ":all:", "--require-hashes", "--no-deps", "--requirement", str(requirements)),
    ]
    environment = os.environ | {"UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InvalidInput(
            f"the wheels of the code layer cannot be installed for {architecture}. uv says: {done.stderr.strip()}. They"
            " come from PyPI, or from where the settings of uv say (UV_DEFAULT_INDEX)"
        )


def _find_uv() -> str:
    """Return the program that the extra `cli` brings.

    Raises:
        InvalidInput: it is not there.
    """
    try:
        import uv  # noqa: PLC0415  # only a build needs it

        return uv.find_uv_bin()
    except (ImportError, FileNotFoundError):
        raise InvalidInput(
            "uv, which installs the wheels of the code layer, is missing: it comes with the extra cli of Keyferry's"
            " wheel, and with what requirements.txt pins"
        ) from None


def prune(folder: Path) -> None:
    """Remove what no function needs: packages, parts of packages, and of their records all but name and licence."""
    for name in UNUSED_PARTS:
        _remove(folder / name)
    for name in UNUSED_PACKAGES:
        _remove(folder / name)
        for record in folder.glob(f"{name}-*.dist-info"):
            _remove(record)
    for path in (folder / "kubernetes").rglob("*"):
        if path.is_file() and path.relative_to(folder / "kubernetes").as_posix() not in KUBERNETES:
            path.unlink()
    for path in (folder / "botocore/data").iterdir():
        if path.is_dir() and path.name not in SERVICES:
            _remove(path)
    for path in folder.glob("*.dist-info/**/*"):
        if path.is_file() and not _is_kept(path, folder):
            path.unlink()
    _remove_empty_folders(folder)


def _is_kept(path: Path, folder: Path) -> bool:
    """Return whether a file of a wheel's record names the package or is about its licence, or that of a part of it."""
    place = path.relative_to(folder).as_posix().lower()
    return path.name == "METADATA" or path.name.startswith("NOTICE") or "license" in place or "licence" in place


def _remove_empty_folders(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder comes before it
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _check_imports(folder: Path) -> None:
    """Import what is left of the Kubernetes client: it is pure Python, whatever processor it is for."""
    done = subprocess.run([*ISOLATED, "-B", "-c", _IMPORT, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2] or f"Python ends with {done.returncode}"
        raise InvalidInput(f"the Kubernetes client of the code layer cannot be imported as it is pruned: {said}")
