"""Sprig's functions for maps."""

from keyferry.render.formatting import FilterError
from keyferry.render.go.function import function
from keyferry.render.go.text.printing import write
from keyferry.render.go.values import Map


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
