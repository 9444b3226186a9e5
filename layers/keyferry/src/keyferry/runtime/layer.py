"""Check that the code layer fits the function that it is in, before anything of it is imported.

It needs the standard library alone: native modules of another processor or Python do not load. Where this module is not
found, there is no layer.
"""

import json
import os
import sys
from pathlib import Path

from keyferry import __version__

BUILT_FILE = "built.json"
"""What the layer was built for: `architecture`, `python`, `release`. `keyferry build` writes it."""
_ARCHITECTURES = {"aarch64": "arm64", "arm64": "arm64", "x86_64": "x86_64"}
"""Processor as the kernel calls it → as Lambda calls it."""
_REMEDY = "run `keyferry build` for the Architecture that samconfig.toml names, then `sam deploy`"


def read_release() -> str:
    """Return the release of the layer: handlers ask for it here, those of the release before and after too."""
    return __version__


def check_layer(folder: Path = Path(__file__).parent.parent, machine: str = os.uname().machine) -> None:
    """Do nothing if the layer fits, or if the package was not built as a layer.

    Args:
        folder: the folder of the package.
        machine: the processor of the function, as the kernel calls it.

    Raises:
        ImportError: it does not fit. Lambda's runtime logs the text in one line of JSON, and ends: an error of the
            function for each message; the messages stay on their queue (`run` in its bootstrap.py).
    """
    try:
        built = json.loads((folder / BUILT_FILE).read_bytes())
    except FileNotFoundError:
        return
    layer = f"{built['architecture']} with Python {built['python']}"
    function = f"{_ARCHITECTURES.get(machine, machine)} with Python {sys.version_info.major}.{sys.version_info.minor}"
    if layer != function:
        raise ImportError(
            f"the code layer of release {built['release']} is built for {layer}, and this function runs on {function}:"
            f" {_REMEDY}"
        )
