"""Follow a path of gjson in a JSON text."""

from collections.abc import Iterator
from dataclasses import dataclass

from keyferry.budget import Budget
from keyferry.formats.gjson.checking import find_unsupported
from keyferry.formats.gjson.found import Found, compare
from keyferry.formats.gjson.matching import matches
from keyferry.formats.gjson.paths import Step, read_list_step, read_object_step, split_pipe
from keyferry.formats.gjson.queries import Query
from keyferry.formats.gjson.text import BYTES_PER_STEP, find_start, list_raw_items, list_raw_members

_STEPS_OF_QUERY = 4
"""What it costs to look at an item, beside finding it."""


class Unsupported(ValueError):
    """A path needs what is refused. The message continues a sentence about the path."""


@dataclass
class _State:
    """How a search ends: what is found, and the path after a `|`, by which it begins anew."""

    text: str
    budget: Budget
    found: Found | None = None
    pipe: str | None = None


def get(text: str, path: str, budget: Budget | None = None) -> Found | None:
    """Return what a path selects; None for nothing.

    Args:
        text: a JSON document in which no object has a key twice.
        path: the path.
        budget: what the search may take.

    Raises:
        OverBudget: it takes more.
        Unsupported: the path needs what is refused, or looks into a text.
    """
    try:
        return _get(text, path, budget or Budget())
    except RecursionError:
        raise Unsupported("is nested too deeply") from None
    except Unsupported:
        raise
    except ValueError as error:  # of the grammar of paths
        raise Unsupported(str(error)) from None


def _get(text: str, path: str, budget: Budget) -> Found | None:
    budget.spend(1 + len(path) // 10)
    if unsupported := find_unsupported(path):
        raise Unsupported(unsupported)
    start = find_start(text)
    if path.startswith("@this") and path[5:6] in ("", ".", "|"):
        budget.spend(len(text) // BYTES_PER_STEP)
        if path[5:]:
            return _get(text, path[6:], budget)
        return Found(text[start:] if text[start] in "{[" else text[start:].rstrip())
    if text[start] not in "{[":
        if text[start] == '"' and ("{" in text or "[" in text):
            raise Unsupported("looks for a part of what is text, with a brace or bracket in it")
        return None
    state = _State(text, budget)
    search = _search_object if text[start] == "{" else _search_list
    search(state, start, path)
    if state.pipe is None:
        return state.found
    if unsupported := find_unsupported(state.pipe):
        raise Unsupported(unsupported)
    return _get(state.found.raw, state.pipe, budget) if state.found else None


def _search_object(state: _State, start: int, path: str) -> bool:
    """Look for a path in an object; return whether the search is over."""
    step = read_object_step(path)
    if step.rest is None and step.pipe is not None:
        state.pipe = step.pipe
    for key, begin, end in list_raw_members(state.text, start, state.budget):
        is_match = matches(key, step.part, state.budget) if step.is_pattern else key == step.part
        if is_match and _follow(state, begin, end, step):
            return True
    return False


def _follow(state: _State, begin: int, end: int, step: Step) -> bool:
    """Take a value that a step has chosen, or look for the rest of the path in it."""
    if step.rest is None:
        state.found = Found(state.text[begin:end])
        return True
    if state.text[begin] == "{":
        return _search_object(state, begin, step.rest)
    return state.text[begin] == "[" and _search_list(state, begin, step.rest)


def _search_list(state: _State, start: int, path: str) -> bool:
    """Look for a path in a list; return whether the search is over."""
    step = read_list_step(path)
    if step.rest is None and step.pipe is not None:
        state.pipe = step.pipe
    items = list_raw_items(state.text, start, state.budget)
    if step.query:
        return _search_by_query(state, items, step)
    if not step.counts:
        chosen = _read_index(step.part)
        return any(number == chosen and _follow(state, *item, step) for number, item in enumerate(items))
    if step.part != "#":
        return False
    if step.each is None:
        state.found = Found(str(sum(1 for _ in items)))
    else:
        state.found = _collect(state, items, step.each)
    return True


def _read_index(part: str) -> int:
    """Return an index; -1 for what is none. Go's are of 64 bits, and what is more begins anew."""
    if not (part.isascii() and part.isdecimal()):
        return -1
    return int(part) % 2**64


def _collect(state: _State, items: Iterator[tuple[int, int]], path: str) -> Found:
    """Return the list of what a path finds in each item."""
    each, pipe = split_pipe(path)
    if pipe is not None:
        state.pipe = pipe
    found = (_get(state.text[begin:end], each, state.budget) for begin, end in items)
    return _join(each.raw for each in found if each)


def _join(parts: Iterator[str]) -> Found:
    return Found(f"[{','.join(parts)}]")


def _search_by_query(state: _State, items: Iterator[tuple[int, int]], step: Step) -> bool:
    """Look for the first item that a query takes, and the rest of the path in it; with `#`, for all of them."""
    made: list[str] = []
    query, rest = step.query, step.rest
    for begin, end in items:
        state.budget.spend(_STEPS_OF_QUERY)
        item = Found(state.text[begin:end])
        if query is None or not _is_taken(item, query, state.budget):
            continue
        found: Found | None = item
        if rest is not None:
            rest, pipe = split_pipe(rest)
            state.pipe = state.pipe if pipe is None else pipe
            found = _get(item.raw, rest, state.budget)
        if not query.takes_all:
            state.found = found
            return True
        if found:
            made.append(found.raw)
    if query and query.takes_all and state.found is None:
        state.found = _join(iter(made))
    return False


def _is_taken(item: Found, query: Query, budget: Budget) -> bool:
    """Return whether an item of a list is what a query looks for."""
    if item.kind == "json":
        return compare(_get(item.raw, query.path, budget), query, budget)
    return not query.path and compare(item, query, budget)
