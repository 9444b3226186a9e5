"""Sprig's functions for lists, and Go's own `index` and `len`."""

from collections.abc import Sequence

from keyferry.model import SecretValue
from keyferry.render.formatting import FilterError
from keyferry.render.go.function import function
from keyferry.render.go.values import Int64, NilList, is_equal, to_bytes


@function("list(...any) list", "tuple(...any) list", subject=0)
def make_list(*items: object) -> list[object]:
    """Return a list."""
    return list(items)


def _copy(items: object, name: str) -> list[object]:
    if not isinstance(items, list | tuple):
        raise FilterError(f"{name} takes a list")
    return list(items)


@function(
    "append(slice, any) list",
    "push(slice, any) list",
    "mustPush(slice, any) list",
    "mustAppend(slice, any) list",
    subject=0,
)
def append(items: Sequence[object], item: object) -> list[object]:
    """Return a list with one item more at its end."""
    return [*items, item]


@function("prepend(slice, any) list", "mustPrepend(slice, any) list", subject=0)
def prepend(items: Sequence[object], item: object) -> list[object]:
    """Return a list with one item more at its beginning."""
    return [item, *items]


@function("concat(...slice) list", subject=0)
def concat(*lists: Sequence[object]) -> list[object]:
    """Return the items of lists, one after the other."""
    return [item for items in lists for item in items] or NilList()


@function("first(slice) any", "mustFirst(slice) any")
def first(items: Sequence[object]) -> object:
    """Return the first item of a list."""
    return items[0] if items else None


@function("last(slice) any", "mustLast(slice) any")
def last(items: Sequence[object]) -> object:
    """Return the last item of a list."""
    return items[-1] if items else None


@function("rest(slice) list", "mustRest(slice) list")
def rest(items: Sequence[object]) -> list[object]:
    """Return a list without its first item."""
    return list(items[1:]) if items else NilList()


@function("initial(slice) list", "mustInitial(slice) list")
def initial(items: Sequence[object]) -> list[object]:
    """Return a list without its last item."""
    return list(items[:-1]) if items else NilList()


@function("reverse(slice) list", "mustReverse(slice) list")
def reverse(items: Sequence[object]) -> list[object]:
    """Return a list from its end to its beginning."""
    return list(items[::-1])


@function("compact(slice) list", "mustCompact(slice) list")
def compact(items: Sequence[object]) -> list[object]:
    """Return a list without empty items."""
    return [item for item in items if item]


@function("uniq(slice) list", "mustUniq(slice) list")
def remove_duplicates(items: Sequence[object]) -> list[object]:
    """Return a list with each item once."""
    kept: list[object] = []
    for item in items:
        if not has(item, kept):
            kept.append(item)
    return kept


@function("without(slice, ...any) list", "mustWithout(slice, ...any) list", subject=0)
def without(items: Sequence[object], *omitted: object) -> list[object]:
    """Return a list without some items."""
    return [item for item in items if not has(item, omitted)]


@function("has(any, any) bool", "mustHas(any, any) bool")
def has(item: object, items: object) -> bool:
    """Return whether a list has an item."""
    return items is not None and any(is_equal(item, other) for other in _copy(items, "has"))


@function("slice(slice, ...any) any", "mustSlice(slice, ...any) any", subject=0)
def cut(items: Sequence[object], *indexes: object) -> object:
    """Return a part of a list."""
    given = [index for index in indexes if isinstance(index, int)]
    if len(given) != len(indexes) or len(given) > 2:
        raise FilterError("it takes two whole numbers at most")
    start, end = [*given, *(0, len(items))[len(given) :]]
    if not items:
        return None
    if not 0 <= start <= end <= len(items):
        raise FilterError("it reaches beyond the list")
    return list(items[start:end])


@function("index(any, ...any) any", subject=0)
def index(value: object, *steps: object) -> object:
    """Return what indexes of lists and keys of maps lead to; nothing where a map lacks a key."""
    for step in steps:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list | tuple) and isinstance(step, int) and not isinstance(step, bool):
            if not 0 <= step < len(value):
                raise FilterError("it reaches beyond the list")
            value = value[step]
        else:
            raise FilterError("it takes a map and a text, or a list and a whole number")
    return value


@function("value(any) any")
def take_value(value: object) -> object:
    """Return a value, which must be there."""
    return value


@function("field(any, string) any", subject=0)
def take_field(value: object, name: str) -> object:
    """Return what a map has for a key, which it must have."""
    if not isinstance(value, dict) or name not in value:
        raise FilterError(f"there is no {name}")
    return value[name]


@function("len(any) int")
def count(value: object) -> int:
    """Return how many items a list or a map has, or how many bytes a text."""
    if isinstance(value, str | SecretValue):
        return len(to_bytes(value))
    if isinstance(value, list | tuple | dict):
        return len(value)
    raise FilterError("it takes a text, a list or a map")


@function("items(any) list")
def list_items(value: object) -> list[tuple[object, object]]:
    """Return what a range goes through, each with its key or its index: a map in the order of its keys."""
    if isinstance(value, dict):
        return [(key, value[key]) for key in sorted(value)]
    return list(enumerate(_copy([] if value is None else value, "range with an index")))


@function("each(any) list")
def list_each(value: object) -> object:
    """Return what a range goes through: the values of a map in the order of its keys, or the numbers below one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return range(value) if not isinstance(value, Int64) else [Int64(number) for number in range(value)]
    return [item for _, item in list_items(value)]


@function("chunk(int, slice) list", "mustChunk(int, slice) list")
def split_in_lists(size: int, items: Sequence[object]) -> list[object]:
    """Return the items of a list in lists of some size."""
    if size < 1 or not items:
        raise FilterError("it takes a size of one at least, and a list of something")
    return [list(items[start : start + size]) for start in range(0, len(items), size)]
