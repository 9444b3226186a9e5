"""The repository that a release is made of: its state in git, and a copy of what is committed."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from release.errors import Refused

PACKAGE = "layers/keyferry/src/keyferry/__init__.py"
"""The one file that says the version."""


@dataclass(frozen=True)
class Repository:
    """A checkout."""

    root: Path

    def check(self, version: str) -> None:
        """Do nothing if a release of a version can be made of it.

        Raises:
            Refused: the version is none, or not that of the package; it has a tag; or something is not committed.
        """
        if not re.fullmatch(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)", version):
            raise Refused(f"VERSION={version} should be three numbers, such as 1.2.0")
        if changes := self._git("status", "--porcelain"):
            raise Refused(f"not committed:\n{changes}\nCommit it, or put it away: a release is made of commits")
        if self._git("tag", "--list", f"v{version}"):
            raise Refused(f"there is a tag v{version}: choose the next version")
        if (own := self.read_version()) != version:
            raise Refused(f"{PACKAGE} says {own}: set __version__ to {version}, and commit that")

    def read_version(self) -> str:
        """Return what the package says of its version.

        Raises:
            Refused: it says none.
        """
        found = re.search(r'^__version__ = "(.+)"$', (self.root / PACKAGE).read_text(), re.MULTILINE)
        if not found:
            raise Refused(f"{PACKAGE} has no line `__version__ = …`")
        return found[1]

    def read_commit_time(self) -> int:
        """Return when the last commit was made, in seconds since 1970."""
        return int(self._git("log", "-1", "--format=%ct"))

    def copy(self, folder: Path) -> Path:
        """Write what is committed into a new folder, without anything else that lies here, and return the folder."""
        folder.mkdir()
        archive = subprocess.run(
            ["git", "archive", "--format=tar", "HEAD"], cwd=self.root, check=True, capture_output=True
        )
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        return folder

    def tag(self, version: str, text: str) -> str:
        """Make an annotated tag of the last commit, and return its name. The text may have headings."""
        name = f"v{version}"
        self._git("tag", "--annotate", "--cleanup=whitespace", "--message", f"Keyferry {version}\n\n{text}", name)
        return name

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Refused(f"git {arguments[0]}: {done.stderr.strip()}")
        return done.stdout.strip()
