"""The code layer as it is built: all that the functions import, its licences, and nothing that they do not need."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from keyferry import __version__
from keyferry.runtime.layer import BUILT_FILE
from keyferry_local.install import Installation
from keyferry_local.stack import find_architecture

UNUSED = ["requests", "oauthlib", "websocket", "aiohttp", "certifi", "kubernetes/client/models", "kubernetes/config"]
IMPORT_ALL = """
import importlib, pathlib, sys
root = pathlib.Path(sys.argv[1])
sys.path[:0] = [str(root)]
modules = [path.relative_to(root).with_suffix("") for path in (root / "keyferry").rglob("*.py")]
for module in modules:
    importlib.import_module(".".join(module.parts).removesuffix(".__init__"))
import bcrypt, jinja2, re2
print(len(modules))
"""


@pytest.fixture
def layer(installed: Installation) -> Path:
    """The folder that the layer puts on the functions' path."""
    return installed.checkout / "build/layers/code/python"


def test_every_module_of_the_package_is_imported_from_the_layer_alone(layer: Path) -> None:
    argv = [sys.executable, "-I", "-S", "-B", "-c", IMPORT_ALL, str(layer)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50


def test_it_says_what_it_is_built_for(layer: Path) -> None:
    built = json.loads((layer / "keyferry" / BUILT_FILE).read_text())
    assert built == {"architecture": find_architecture(), "python": "3.13", "release": __version__}


def test_the_licence_of_whatever_ships_ships_with_it(layer: Path) -> None:
    texts = {path for path in layer.rglob("*") if any(word in path.name.lower() for word in ("licen", "copying"))}
    without = [dist.name for dist in layer.glob("*.dist-info") if not any(dist in text.parents for text in texts)]
    assert without == []
    assert "Apache License" in (layer / "keyferry/LICENSE").read_text()
    records = {dist.name.partition("-")[0].lower().replace("_", "-") for dist in layer.glob("*.dist-info")}
    assert {"kubernetes", "cffi", "cryptography", "boto3"} <= records


@pytest.mark.parametrize("name", UNUSED)
def test_what_no_function_needs_is_not_shipped(layer: Path, name: str) -> None:
    assert not (layer / name).exists()


@pytest.mark.parametrize("name", ["cli", "testing"])
def test_what_is_for_people_is_not_shipped(layer: Path, name: str) -> None:
    assert not (layer / "keyferry" / name).exists()
