"""`make release` from a clone: what it makes, and that the bill of materials is of what is really in the layer."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from keyferry import __version__
from keyferry.cli.build.wheels import UNUSED_PACKAGES
from release.repository import PACKAGE
from tests.releases import ROOT

VERSION = "9.9.9"
MODULES = {"cffi": "_cffi_backend", "google-re2": "re2", "python-dateutil": "dateutil", "pyyaml": "yaml"}
"""Package → its module, where the names differ."""
BESIDE = {"_yaml", "keyferry", "__pycache__"}
"""What else is in the layer: a second module of pyyaml, Keyferry itself."""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone whose last commit is ready to be released."""
    root = tmp_path_factory.mktemp("clone") / "repository"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(root)], check=True)
    package, changelog = root / PACKAGE, root / "CHANGELOG.md"
    package.write_text(package.read_text().replace(f'"{__version__}"', f'"{VERSION}"'))
    changelog.write_text(changelog.read_text().replace("## Unreleased", f"## {VERSION} - 2026-11-29"))
    run(root, "git", "commit", "--quiet", "--all", "--message", f"Release {VERSION}")
    return root


def run(root: Path, *command: str, code: int = 0) -> str:
    """Run a command in the clone as somebody with a name, and return what it said."""
    identity = {
        f"GIT_{role}_{what}": f"somebody{more}"
        for role in ("AUTHOR", "COMMITTER")
        for what, more in (("NAME", ""), ("EMAIL", "@example.com"))
    }
    done = subprocess.run(command, cwd=root, env=os.environ | identity, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def released(clone: Path) -> Path:
    """What a release has made."""
    run(clone, sys.executable, "-m", "release", VERSION)
    return clone / "dist" / VERSION


def test_a_release_is_two_wheels_a_bill_of_materials_its_changes_and_checksums(clone: Path, released: Path) -> None:
    wheels = [f"{name}-{VERSION}-py3-none-any.whl" for name in ("keyferry", "keyferry_local")]
    names = {*wheels, f"keyferry-{VERSION}.cdx.json", "CHANGELOG.md", "SHA256SUMS"}
    assert {path.name for path in released.iterdir()} == names
    assert "FAILED" not in run(released, "sha256sum", "--check", "--strict", "SHA256SUMS")
    assert (released / "SHA256SUMS").read_text().count("\n") == len(names) - 1
    assert "### What the upgrade needs" in (released / "CHANGELOG.md").read_text()
    assert run(clone, "git", "tag", "--points-at", "HEAD") == f"v{VERSION}\n"
    assert [path.name for path in (clone / "dist").iterdir()] == [VERSION]


def test_the_wheels_are_of_the_release_and_the_second_needs_the_first(released: Path) -> None:
    for name in ("keyferry", "keyferry_local"):
        with zipfile.ZipFile(released / f"{name}-{VERSION}-py3-none-any.whl") as wheel:
            metadata = wheel.read(f"{name}-{VERSION}.dist-info/METADATA").decode()
        assert f"\nVersion: {VERSION}\n" in metadata
        assert (f"Requires-Dist: keyferry[cli]=={VERSION}\n" in metadata) == (name == "keyferry_local")


def test_a_second_release_of_the_same_version_is_refused_and_changes_nothing(clone: Path, released: Path) -> None:
    before = {path.name: path.read_bytes() for path in released.iterdir()}
    said = run(clone, sys.executable, "-m", "release", VERSION, code=1)
    assert said == f"no release is made: there is a tag v{VERSION}: choose the next version\n"
    assert {path.name: path.read_bytes() for path in released.iterdir()} == before


def test_the_bill_of_materials_is_of_what_is_locked_and_really_in_the_layer(clone: Path, released: Path) -> None:
    bill = json.loads((released / f"keyferry-{VERSION}.cdx.json").read_text())
    listed = {each["name"]: each["version"] for each in bill["components"]}
    locked = dict(re.findall(r"^(\S+)==(\S+)", (ROOT / "requirements/layer.txt").read_text(), re.MULTILINE))
    pruned = {name.replace("_", "-") for name in UNUSED_PACKAGES}
    assert listed == {name: version for name, version in locked.items() if name not in pruned}
    assert all(each["licenses"] for each in bill["components"])
    [digest] = bill["metadata"]["component"]["hashes"]
    assert f"{digest['content']}  keyferry-{VERSION}-py3-none-any.whl\n" in (released / "SHA256SUMS").read_text()

    run(clone, str(Path(sys.executable).with_name("keyferry")), "build")
    [built] = (clone / "build").rglob("keyferry/built.json")
    there = {path.name.split(".")[0] for path in built.parents[1].iterdir() if path.suffix != ".dist-info"}
    assert there - BESIDE == {MODULES.get(name, name.replace("-", "_")) for name in listed}
