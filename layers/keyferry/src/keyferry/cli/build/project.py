"""A SAM project, as `sam deploy` takes it: the template, functions, both layers as folders, nested templates."""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from keyferry.cli.build.application import Application
from keyferry.cli.build.bytecode import PYTHON, compile_folder
from keyferry.cli.sam import ARCHITECTURES
from keyferry.errors import InvalidInput
from keyferry.mapping.catalog import Catalog
from keyferry.runtime.compiled import COMPILED_FILE
from keyferry.runtime.layer import BUILT_FILE

TEMPLATE = "template.yaml"
CODE, MAPPINGS = "layers/code", "layers/mappings"
"""The folders of the layers, as the template names them."""
_FOLDERS = ("functions", "layers", "generated")
ENTRIES = (TEMPLATE, *_FOLDERS)
"""What a project consists of."""
_NOT_SHIPPED = ("cli", "testing", "application", "__main__.py", "__pycache__")
"""Of the package, what functions do not need."""
_NO_RELEASE = "    Value: unbuilt # `keyferry build` writes its release here\n"
_ARCHITECTURE = "    Default: {}\n    AllowedValues: [{}]\n"


@dataclass(frozen=True)
class Project:
    """What a SAM project is made of."""

    application: Application
    wheels: Path
    """The wheels of the code layer, for the processor."""
    architecture: str
    release: str
    catalog: Catalog
    mappings: str
    """The name of the folder of the mappings."""
    templates: Mapping[str, str]
    """The nested templates: name, as `stack/access.yaml`, and text."""

    def write(self, folder: Path) -> None:
        """Write the project into an empty folder. The same parts give the same bytes, and the same modes of files.

        Raises:
            InvalidInput: it cannot be written; the message names the file.
        """
        try:
            template = limit_architecture(self.application.template.read_text(), self.architecture)
            (folder / TEMPLATE).write_text(name_release(template, self.release))
            no_caches = shutil.ignore_patterns("__pycache__")
            shutil.copytree(self.application.functions, folder / "functions", ignore=no_caches)
            for name, text in self.templates.items():
                _write(folder / "generated" / name, text)
            _write(folder / MAPPINGS / "keyferry/mappings" / COMPILED_FILE, dump_catalog(self.catalog, self.mappings))
            self._write_code(folder / CODE / "python")
            _set_modes(folder)
        except OSError as error:
            raise InvalidInput(f"{error.filename or folder}: cannot be written: {error.strerror}") from None

    def _write_code(self, folder: Path) -> None:
        shutil.copytree(self.wheels, folder)
        package = folder / "keyferry"
        shutil.copytree(self.application.package, package, ignore=self._leave_out)
        shutil.copy(self.application.licence, package / "LICENSE")
        built = {"architecture": self.architecture, "python": PYTHON, "release": self.release}
        (package / BUILT_FILE).write_text(json.dumps(built) + "\n")
        compile_folder(package, folder)

    def _leave_out(self, folder: str, names: list[str]) -> set[str]:
        unused = _NOT_SHIPPED if Path(folder) == self.application.package else ("__pycache__",)
        return set(names).intersection(unused)


def dump_catalog(catalog: Catalog, folder: str) -> str:
    """Return the mappings in the form that the functions read.

    Args:
        catalog: the mappings.
        folder: the name of their folder, without what is above it: the same files give the same bytes everywhere.
    """
    named = catalog.model_copy(update={"folder": folder})
    return named.model_dump_json(by_alias=True, exclude_defaults=True) + "\n"


def limit_architecture(template: str, architecture: str) -> str:
    """Return the template that allows one processor alone: CloudFormation refuses to deploy it for another.

    Args:
        template: the text of template.yaml.
        architecture: what the code layer is built for.
    """
    any_of_them = _ARCHITECTURE.format(ARCHITECTURES[0], ", ".join(ARCHITECTURES))
    if template.count(any_of_them) != 1:
        raise ValueError("the parameter Architecture is not where it was")
    return template.replace(any_of_them, _ARCHITECTURE.format(architecture, architecture))


def name_release(template: str, release: str) -> str:
    """Return the template whose stack tells its release in its outputs.

    No parameter does: `sam deploy` keeps the value that a parameter had before.
    """
    if template.count(_NO_RELEASE) != 1:
        raise ValueError("the output Release is not where it was")
    return template.replace(_NO_RELEASE, f"    Value: {release}\n")


@contextmanager
def replace_project(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to write a project into; at the end it takes the place of the one that is there.

    Where writing fails, the last project stays as it was. Its template goes first and comes last: a run that is killed
    in between leaves nothing that could be deployed. Other things in the folder stay, such as the projects of other
    environments.

    Raises:
        InvalidInput: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder):
            for leftover in folder.glob(".part-*"):  # of a run that was killed
                shutil.rmtree(leftover)
            with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as place:
                new, old = Path(place) / "new", Path(place) / "old"
                new.mkdir()
                old.mkdir()
                yield new
                _swap(folder, new, old)
    except OSError as error:
        raise InvalidInput(f"{error.filename or folder}: cannot be written: {error.strerror}") from None


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Let one run after the other write there; the system gives the lock back however a run ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _swap(folder: Path, new: Path, old: Path) -> None:
    for name in ENTRIES:
        if (folder / name).exists():
            (folder / name).rename(old / name)
    for name in reversed(ENTRIES):
        (new / name).rename(folder / name)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, newline="\n")


def _set_modes(folder: Path) -> None:
    """Let everybody read, whatever the user's mask is: functions run as another user than the owner."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def measure(folder: Path) -> tuple[int, int]:
    """Return how many bytes and files a folder has."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(sizes), len(sizes)
