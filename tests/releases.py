"""The release before this one, as it was committed: what an upgrade begins with, and what a roll-back goes to."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BEFORE_RELEASES = "795138b9ee91a19d613cd0110fb5752e0facd758"
"""The last commit from which people deployed a checkout: there is no tag before it."""


def name_previous() -> str:
    """Return the last tag before the commit that is tested, or else the last commit before there were any."""
    described = _git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "HEAD^")
    return described.stdout.decode().strip() or BEFORE_RELEASES


def extract_previous(folder: Path) -> Path:
    """Write the release before this one into a new folder, and return that.

    A shallow clone gets its history first; where that cannot be had, the test is skipped.

    Raises:
        AssertionError: this is no clone, or one without that commit; the text says how to get it.
    """
    is_shallow = _git("rev-parse", "--is-shallow-repository").stdout.strip() == b"true"
    if is_shallow and _git("fetch", "--unshallow", "--tags").returncode:
        pytest.skip("a shallow clone, whose history cannot be had: nothing to upgrade from")
    previous = name_previous()
    archive = _git("archive", "--format=tar", previous)
    assert archive.returncode == 0, (
        f"{previous} is not in this clone, and the tests of upgrades begin with it: `git fetch --unshallow --tags`, or"
        f" clone with the whole history ({archive.stderr.decode().strip()})"
    )
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    return folder


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
