"""The files of the application: those that the wheel carries, or those of the checkout that is installed."""

import re
from dataclasses import dataclass
from pathlib import Path

from keyferry.errors import InvalidInput

PACKAGE = Path(__file__).parents[2]
"""The folder of the package."""


@dataclass(frozen=True)
class Application:
    """Where the parts of a release are that a SAM project is made of."""

    folder: Path
    """It has the template, the functions, the licence, and the locked requirements."""
    package: Path = PACKAGE

    @property
    def template(self) -> Path:
        """The template of the stack."""
        return self.folder / "template.yaml"

    def list_parameters(self) -> list[str]:
        """Return the names of the template's parameters."""
        section = re.search(r"^Parameters:\n((?: .*\n|\n)+)", self.template.read_text(), re.MULTILINE)
        return re.findall(r"^  ([A-Za-z0-9]+):$", section[1], re.MULTILINE) if section else []

    @property
    def functions(self) -> Path:
        """A folder for each function."""
        return self.folder / "functions"

    @property
    def requirements(self) -> Path:
        """The wheels of the code layer, locked with hashes."""
        return self.folder / "requirements/layer.txt"

    @property
    def licence(self) -> Path:
        """The licence of all of it."""
        return self.folder / "LICENSE"


def find_application(package: Path = PACKAGE) -> Application:
    """Return the application of the installed release.

    Args:
        package: the folder of the package. The wheel has the files in it (`force-include` in pyproject.toml); of a
            checkout, layers/keyferry/src/keyferry is installed, and they are at its root.

    Raises:
        InvalidInput: they are in neither place.
    """
    for folder in (package / "application", *package.parents[3:4]):
        application = Application(folder, package)
        if application.template.is_file() and application.requirements.is_file():
            return application
    raise InvalidInput(
        f"{package} has no application with it: install keyferry[cli] from its wheel, or from a checkout"
    )
