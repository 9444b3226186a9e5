"""The fields that stand in a wrong place or are not known, of which other errors of a document are only the effect."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

from pydantic import BaseModel

from keyferry.cli.check.documents import Document
from keyferry.cli.check.fields import others
from keyferry.cli.check.fields.levels import Meaning, find_meaning, find_misplaced, list_fields
from keyferry.cli.check.fields.outdented import list_outdented
from keyferry.cli.check.fields.shapes import dotted
from keyferry.cli.check.fields.unknown import describe_place, describe_unknown, list_wrapped
from keyferry.cli.check.problems import Problem
from keyferry.formats.yamltext import FieldPath


class _Error(Protocol):
    """What has to be known of an error."""

    type: str
    path: FieldPath
    at_key: bool

    @property
    def is_unknown(self) -> bool: ...

    def problem(self) -> Problem: ...


class Causes:
    """What was told of a document, and what that explains.

    Args:
        document: has the errors.
        model: of the document.
        unknown: the paths of all fields that are not known.
    """

    def __init__(self, document: Document, model: type[BaseModel], unknown: Iterable[FieldPath]) -> None:
        self._document, self._model = document, model
        self._told = set(document.told)
        self._meant: dict[FieldPath, FieldPath] = {}
        """Path of a field → the path where it stands instead."""
        self._around: set[FieldPath] = {path[:length] for path in self._told for length in range(len(path) + 1)}
        """The paths of all parts in which something was told, or is meant."""
        self._beside = {path[:-1] for path in document.told}
        self._outdented: dict[FieldPath, Mapping[str, FieldPath]] = {}
        self._meanings = {path: find_meaning(document, model, path) for path in unknown}
        pairs = ((path[:-1], meaning.parent) for path, meaning in self._meanings.items() if meaning)
        self._strays = Counter(pair for pair in pairs if self._lacks(pair[1]))

    def explain(self, error: _Error) -> Problem | None:
        """Return the problem of a key that is not known, not possible or in a wrong place; None for other errors."""
        if empty := self._find_empty(error.path):
            return self._tell_outdented(error.path, empty)
        misplaced = find_misplaced(self._document, self._model, error.path)
        if misplaced:
            path, meaning = misplaced
            message = f"{path[-1]} belongs {describe_place(path, meaning)}; here it is a key of {path[-2]}"
            return self._tell(path, message, meaning)
        if self._is_within_told(error.path):
            return None
        if error.is_unknown:
            return self._tell_unknown(error.path, self._meanings.get(error.path))
        return self._tell(error.path, error.problem().message) if error.at_key else None

    def explains(self, error: _Error) -> bool:
        """Return whether an error is the effect of what was told, or that itself."""
        path = error.path
        if error.is_unknown or error.at_key or self._is_within_told(path) or path in self._meant:
            return True
        is_empty = self._document.get(*path) is None  # because what belongs to it stands elsewhere, or is called else
        if is_empty and path[:-1] in self._beside:
            return True
        if error.type == "missing" and self._is_all_wrong(path[:-1]):
            return True
        return path in self._around and (error.type == "value_error" or is_empty)

    def _is_all_wrong(self, path: FieldPath) -> bool:
        """Return whether it was told of every key of a part that it is wrong."""
        part = self._document.get(*path)
        return isinstance(part, dict) and bool(part) and all((*path, key) in self._told for key in part)

    def _is_within_told(self, path: FieldPath) -> bool:
        """Return whether it was told already that a part is wrong, or one around it."""
        return any(path[:length] in self._told for length in range(len(path) + 1))

    def _lacks(self, path: FieldPath) -> bool:
        """Return whether a document has no such part, and has the one around it."""
        around = self._document.get(*path[:-1]) if path else None
        return isinstance(around, dict) and path[-1] not in around

    def _find_empty(self, path: FieldPath) -> FieldPath | None:
        """Return the path of the empty part that a key belongs into; None for all others."""
        here = path[:-1]
        if not path or not isinstance(path[-1], str):
            return None
        if here not in self._outdented:
            self._outdented[here] = list_outdented(self._document, self._model, here)
        return self._outdented[here].get(path[-1])

    def _tell_outdented(self, path: FieldPath, empty: FieldPath) -> Problem | None:
        is_new = not self._is_within_told(empty) and not self._is_within_told(path)
        self._told |= {path, empty}
        message = f"{path[-1]} begins no deeper than {empty[-1]}, which is empty so; indent all that belongs into"
        return self._document.problem(path, f"{message} {dotted(empty)}", at_key=True) if is_new else None

    def _tell_unknown(self, path: FieldPath, meaning: Meaning | None) -> Problem | None:
        here, parent = path[:-1], meaning.parent if meaning else ()
        cause = next(
            (self._meant[step] for end in range(len(parent)) if (step := parent[: end + 1]) in self._meant), ()
        )
        if cause and cause[:-1] == here:
            self._told.add(path)
            return None
        if self._strays[here, parent] > 1:
            self._note(parent, path)
            message = f"{dotted(parent)} is missing; write {parent[-1]}: above this, and indent what belongs into it"
            return self._tell(path, message, meaning)
        wrapped = list_wrapped(self._document, self._model, path)
        own = others.find_own(str(path[-1]))
        for name in [*wrapped, *([own] if own in list_fields(self._model, here) else [])]:
            self._note((*here, name), path)
        return self._tell(path, describe_unknown(self._document, self._model, path, meaning), meaning)

    def _note(self, meant: FieldPath, path: FieldPath) -> None:
        self._meant[meant] = path
        self._around |= {meant[:length] for length in range(len(meant) + 1)}

    def _tell(self, path: FieldPath, message: str, meaning: Meaning | None = None) -> Problem | None:
        is_new = not self._is_within_told(path)
        self._told.add(path)
        self._around |= {path[:length] for length in range(len(path) + 1)}
        if meaning:
            self._note(meaning.path, path)
        return self._document.problem(path, message, at_key=True) if is_new else None
