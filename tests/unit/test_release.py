"""A release is refused for whatever would make it another one than it says; and what it is made of."""

import json
import subprocess
import zipfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from release.artifacts import PROJECTS, build_wheels, write_checksums
from release.changelog import read_section
from release.errors import Refused
from release.repository import PACKAGE, Repository
from release.sbom import describe_layer
from tests.unit.stack import ROOT

CHANGELOG = """# Changelog

## Unreleased

## 1.2.0 - 2026-11-29

### Added

- A thing.

### What the upgrade needs

A new pin.

## 1.1.0 - 2026-10-01

### What the upgrade needs

Nothing.
"""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository whose last commit is ready for release 1.2.0."""
    made = Repository(tmp_path / "repository")
    package = made.root / PACKAGE
    package.parent.mkdir(parents=True)
    package.write_text('__version__ = "1.2.0"\n')
    (made.root / "CHANGELOG.md").write_text(CHANGELOG)
    git(made, "init", "--quiet")
    commit(made)
    return made


def git(repository: Repository, *arguments: str) -> str:
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.com"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=repository.root, check=True, capture_output=True, text=True).stdout.strip()


def commit(repository: Repository) -> None:
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "Change something")


def test_what_is_ready_is_not_refused(repository: Repository) -> None:
    repository.check("1.2.0")


@pytest.mark.parametrize(
    "version", ["", "1.2", "v1.2.0", "1.2.0rc1", "1.02.0", "1.2.0\n", "1.2.0 --force", "1.2.\u0663"]
)
def test_a_version_that_is_not_three_numbers_is_refused(repository: Repository, version: str) -> None:
    with pytest.raises(Refused, match=r"should be three numbers, such as 1\.2\.0"):
        repository.check(version)


@pytest.mark.parametrize("name", ["new.txt", "CHANGELOG.md"])
def test_what_is_not_committed_is_refused_by_its_name(repository: Repository, name: str) -> None:
    (repository.root / name).write_text("other")
    with pytest.raises(Refused, match=f"not committed(?s:.*){name}"):
        repository.check("1.2.0")


def test_a_version_that_has_a_tag_is_refused(repository: Repository) -> None:
    git(repository, "tag", "v1.2.0")
    with pytest.raises(Refused, match=r"there is a tag v1\.2\.0"):
        repository.check("1.2.0")


def test_another_version_than_that_of_the_package_is_refused_with_the_line_to_change(repository: Repository) -> None:
    with pytest.raises(Refused, match=rf"{PACKAGE} says 1\.2\.0: set __version__ to 1\.3\.0"):
        repository.check("1.3.0")


def test_a_package_that_says_no_version_is_refused(repository: Repository) -> None:
    (repository.root / PACKAGE).write_text("")
    commit(repository)
    with pytest.raises(Refused, match=f"{PACKAGE} has no line"):
        repository.check("1.2.0")


def test_what_is_no_repository_is_refused_with_what_git_says(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="git status: fatal: not a git repository"):
        Repository(tmp_path).check("1.2.0")


def test_the_section_of_a_version_ends_where_the_next_begins() -> None:
    section = read_section(CHANGELOG, "1.2.0")
    assert section == "### Added\n\n- A thing.\n\n### What the upgrade needs\n\nA new pin.\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("## 1.2.0 - 2026-11-29", "## 1.2.0"),
        ("## 1.2.0 - 2026-11-29", "## 1.2.0 - soon"),
        ("## 1.2.0 - 2026-11-29", "## 1.2.01 - 2026-11-29"),
        ("## 1.2.0 - 2026-11-29", "### More"),
    ],
)
def test_a_changelog_without_the_section_of_the_version_is_refused(old: str, new: str) -> None:
    with pytest.raises(Refused, match=r"no section `## 1\.2\.0 - YYYY-MM-DD` \(it has: Unreleased, .*1\.1\.0"):
        read_section(CHANGELOG.replace(old, new), "1.2.0")


@pytest.mark.parametrize(
    "needed", ["", "### What the upgrade needs\n", "### What the upgrade needs\n\n### More\n\nA.\n"]
)
def test_a_section_that_does_not_say_what_the_upgrade_needs_is_refused(needed: str) -> None:
    with pytest.raises(Refused, match=r"1\.2\.0: `### What the upgrade needs` is missing or empty"):
        read_section(CHANGELOG.replace("### What the upgrade needs\n\nA new pin.\n", needed, 1), "1.2.0")


def test_the_changelog_here_says_what_the_next_upgrade_needs() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert read_section(text.replace("## Unreleased", "## 9.9.9 - 2026-11-29"), "9.9.9")


def test_the_tag_has_the_section_of_the_changelog_with_its_headings(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "somebody")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "somebody@example.com")
    assert repository.tag("1.2.0", read_section(CHANGELOG, "1.2.0")) == "v1.2.0"
    assert git(repository, "cat-file", "-t", "v1.2.0") == "tag"
    text = git(repository, "tag", "--list", "--format=%(contents)", "v1.2.0")
    assert text.startswith("Keyferry 1.2.0\n\n### Added\n\n- A thing.\n\n### What the upgrade needs\n")


def test_a_copy_has_what_is_committed_and_nothing_else(repository: Repository, tmp_path: Path) -> None:
    (repository.root / ".gitignore").write_text("*.secret\n")
    commit(repository)
    (repository.root / "canary.secret").write_text("canary-local")
    copied = repository.copy(tmp_path / "copy")
    assert sorted(path.name for path in copied.iterdir()) == [".gitignore", "CHANGELOG.md", "layers"]


def test_wheels_of_the_same_commit_are_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for name in ("first", "second"):
        build_wheels(ROOT, tmp_path / name, 1_790_000_000)
        made.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert made[0] == made[1]
    assert len(made[0]) == len(PROJECTS)
    [package] = (tmp_path / "first").glob("keyferry-*.whl")
    times = {entry.date_time for entry in zipfile.ZipFile(package).infolist()}
    assert times == {(2026, 9, 21, 14, 13, 20)}


def test_a_wheel_that_does_not_build_is_refused_with_what_was_said(tmp_path: Path) -> None:
    project = tmp_path / PROJECTS[0]
    project.mkdir(parents=True)
    (project / "pyproject.toml").write_text("[project]\n")
    with pytest.raises(Refused, match=r"`hatchling build` in keyferry fails:(?s:.*)project\.version"):
        build_wheels(tmp_path, tmp_path / "made", 1_790_000_000)


def test_checksums_are_those_that_sha256sum_checks(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    write_checksums(tmp_path)
    said = subprocess.run(
        ["sha256sum", "--check", "SHA256SUMS"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert said.stdout == "a: OK\nb: OK\n"


LICENCES = {
    "expression": "License-Expression: Apache-2.0 OR BSD-3-Clause",
    "field": "License: MIT",
    "classifiers": "Classifier: License :: OSI Approved :: BSD License",
    "text": "License: Copyright somebody\n        All rights\nClassifier: License :: OSI Approved :: BSD License",
}


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A layer of packages that say what their licence is in each way there is."""
    for name, line in LICENCES.items():
        folder = tmp_path / "python" / f"A_{name}-1.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: A_{name}\nVersion: 1.0\n{line}\n")
    return tmp_path / "python"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    (tmp_path / "keyferry-1.2.0-py3-none-any.whl").write_text("a wheel")
    return tmp_path / "keyferry-1.2.0-py3-none-any.whl"


