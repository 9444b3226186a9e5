"""Where a field belongs that stands in the wrong place, as the models have it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from pydantic import BaseModel

from keyferry.cli.check.documents import Document, fields_of_models
from keyferry.cli.check.problems import similarity
from keyferry.formats.yamltext import FieldPath

_ANY, _ITEM = "*", "[]"
"""Steps of a path in place of a key that users choose, and of an index."""
ALIKE, _CLOSE = 0.8, 0.6
"""How similar a name is at least to that of a field, if the field may be meant anywhere, and if no better one is."""


_REQUIRED: Mapping[FieldPath, str] = {("metadata",): "name"}
"""Place → the field that is always there, and that other places have as well."""


@dataclass(frozen=True)
class Meaning:
    """The field that is meant by one that is not known."""

    parent: FieldPath
    name: str

    @property
    def path(self) -> FieldPath:
        """The path of the field."""
        return *self.parent, self.name


def list_fields(root: type[BaseModel], path: FieldPath) -> set[str]:
    """Return the names of the fields that are possible in a part of a document; none where users choose the names."""
    return {name for place, name in _list_places(root) if _covers(place, path)}


def find_meaning(document: Document, root: type[BaseModel], path: FieldPath) -> Meaning | None:
    """Return the field that is meant by one that is not known; None if it is none of the language.

    A field of this name around it counts first, then a very similar one here, then one of this name anywhere.
    """
    if not path:  # an error of the whole document
        return None
    here, name = path[:-1], str(path[-1])
    places = [(place, field) for place, field in _list_places(root) if field == name]
    place, field = min(places, key=lambda pair: _rank(document, pair[0], pair[1], here), default=((), ""))
    similar = max((similarity(name, other), other) for other in list_fields(root, here) | {""})
    if field and (_is_around(place, here) or similar[0] < ALIKE):
        return Meaning(_fill(document, place, here), field)
    around = [
        (similarity(name, other), len(place), place, other)
        for place, other in _list_places(root)
        if _is_around(place, here)
    ]
    best, _, place, field = max(around, key=lambda candidate: candidate[:2], default=(0.0, 0, (), ""))
    if best >= ALIKE:
        return Meaning(_fill(document, place, here), field)
    return Meaning(here, similar[1]) if similar[0] >= _CLOSE else None


def find_misplaced(document: Document, root: type[BaseModel], path: FieldPath) -> tuple[FieldPath, Meaning] | None:
    """Return the first key on a path that users choose, if a field around it has its name and is probably meant.

    It is not where the part has a field of what stands there.
    """
    for length in range(1, len(path) + 1):
        here, name = path[: length - 1], path[length - 1]
        if not isinstance(name, str) or not here or list_fields(root, here):
            continue
        part, known = document.get(*path[:length]), list_fields(root, path[:length])
        around = [place for place, field in _list_places(root) if field == name and _is_around(place, here)]
        if around and not (isinstance(part, dict) and known & part.keys()):
            return path[:length], Meaning(_fill(document, max(around, key=len), here), name)
    return None


def takes_names(root: type[BaseModel], path: FieldPath) -> bool:
    """Return whether the keys of a part are names that users choose."""
    return any(
        place[-1:] == (_ANY,) and _is_around(place[:-1], path) and len(place) == len(path) + 1
        for place, _ in _list_places(root)
    )


@cache
def _list_places(root: type[BaseModel], place: FieldPath = ()) -> tuple[tuple[FieldPath, str], ...]:
    """Return each place of a language that has fields, with the name of each of its fields."""
    return tuple(_walk(root, place))


def _walk(model: type[BaseModel], place: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    for name, field in model.model_fields.items():
        yield place, field.alias or name
    for name, inner, container in fields_of_models(model):
        inner_place = (*place, name) if container is None else (*place, name, _ITEM if container is list else _ANY)
        yield from _walk(inner, inner_place)


def _covers(place: FieldPath, path: FieldPath) -> bool:
    """Return whether a part is at such a place. What stands in place of a list is at the place of its items."""
    return _is_around(place, path) and len(path) in (len(place), len(place) - (place[-1:] == (_ITEM,)))


def _is_around(place: FieldPath, path: FieldPath) -> bool:
    """Return whether a part at this path is at such a place, or within one there."""
    is_within = len(place) - (place[-1:] == (_ITEM,)) <= len(path)
    return is_within and all(step in (_ANY, _ITEM, other) for step, other in zip(place, path, strict=False))


def _distance(place: FieldPath, path: FieldPath) -> int:
    """Return how many steps lead up from a path and down to a place; up is nearer."""
    shared = 0
    while shared < min(len(place), len(path)) and place[shared] in (_ANY, _ITEM, path[shared]):
        shared += 1
    return (len(path) - shared) + 2 * (len(place) - shared)


def _rank(document: Document, place: FieldPath, field: str, here: FieldPath) -> tuple[bool, bool, int, int]:
    """Return how far a place is from a path: those that need the field are nearest, then those that are there."""
    filled = _fill(document, place, here)
    needs = _REQUIRED.get(place) == field and document.get(*filled, field) is None
    return not needs, not isinstance(document.get(*filled), dict), _distance(place, here), len(place)


def _fill(document: Document, place: FieldPath, path: FieldPath) -> FieldPath:
    """Return a place with the keys that a path has there, or else the first ones that a document has."""
    filled: FieldPath = ()
    for number, step in enumerate(place):
        is_shared = filled == path[:number] and number < len(path)
        part = document.get(*filled)
        if step not in (_ANY, _ITEM):
            filled = (*filled, step)
        elif is_shared:
            filled = (*filled, path[number])
        elif isinstance(part, dict) and part:
            filled = (*filled, next(iter(part)))
        else:
            filled = (*filled, 0 if step == _ITEM else _ANY)
    return filled
