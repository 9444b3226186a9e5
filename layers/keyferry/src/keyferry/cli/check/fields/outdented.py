"""Keys that begin no deeper than the key that they belong to, which is empty then."""

from collections.abc import Mapping

from pydantic import BaseModel

from keyferry.cli.check.documents import Document
from keyferry.cli.check.fields.levels import ALIKE, list_fields, takes_names
from keyferry.cli.check.problems import similarity
from keyferry.formats.yamltext import FieldPath


def list_outdented(document: Document, root: type[BaseModel], here: FieldPath) -> Mapping[str, FieldPath]:
    """Return the keys of a part that belong into an empty part above them, and the path of that one.

    Args:
        document: has the part.
        root: the model of the document.
        here: the path of the part.
    """
    part, fields = document.get(*here), list_fields(root, here)
    outdented: dict[str, FieldPath] = {}
    empty: FieldPath | None = None
    for key in part if isinstance(part, dict) else ():
        if empty is not None and key not in fields and _belongs(root, empty, key, fields):
            outdented[key] = empty
            continue
        last = _find_last(document, (*here, key))
        empty = last if document.get(*last) is None else None
    return outdented


def _find_last(document: Document, path: FieldPath) -> FieldPath:
    """Return the path of the last part that is written before a part has ended."""
    part = document.get(*path)
    while isinstance(part, dict | list) and part:
        path = (*path, next(reversed(part)) if isinstance(part, dict) else len(part) - 1)
        part = document.get(*path)
    return path


def _belongs(root: type[BaseModel], empty: FieldPath, key: str, fields: set[str]) -> bool:
    """Return whether a key belongs into an empty part, and is no slip of a field that is possible where it stands."""
    inner = list_fields(root, empty)
    if inner:
        return key in inner
    return takes_names(root, empty) and all(similarity(key, field) < ALIKE for field in fields)
