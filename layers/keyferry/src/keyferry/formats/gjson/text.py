"""The parts of a JSON document as they are written: members, items, the end of each value, and what escapes mean."""

import json
import re
from collections.abc import Iterator

from keyferry.budget import Budget

BYTES_PER_STEP = 10
"""How many characters of a document count as a step, when it is gone through."""
_BLANK = re.compile(r"[ \t\r\n]*")
_ESCAPES = {"\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"'}
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


def unescape(text: str) -> str:
    """Return the text of a string of JSON from what is between its quotes; what is no escape ends it, as in gjson."""
    result, position = "", 0
    while position < len(text):
        sign = text[position]
        if sign < " ":
            return result
        position += 1
        if sign == "\\":
            sign = text[position : position + 1]
            if sign == "u":
                character, position = _read_unicode(text, position + 1)
                result += character
                continue
            if sign not in _ESCAPES:
                return result
            sign, position = _ESCAPES[sign], position + 1
        result += sign
    return result


def _read_unicode(text: str, position: int) -> tuple[str, int]:
    """Return the character of four digits at a position, or of the surrogates there, and the position after it."""
    digits = re.compile(r"[0-9a-fA-F]{4}")
    first = digits.match(text, position)
    if first is None:
        raise ValueError("has \\u without four digits")
    code, position = int(first[0], 16), position + 4
    if 0xD800 <= code < 0xE000:
        second = digits.match(text, position + 2) if text.startswith("\\u", position) else None
        pair = bytes.fromhex(first[0] + (second[0] if second else "")).decode("utf-16-be", "replace")
        return pair[0] if len(pair) == 1 else "\ufffd", position + (6 if second else 0)
    return chr(code), position
