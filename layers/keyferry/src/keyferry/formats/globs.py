"""Patterns of names, in which `*` stands for any characters and `?` for one: whether one covers or overlaps another."""

_ANY, _ONE = "*", "?"


def literal_prefix(pattern: str) -> str:
    """Return the text that every matching name starts with: all before the first `*` or `?`."""
    return pattern.partition(_ANY)[0].partition(_ONE)[0]


def covers(allowed: str, pattern: str) -> bool:
    """Return whether the pattern `allowed` matches every name that `pattern`, a pattern or a plain name, matches.

    True is always right. False can be wrong in one case: `*?` and `?*` match the same names, and are not seen as equal.
    """
    positions = {0}  # in `pattern`, as far as the part of `allowed` that was read can match
    for symbol in allowed:
        if symbol == _ANY:
            positions = set(range(min(positions), len(pattern) + 1))
        else:
            positions = {
                position + 1
                for position in positions
                if position < len(pattern) and _covers_symbol(symbol, pattern[position])
            }
        if not positions:
            return False
    return len(pattern) in positions


def overlap(one: str, other: str) -> bool:
    """Return whether both patterns match some name."""
    positions = _skip_stars({0}, other)
    for symbol in one:
        if symbol == _ANY:
            positions = set(range(min(positions), len(other) + 1))
        else:
            positions = _skip_stars(set(_advance(symbol, positions, other)), other)
        if not positions:
            return False
    return len(other) in positions


def _covers_symbol(symbol: str, other: str) -> bool:
    return symbol == other or (symbol == _ONE and other != _ANY)


def _advance(symbol: str, positions: set[int], other: str) -> list[int]:
    """Return the positions in `other` after one more symbol, which is not `*`, of the first pattern."""
    advanced = []
    for position in positions:
        if position < len(other) and other[position] == _ANY:
            advanced.append(position)
        elif position < len(other) and (symbol == other[position] or _ONE in (symbol, other[position])):
            advanced.append(position + 1)
    return advanced


def _skip_stars(positions: set[int], other: str) -> set[int]:
    """Return the positions, and those after each `*` at one of them, since a `*` can stand for nothing."""
    skipped = set(positions)
    for start in positions:
        position = start
        while position < len(other) and other[position] == _ANY:
            position += 1
            skipped.add(position)
    return skipped
