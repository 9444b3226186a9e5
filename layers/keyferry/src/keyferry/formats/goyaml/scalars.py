"""Plain scalars of YAML 1.1 as Go resolves them, and what they are as text where Go reads them into one."""

import math
import re
import struct
from decimal import Decimal

from keyferry.formats.go_numbers import write_shortest

_BOOLEANS = {
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"], False),
}
_NULLS = ("", "~", "null", "Null", "NULL")
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_LEAST, _MOST = -(2**63), 2**64
"""The integers of Go; what is beyond is a fraction."""
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_ODD_FLOAT = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)\Z")
_PREFIXED = re.compile(r"([-+]?)0([bBoOxX]?)([0-9a-fA-F]+)\Z")
_BASES = {"b": 2, "o": 8, "x": 16, "": 8}
_SHORTEST = [f".{count}g" for count in range(1, 10)]


def resolve(text: str) -> str | bool | float | None:
    """Return the value of a plain scalar: text if it is nothing else."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    return text if not (text[0].isdigit() or text[0] in "+-.") else _read_number(text)


def _read_number(text: str) -> int | float | str:
    """Return what a plain text that may be a number stands for."""
    plain = text if text[0] == "." else text.replace("_", "")
    number: int | float | str
    try:
        if prefixed := _PREFIXED.match(plain):
            number = int(prefixed[1] + prefixed[3], _BASES[prefixed[2].lower()])
        else:
            number = int(plain) if _INTEGER.match(plain) else _read_float(plain, text)
    except ValueError:  # as 089
        number = _read_float(plain, text)
    return number if isinstance(number, str) or _LEAST <= number < _MOST else _read_float(plain, text)


def _read_float(plain: str, text: str) -> float | str:
    if _FLOAT.match(plain):
        return text if math.isinf(float(plain)) else float(plain)
    return float(text.replace(".", "", 1)) if _ODD_FLOAT.match(text) else text


def write_text(value: str | bool | float | None) -> str:
    """Return a scalar as text, where Go reads it into one: 511 for 0777, 1.5 for 1.50, 1e+06 for 1e6, none for null.

    A fraction gets the digits of 32 bits: 1.2345679 for 1.23456789.
    """
    match value:
        case None:
            return ""
        case str():
            return value
        case bool() | int():
            return str(value).lower()
    [single] = struct.unpack("f", struct.pack("f", value))
    if not math.isfinite(single):
        return write_shortest(Decimal(single))
    shortest = next(text for text in map(single.__format__, _SHORTEST) if _is_same(float(text), single))
    return write_shortest(Decimal(shortest).normalize())


def _is_same(number: float, single: float) -> bool:
    return struct.pack("f", number) == struct.pack("f", single)
