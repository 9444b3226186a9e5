"""What a path of gjson finds: its text, and how a query compares it."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from keyferry.budget import Budget
from keyferry.formats.gjson.matching import matches
from keyferry.formats.gjson.queries import Query
from keyferry.formats.gjson.text import read_string
from keyferry.formats.go_numbers import take_digits

Kind = Literal["null", "boolean", "number", "string", "json"]
_KINDS: dict[str, Kind] = {'"': "string", "{": "json", "[": "json", "n": "null", "t": "boolean", "f": "boolean"}


@dataclass(frozen=True)
class Found:
    """What a path selects."""

    raw: str
    """As it stands in the document; of `#` and of lists that are made, as gjson writes it."""

    @property
    def kind(self) -> Kind:
        """What it is: `json` is an object or a list."""
        return _KINDS.get(self.raw[0], "number")

    @property
    def text(self) -> str:
        """As text: of a string its characters, of null none, of a number that is no integer its shortest decimals."""
        match self.kind:
            case "null":
                return ""
            case "string":
                return read_string(self.raw)[0]
            case "number":
                return self.raw if self.raw.removeprefix("-").isdecimal() else format_number(float(self.raw))
        return self.raw


def format_number(number: float) -> str:
    """Return a number as Go writes it without an exponent: 1.5 for 1.50, 1000 for 1e3."""
    if number in (float("inf"), float("-inf")):
        return "+Inf" if number > 0 else "-Inf"
    return f"{take_digits(number):f}"


_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TRUE, _FALSE = ("1", "t", "true"), ("0", "f", "false")
"""Texts that Go takes for true and for false, in any case."""
_NUMBER = re.compile(
    r"[+-]?(?:inf|infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)|nan", re.ASCII | re.IGNORECASE
)


def compare(found: Found | None, query: Query, budget: Budget) -> bool:
    """Return whether a query takes what its path finds in an item, or does not find."""
    value = query.value
    if value.startswith("~"):
        is_so = _is_like(found, value[1:])
        if is_so is None:
            return False
        found, value = Found("true" if is_so else "false"), "true"
    if found is None or not query.operator:
        return found is not None
    match found.kind:
        case "string" if query.operator in ("%", "!%"):
            return matches(found.text, value, budget) == (query.operator == "%")
        case "string":
            return _compare(query.operator, found.text, value)
        case "number":
            return _compare(query.operator, float(found.raw), _read_number(value))
        case "boolean":
            return _compare_boolean(found.raw, query.operator, value)
    return False


def _compare(sign: str, one: Any, other: Any) -> bool:  # noqa: ANN401  # both are texts, or numbers
    return sign in _COMPARISONS and _COMPARISONS[sign](one, other)


def _compare_boolean(raw: str, sign: str, value: str) -> bool:
    """Return how gjson compares true or false with a text: the greater or lesser one is of the other kind."""
    match sign:
        case "=" | "!=":
            return (raw == value) == (sign == "=")
        case ">" | "<":
            return (raw, value) == (("true", "false") if sign == ">" else ("false", "true"))
    return (sign, raw) in ((">=", "true"), ("<=", "false"))


def _read_number(text: str) -> float:
    """Return the number that a query compares with; 0 for what is none, as in gjson.

    Raises:
        ValueError: it is hexadecimal, which is refused.
    """
    if re.match(r"[+-]?0[xX]", text):
        raise ValueError("compares with a hexadecimal number: write it in decimals")
    return float(text) if _NUMBER.fullmatch(text) else 0.0


def _is_like(found: Found | None, what: str) -> bool | None:
    """Return whether a value is like true, false or null, or is there (`*`); None for any other word."""
    match what:
        case "*":
            return found is not None
        case "null":
            return found is None or found.kind == "null"
        case "true":
            return found is not None and _read_truth(found) is True
        case "false":
            return found is None or found.kind == "null" or _read_truth(found) is False
    return None


def _read_truth(found: Found) -> bool | None:
    """Return whether a value is like true or like false; None for neither."""
    if found.kind == "number":
        return float(found.raw) != 0
    text = found.text.lower() if found.kind in ("string", "boolean") else ""
    return True if text in _TRUE else False if text in _FALSE else None
