"""Sprig's conversions to numbers (github.com/spf13/cast), and its calculations."""

import math
import re

from keyferry.budget import Budget
from keyferry.model import SecretValue
from keyferry.render.formatting import FilterError
from keyferry.render.go.function import function
from keyferry.render.go.values import Int64, wrap

_HALF = 1 << 63
_DECIMAL = re.compile(r"[+-]?[0-9]+")
_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:\.0*)?")
"""What cast takes for a whole number, as far as it is taken here: neither octal nor hexadecimal."""
_NO_NUMBER = re.compile(r"(?![+-]?[0-9.])(?!(?i:[+-]?(?:inf|nan))).*", re.DOTALL)
"""What is a number for nobody."""
_FRACTION = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@function("int64(any) int64")
def to_int64(value: object) -> Int64:
    """Return a value as a whole number; 0 for what is none."""
    match value:
        case bool() | int():
            return wrap(int(value))
        case float():
            return _truncate(value)
        case str():
            return _parse(value)
        case None | list() | dict() | SecretValue():
            return Int64(0)
    raise FilterError("int takes a number or a text")


def _truncate(number: float) -> Int64:
    if not -_HALF <= number < _HALF:
        raise FilterError("a number that is too large")
    return Int64(int(number))


def _parse(text: str) -> Int64:
    if _INTEGER.fullmatch(text):
        number = int(text.partition(".")[0])
        if not -_HALF <= number < _HALF:
            raise FilterError("a number that is too large")
        return Int64(number)
    if not _NO_NUMBER.fullmatch(text):
        raise FilterError("int takes a whole number without leading zeros")
    return Int64(0)


@function("int(any) int")
def to_int(value: object) -> int:
    """Return a value as a whole number; 0 for what is none."""
    return int(to_int64(value))


@function("atoi(string) int")
def parse_int(text: str) -> int:
    """Return the number that decimal digits write; 0 for anything else."""
    number = int(text) if text.isascii() and _DECIMAL.fullmatch(text) else 0
    return min(max(number, -_HALF), _HALF - 1)


@function("float64(any) float")
def to_float(value: object) -> float:
    """Return a value as a number with a fraction; 0 for what is none."""
    match value:
        case bool() | int() | float():
            return float(value)
        case str() if _FRACTION.fullmatch(value):
            return float(value)
        case str() if not _NO_NUMBER.fullmatch(value):
            raise FilterError("float64 takes decimal digits")
    return 0.0


@function("add(...any) int64", subject=0)
def add(*values: object) -> Int64:
    """Return the sum of whole numbers."""
    return wrap(sum(map(to_int64, values)))


@function("add1(any) int64")
def add_one(value: object) -> Int64:
    """Return the next whole number."""
    return wrap(to_int64(value) + 1)


@function("sub(any, any) int64", subject=0)
def subtract(left: object, right: object) -> Int64:
    """Return a difference."""
    return wrap(to_int64(left) - to_int64(right))


@function("mul(any, ...any) int64", subject=0)
def multiply(*values: object) -> Int64:
    """Return a product."""
    return wrap(math.prod(map(to_int64, values)))


@function("div(any, any) int64", subject=0)
def divide(left: object, right: object) -> Int64:
    """Return a quotient without its fraction."""
    dividend, divisor = to_int64(left), to_int64(right)
    if not divisor:
        raise FilterError("divides by zero")
    quotient = abs(dividend) // abs(divisor)
    return wrap(quotient if (dividend < 0) == (divisor < 0) else -quotient)


@function("mod(any, any) int64", subject=0)
def take_remainder(left: object, right: object) -> Int64:
    """Return the remainder of a division, which has the sign of the dividend."""
    return wrap(to_int64(left) - divide(left, right) * to_int64(right))


@function("max(any, ...any) int64", "biggest(any, ...any) int64", subject=0)
def find_largest(*values: object) -> Int64:
    """Return the largest of whole numbers."""
    return max(map(to_int64, values))


@function("min(any, ...any) int64", subject=0)
def find_smallest(*values: object) -> Int64:
    """Return the smallest of whole numbers."""
    return min(map(to_int64, values))


@function("floor(any) float")
def round_down(value: object) -> float:
    """Return the largest whole number that is not greater."""
    return float(math.floor(_check(to_float(value))))


@function("ceil(any) float")
def round_up(value: object) -> float:
    """Return the smallest whole number that is not less."""
    number = _check(to_float(value))
    return math.copysign(float(math.ceil(number)), number)


@function("round(any, int) float", subject=0)
def round_half(value: object, places: int) -> float:
    """Return a number rounded to some places, as sprig does: by its fraction alone, also below zero."""
    if not -15 <= places <= 15:
        raise FilterError("round takes up to 15 places")
    power = math.pow(10, places)
    shifted = _check(power * to_float(value))
    up = math.modf(shifted)[0] >= 0.5
    return float(math.ceil(shifted) if up else math.floor(shifted)) / power


def _check(number: float) -> float:
    if not abs(number) < _HALF:
        raise FilterError("a number that is too large")
    return number


def _spend_numbers(budget: Budget, *numbers: int) -> None:
    budget.spend_value(range(abs(min(numbers)) + abs(max(numbers))))


@function("until(int) ints", price=_spend_numbers)
def count_up(end: int) -> list[int]:
    """Return the whole numbers from 0 to one, without it."""
    return count_in_steps(0, end, 1 if end >= 0 else -1)


@function("untilStep(int, int, int) ints", price=_spend_numbers)
def count_in_steps(start: int, end: int, step: int) -> list[int]:
    """Return whole numbers with a step between them."""
    if not step:
        return []
    return list(range(start, end, step))


@function("seq(...int) string", subject=0, price=_spend_numbers)
def write_numbers(*numbers: int) -> str:
    """Return whole numbers as text with blanks between them, with both ends."""
    if len(numbers) not in (1, 2):
        raise FilterError("seq takes one or two numbers here")
    start, end = numbers if len(numbers) == 2 else (1, numbers[0])
    step = 1 if end >= start else -1
    return " ".join(map(str, range(start, end + step, step)))