def test_the_bill_of_materials_is_one_of_cyclonedx_and_names_each_package_with_its_licence(
    layer: Path, wheel: Path
) -> None:
    text = describe_layer(layer, wheel, "1.2.0", 1_790_000_000)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    assert {each["purl"]: list_licences(each) for each in bill["components"]} == {
        "pkg:pypi/a-expression@1.0": ["Apache-2.0 OR BSD-3-Clause"],
        "pkg:pypi/a-field@1.0": ["MIT"],
        "pkg:pypi/a-classifiers@1.0": ["BSD License"],
        "pkg:pypi/a-text@1.0": ["BSD License"],
    }
    assert bill["metadata"]["component"]["purl"] == "pkg:pypi/keyferry@1.2.0"


def test_the_bill_of_materials_has_the_hash_of_the_wheel(layer: Path, wheel: Path) -> None:
    bill = json.loads(describe_layer(layer, wheel, "1.2.0", 1_790_000_000))
    said = subprocess.run(["sha256sum", wheel], check=True, capture_output=True, text=True).stdout
    assert bill["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": said.split()[0]}]


def list_licences(component: dict[str, list[dict[str, dict[str, str]]]]) -> list[object]:
    """Return the licences of a component: by id, by expression, or by name."""
    return [
        each.get("expression") or each["license"].get("id") or each["license"]["name"] for each in component["licenses"]
    ]


def test_the_bill_of_materials_of_the_same_layer_is_the_same(layer: Path, wheel: Path) -> None:
    first, second = (describe_layer(layer, wheel, "1.2.0", 1_790_000_000) for _ in range(2))
    assert first == second
