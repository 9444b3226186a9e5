"""The contract of the folders holds what it says: it is broken once in each way, in a copy."""

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "layers/keyferry/src/keyferry"
CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]
LAYERS, PURE = (
    next(contract for contract in CONTRACTS if contract["type"] == kind) for kind in ("layers", "forbidden")
)
FOLDERS = [[part.strip() for part in layer.split("|")] for layer in LAYERS["layers"]]
"""The folders of each layer, from the top."""


def lint(copy: Path) -> tuple[int, str]:
    """Return exit code and output of the import linter on a copy of the package."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache", "--config"]
    done = subprocess.run(
        [*command, str(ROOT / "pyproject.toml")],
        cwd=copy,
        env={"PYTHONPATH": str(copy), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, which the linter finds before the one that is installed."""
    place = tmp_path_factory.mktemp("copy")
    shutil.copytree(PACKAGE, place / "keyferry", ignore=shutil.ignore_patterns("__pycache__"))
    return place


@pytest.mark.parametrize(
    ("module", "text", "said"),
    [
        ("stray.py", "import boto3\n", "- keyferry.stray"),
        ("mapping/stray.py", "import os\n", "keyferry.mapping.stray -> os"),
        ("policy/stray.py", "from http.client import HTTPSConnection\n", "keyferry.policy.stray -> http"),
        ("render/deep/stray.py", "from subprocess import run\n", "keyferry.render.deep.stray -> subprocess"),
        (
            "stores/stray.py",
            "from keyferry.mapping import catalog\n",
            "keyferry.stores.stray -> keyferry.mapping.catalog",
        ),
        ("kube/stray.py", "from keyferry.aws import eks\n", "keyferry.kube.stray -> keyferry.aws.eks"),
    ],
)
def test_a_module_in_the_wrong_place_or_with_the_wrong_import_breaks_it(
    copy: Path, module: str, text: str, said: str
) -> None:
    planted = copy / "keyferry" / module
    new = not planted.parent.exists()
    planted.parent.mkdir(exist_ok=True)
    (planted.parent / "__init__.py").touch()
    planted.write_text(text)
    code, output = lint(copy)
    shutil.rmtree(planted.parent) if new else planted.unlink()
    assert (code, said in output) == (1, True), output


def test_what_breaks_nothing_passes(copy: Path) -> None:
    code, output = lint(copy)
    assert (code, "2 kept, 0 broken" in output) == (0, True), output


def test_a_pure_module_that_reaches_os_through_another_breaks_it(copy: Path) -> None:
    arn = copy / "keyferry/arn.py"
    before = arn.read_text()
    arn.write_text(f"import os\n{before}")
    code, output = lint(copy)
    arn.write_text(before)
    assert (code, "keyferry.arn -> os" in output, "keyferry.role is not allowed to import os" in output) == (
        1,
        True,
        True,
    )


def test_every_folder_below_the_edges_is_pure() -> None:
    edges = next(number for number, layer in enumerate(FOLDERS) if "aws" in layer)
    below = {f"keyferry.{folder}" for layer in FOLDERS[edges + 1 :] for folder in layer}
    assert set(PURE["source_modules"]) == below
    assert "allow_indirect_imports" not in PURE
    assert not any("ignore_imports" in contract for contract in CONTRACTS)


def test_whatever_is_no_edge_is_covered_by_the_unit_tests_alone() -> None:
    edges = next(number for number, layer in enumerate(FOLDERS) if "aws" in layer)
    omitted = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("EDGES :="))
    assert set(omitted.removeprefix("EDGES :=").split()) <= {
        folder for layer in FOLDERS[: edges + 1] for folder in layer
    }


@pytest.mark.parametrize("folder", sorted({module.parent for module in PACKAGE.rglob("*.py")}), ids=str)
def test_no_folder_has_more_modules_than_one_can_look_through(folder: Path) -> None:
    assert len(list(folder.glob("*.py"))) <= 16


SOURCES = sorted(
    path for folder in ("layers/keyferry/src", "local/src", "release") for path in (ROOT / folder).rglob("*.py")
)


def test_no_module_is_longer_than_one_can_read_at_once() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    assert lengths
    assert {name: length for name, length in lengths.items() if length > 300} == {}


def test_no_function_is_longer_than_one_can_see_at_once() -> None:
    lengths = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert lengths
    assert {name: length for name, length in lengths.items() if length > 40} == {}
