"""The compiled mappings, as the mappings layer holds them."""

from pathlib import Path

from pydantic import ValidationError

from keyferry.errors import MappingsUnreadable
from keyferry.formats.fields import CHECKED
from keyferry.mapping.catalog import Catalog

COMPILED_FILE = "mappings.json"
"""File name of the compiled mappings."""


def load_catalog(folder: Path) -> Catalog:
    """Return the compiled mappings of a folder.

    Raises:
        MappingsUnreadable: the folder has none, they cannot be read, or another version compiled them.
    """
    path = folder / COMPILED_FILE
    try:
        return Catalog.model_validate_json(path.read_bytes(), context={CHECKED: True})
    except OSError as error:
        remedy = "build the mappings layer with `keyferry build`, and deploy it"
        raise MappingsUnreadable(f"{path}: {error.strerror}; {remedy}") from None
    except ValidationError:
        remedy = "build both layers anew with `keyferry build`, and deploy them"
        raise MappingsUnreadable(f"{path}: damaged, or not compiled by this version; {remedy}") from None
