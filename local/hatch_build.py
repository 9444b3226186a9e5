"""Gives the wheel the release of the package beside it, and a dependency on that very release, which it deploys."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PACKAGE = "../layers/keyferry/src/keyferry/__init__.py"


class Release(MetadataHookInterface):
    """Reads the release from the package, which is not installed when this wheel is built."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add `version` and `dependencies`."""
        found = re.search(r'^__version__ = "(.+)"$', (Path(self.root) / _PACKAGE).read_text(), re.MULTILINE)
        assert found, f"{_PACKAGE} names no __version__"
        metadata["version"] = found[1]
        metadata["dependencies"] = [f"keyferry[cli]=={found[1]}", *self.config["dependencies"]]
