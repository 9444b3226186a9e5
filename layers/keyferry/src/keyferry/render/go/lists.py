"""Sprig's functions for lists and maps, and Go's own `index` and `len`."""

from collections.abc import Sequence

from keyferry.model import SecretValue
from keyferry.render.formatting import FilterError
from keyferry.render.go.function import function
from keyferry.render.go.printing import write
from keyferry.render.go.values import Int64, Map, NilList, is_equal, to_bytes


@function("list(...any) list", "tuple(...any) list", subject=0)
def make_list(*items: object) -> list[object]:
    """Return a list."""
    return list(items)


@function("dict(...any) map", subject=0)
def make_dict(*parts: object) -> Map:
    """Return a map of keys and values, one after the other; the last key may lack one."""
    padded = [*parts, ""] if len(parts) % 2 else parts
    return Map((write(key), value) for key, value in zip(padded[::2], padded[1::2], strict=True))


@function("newDict(any) map")
def make_empty(_value: object) -> Map:
    """Return a map of nothing."""
    return Map()


@function("get(map, string) any", subject=0)
def get(members: Map, key: str) -> object:
    """Return a value of a map; empty text where there is none."""
    return members.get(key, "")


@function("set(map, string, any) map", subject=0)
def set_member(members: Map, key: str, value: object) -> Map:
    """Change a value of a map, and return the map."""
    members[key] = value
    return members


@function("unset(map, string) map", subject=0)
def remove_member(members: Map, key: str) -> Map:
    """Take a value out of a map, and return the map."""
    members.pop(key, None)
    return members


@function("hasKey(map, string) bool", subject=0)
def has_key(members: Map, key: str) -> bool:
    """Return whether a map has a key."""
    return key in members


@function("pluck(string, ...map) list", subject=0)
def pluck(key: str, *maps: Map) -> list[object]:
    """Return the values that maps have for a key."""
    return [members[key] for members in maps if key in members]


@function("keys(...map) unordered")
def list_keys(*maps: Map) -> list[str]:
    """Return the keys of maps; Go has them in no order."""
    return [key for members in maps for key in members]


@function("values(map) unordered")
def list_values(members: Map) -> list[object]:
    """Return the values of a map; Go has them in no order."""
    return list(members.values())


@function("pick(map, ...string) map", subject=0)
def pick(members: Map, *keys: str) -> Map:
    """Return the members of a map that have some keys."""
    return Map((key, members[key]) for key in keys if key in members)


@function("omit(map, ...string) map", subject=0)
def omit(members: Map, *keys: str) -> Map:
    """Return the members of a map without some keys."""
    return Map((key, value) for key, value in members.items() if key not in keys)


@function("dig(...any) any")
def dig(*arguments: object) -> object:
    """Return what some keys lead to, one within the other; the last but one argument where there is nothing."""
    *keys, default, holder = arguments
    if not keys or not isinstance(holder, Map):
        raise FilterError("it takes keys that are text, a default and a map")
    for key in keys:
        if not isinstance(holder, Map) or not isinstance(key, str):
            raise FilterError("it finds what is no map")
        if key not in holder:
            return default
        holder = holder[key]
    return holder


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


@function("merge(map, ...map) any", "mustMerge(map, ...map) any", subject=0)
def merge(first: Map, *others: Map) -> Map:
    """Add to a map what it lacks, or has empty, from others."""
    for other in others:
        _merge(first, other, is_stronger=False)
    return first


@function("mergeOverwrite(map, ...map) any", "mustMergeOverwrite(map, ...map) any", subject=0)
def merge_over(first: Map, *others: Map) -> Map:
    """Put into a map what others have."""
    for other in others:
        _merge(first, other, is_stronger=True)
    return first


def _merge(target: Map, other: dict[str, object], *, is_stronger: bool) -> None:
    for key, value in other.items():
        if value is None:
            raise FilterError("it gets a map with nil in it")
        mine = target.get(key)
        if isinstance(mine, Map) and isinstance(value, dict):
            _merge(mine, value, is_stronger=is_stronger)
        elif key not in target or is_stronger or not mine:
            target[key] = value


@function("deepCopy(any) any", "mustDeepCopy(any) any")
def copy(value: object) -> object:
    """Return a copy of a value, with all that it holds. Go fails at nil, and leaves it as it is within others."""
    if value is None:
        raise FilterError("it gets nil")
    return _copy_deeply(value)


def _copy_deeply(value: object) -> object:
    if isinstance(value, Map):
        return Map((key, _copy_deeply(item)) for key, item in value.items())
    return [_copy_deeply(item) for item in value] if isinstance(value, list) else value


@function("chunk(int, slice) list", "mustChunk(int, slice) list")
def split_in_lists(size: int, items: Sequence[object]) -> list[object]:
    """Return the items of a list in lists of some size."""
    if size < 1 or not items:
        raise FilterError("it takes a size of one at least, and a list of something")
    return [list(items[start : start + size]) for start in range(0, len(items), size)]
