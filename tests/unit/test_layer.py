"""A layer that does not fit its function is told of in one line, before anything of it is imported."""

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from keyferry import __version__
from keyferry.cli import main
from keyferry.runtime.layer import BUILT_FILE, check_layer
from tests.unit.incident import load_app
from tests.unit.stack import ROOT

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
BUILT = {"architecture": "arm64", "python": PYTHON, "release": "1.2.3"}


def build(folder: Path, **other: str) -> Path:
    (folder / BUILT_FILE).write_text(json.dumps(BUILT | other))
    return folder


@pytest.mark.parametrize("machine", ["aarch64", "arm64"])
def test_a_layer_that_fits_is_not_told_of(tmp_path: Path, machine: str) -> None:
    check_layer(build(tmp_path), machine)


def test_a_checkout_is_no_layer_and_fits_everywhere(tmp_path: Path) -> None:
    check_layer(tmp_path, "riscv64")


@pytest.mark.parametrize(
    ("other", "machine", "layer", "function"),
    [
        ({}, "x86_64", f"arm64 with Python {PYTHON}", f"x86_64 with Python {PYTHON}"),
        ({"architecture": "x86_64"}, "aarch64", f"x86_64 with Python {PYTHON}", f"arm64 with Python {PYTHON}"),
        ({"python": "3.9"}, "aarch64", "arm64 with Python 3.9", f"arm64 with Python {PYTHON}"),
        ({}, "riscv64", f"arm64 with Python {PYTHON}", f"riscv64 with Python {PYTHON}"),
    ],
)
def test_one_that_does_not_fit_is_refused_with_what_both_are(
    tmp_path: Path, other: dict[str, str], machine: str, layer: str, function: str
) -> None:
    text = f"the code layer of release 1.2.3 is built for {layer}, and this function runs on {function}: run `keyferry"
    with pytest.raises(ImportError, match=re.escape(text)):
        check_layer(build(tmp_path, **other), machine)


@pytest.mark.parametrize("function", ["route", "deliver", "reconcile", "report"])
def test_each_function_without_its_layer_says_what_to_do(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyferry.runtime.layer", None)
    with pytest.raises(ImportError, match="has no code layer: run `keyferry build`, then `sam deploy`"):
        load_app(function, monkeypatch)


@pytest.mark.parametrize("function", ["route", "deliver", "reconcile", "report"])
def test_each_function_looks_at_its_layer_before_it_imports_anything_of_it(function: str) -> None:
    imports = [line for line in (ROOT / f"functions/{function}/app.py").read_text().splitlines() if "import" in line]
    ours = [line for line in imports if "keyferry" in line or "powertools" in line]
    assert ours[0].strip().startswith("from keyferry.runtime.layer import check_layer")


def test_the_check_itself_needs_nothing_of_the_layer_but_its_own_text() -> None:
    code = f"import sys; sys.path[:0] = [{str(ROOT / 'layers/keyferry/src')!r}]; import keyferry.runtime.layer"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


def test_the_release_is_said_in_one_place_for_both_wheels() -> None:
    assert CliRunner().invoke(main, ["--version"]).stdout.split() == ["main,", "version", __version__]
    assert importlib.metadata.version("keyferry") == importlib.metadata.version("keyferry-local") == __version__
    assert f"keyferry[cli]=={__version__}" in map(str, importlib.metadata.requires("keyferry-local") or ())
