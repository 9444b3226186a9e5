"""The parts of a JSON document as they are written: members, items, and the end of each value."""

import json
import re
from collections.abc import Iterator

from keyferry.budget import Budget

BYTES_PER_STEP = 10
"""How many characters of a document count as a step, when it is gone through."""
_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, object_pairs_hook=len)


def list_raw_members(text: str, start: int, budget: Budget) -> Iterator[tuple[str, int, int]]:
    """Yield key, start and end of the value of each member of an object.

    Args:
        text: a document that is JSON.
        start: where the object begins in it.
        budget: what the search may take.
    """
    position = _skip(text, start + 1)
    while text[position] != "}":
        key, position = read_string(text, position)
        begin = _skip(text, _skip(text, position) + 1)
        end = _find_end(text, begin)
        budget.spend(1 + (end - position) // BYTES_PER_STEP)
        yield key, begin, end
        position = _skip_comma(text, end)


def list_raw_items(text: str, start: int, budget: Budget) -> Iterator[tuple[int, int]]:
    """Yield start and end of each item of a list; otherwise as `list_raw_members`."""
    position = _skip(text, start + 1)
    while text[position] != "]":
        end = _find_end(text, position)
        budget.spend(1 + (end - position) // BYTES_PER_STEP)
        yield position, end
        position = _skip_comma(text, end)


def list_members(text: str, budget: Budget | None = None) -> dict[str, str]:
    """Return the members of an object as Go's JSON gives them to External Secrets.

    Args:
        text: an object of JSON, in which no key is twice.
        budget: what reading it may take.

    Returns:
        Key → text: of a string its characters, of null none, of anything else what stands in the document.
    """
    members = list_raw_members(text, _skip(text, 0), budget or Budget())
    return {key: _read_member(text[start:end]) for key, start, end in members}


def find_start(text: str) -> int:
    """Return where the value of a document begins."""
    return _skip(text, 0)


def read_string(text: str, start: int = 0) -> tuple[str, int]:
    """Return the characters of a string of JSON that begins somewhere in a text, and where it ends."""
    value, end = _DECODER.raw_decode(text, start)
    return str(value), end


def _read_member(raw: str) -> str:
    if raw[0] == '"':
        return read_string(raw)[0]
    return "" if raw == "null" else raw


def _skip(text: str, position: int) -> int:
    blank = _BLANK.match(text, position)
    return blank.end() if blank else position


def _skip_comma(text: str, position: int) -> int:
    position = _skip(text, position)
    return _skip(text, position + 1) if text[position] == "," else position


def _find_end(text: str, start: int) -> int:
    end: int = _DECODER.raw_decode(text, start)[1]
    return end
