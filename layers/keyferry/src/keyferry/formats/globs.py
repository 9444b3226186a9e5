"""Patterns of names, in which `*` stands for any characters and `?` for one: what lies within one, what two share."""

_ANY, _ONE = "*", "?"


def literal_prefix(pattern: str) -> str:
    """Return how every name begins that it fits."""
    return pattern.partition(_ANY)[0].partition(_ONE)[0]


def covers(allowed: str, pattern: str) -> bool:
    """Return whether a pattern fits every name that another one, or a name, can stand for.

    Where the answer is yes it is sure. `*?` and `?*`, which fit the same names, are not known to be one.
    """
    reached = {0}
    for symbol in allowed:
        if symbol == _ANY:
            reached = set(range(min(reached), len(pattern) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(pattern) and _fits(symbol, pattern[at])}
        if not reached:
            return False
    return len(pattern) in reached


def overlap(one: str, other: str) -> bool:
    """Return whether there is a name that both patterns fit."""
    reached = _skipping({0}, other)
    for symbol in one:
        if symbol == _ANY:
            reached = set(range(min(reached), len(other) + 1))
        else:
            reached = _skipping(set(_steps(symbol, reached, other)), other)
        if not reached:
            return False
    return len(other) in reached


def _fits(symbol: str, held: str) -> bool:
    return symbol == held or (symbol == _ONE and held != _ANY)


def _steps(symbol: str, reached: set[int], other: str) -> list[int]:
    """Return where one character of the first pattern leads to in the other."""
    steps = []
    for at in reached:
        if at < len(other) and other[at] == _ANY:
            steps.append(at)
        elif at < len(other) and (symbol == other[at] or _ONE in (symbol, other[at])):
            steps.append(at + 1)
    return steps


def _skipping(reached: set[int], other: str) -> set[int]:
    """Return the places with those after a `*`, which can stand for nothing."""
    found = set(reached)
    for at in reached:
        place = at
        while place < len(other) and other[place] == _ANY:
            place += 1
            found.add(place)
    return found
