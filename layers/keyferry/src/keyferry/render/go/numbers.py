"""Sprig's conversions to numbers (github.com/spf13/cast), and its calculations."""

import math
import operator
import re
from collections.abc import Callable, Iterable
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import reduce

from keyferry.budget import Budget
from keyferry.model import SecretValue
from keyferry.render.formatting import FilterError
from keyferry.render.go.function import function
from keyferry.render.go.text.printing import write
from keyferry.render.go.values import INT64_END, Int64, wrap

_MOST_FACTORS = 4
_PLACES = Decimal("1e-16")
"""How exact a quotient is."""
_DECIMAL = re.compile(r"[+-]?[0-9]+")
_WHOLE = re.compile(r"([-+]?[0-9]*)(?:\.[0-9]*)?")
"""A decimal number, whose fraction is cut off."""
_INTEGER = re.compile(
    r"([-+]?)(?:0[xX](?P<hex>(?:_?[0-9a-fA-F])+)|0[bB](?P<binary>(?:_?[01])+)|0[oO]?(?P<octal>(?:_?[0-7])+)"
    r"|(?P<decimal>0|[1-9](?:_?[0-9])*))"
)
_BASES = {"hex": 16, "binary": 2, "octal": 8, "decimal": 10}
_FRACTION = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_OTHER_FRACTION = re.compile(r"(?i)[+-]?(?:inf|infinity|nan|0x.*p.*|[0-9.].*_.*)")
"""What else Go takes for a number with a fraction."""
_OCTAL = re.compile("[+-]?[0-7]+")


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
    raise FilterError("it takes a number or a text")


def _truncate(number: float) -> Int64:
    if not -INT64_END <= number < INT64_END:
        raise FilterError("a number that is too large")
    return Int64(int(number))


def _parse(text: str) -> Int64:
    """Return the whole number that a text writes as Go's own programs do; 0 for any other text."""
    whole = _WHOLE.fullmatch(text)
    if whole and "." in text:
        text = whole[1] + "0" if whole[1] in ("", "+", "-") else whole[1]
    match = _INTEGER.fullmatch(text)
    if match is None:
        return Int64(0)
    number = int(match[str(match.lastgroup)].replace("_", ""), _BASES[str(match.lastgroup)])
    number = -number if match[1] == "-" else number
    return Int64(number if -INT64_END <= number < INT64_END else 0)


@function("int(any) int")
def to_int(value: object) -> int:
    """Return a value as a whole number; 0 for what is none."""
    return int(to_int64(value))


@function("atoi(string) int")
def parse_int(text: str) -> int:
    """Return the number that decimal digits write; 0 for anything else."""
    number = int(text) if text.isascii() and _DECIMAL.fullmatch(text) else 0
    return min(max(number, -INT64_END), INT64_END - 1)


@function("float64(any) float")
def to_float(value: object) -> float:
    """Return a value as a number with a fraction; 0 for what is none."""
    match value:
        case bool() | int() | float():
            return float(value)
        case str() if _FRACTION.fullmatch(value):
            return float(value) if math.isfinite(float(value)) else 0.0
        case str() if _OTHER_FRACTION.fullmatch(value):
            raise FilterError("it takes decimal digits")
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


@function("maxf(any, ...any) float", subject=0)
def find_largest_fraction(*values: object) -> float:
    """Return the largest of numbers."""
    return max(map(to_float, values))


@function("minf(any, ...any) float", subject=0)
def find_smallest_fraction(*values: object) -> float:
    """Return the smallest of numbers."""
    return min(map(to_float, values))


def _calculate(operation: Callable[[Decimal, Decimal], Decimal], values: Iterable[object]) -> float:
    """Return the result of a calculation with decimal digits, all of which are kept."""
    numbers = [Decimal(repr(to_float(value))) for value in values]
    with localcontext() as context:
        context.prec = 2000
        return float(reduce(operation, numbers) or 0)


@function("addf(any, ...any) float", subject=0)
def add_fractions(*values: object) -> float:
    """Return the sum of numbers."""
    return _calculate(operator.add, values)


@function("add1f(any) float")
def add_one_to_fraction(value: object) -> float:
    """Return a number and one."""
    return _calculate(operator.add, (value, 1))


@function("subf(any, ...any) float", subject=0)
def subtract_fractions(*values: object) -> float:
    """Return a difference."""
    return _calculate(operator.sub, values)


@function("mulf(any, ...any) float", subject=0)
def multiply_fractions(*values: object) -> float:
    """Return a product."""
    if len(values) > _MOST_FACTORS:
        raise FilterError(f"mulf takes {_MOST_FACTORS} numbers at most")
    return _calculate(operator.mul, values)


@function("divf(any, ...any) float", subject=0)
def divide_fractions(*values: object) -> float:
    """Return a quotient, of 16 places behind the point for each division."""

    def divide(left: Decimal, right: Decimal) -> Decimal:
        if not right:
            raise FilterError("it divides by zero")
        return (left / right).quantize(_PLACES, ROUND_HALF_UP)

    return _calculate(divide, values)


@function("toDecimal(any) int64")
def parse_octal(value: object) -> Int64:
    """Return the number that octal digits write; 0 for anything else."""
    text = write(value)
    number = int(text, 8) if _OCTAL.fullmatch(text) else 0
    return Int64(number if -INT64_END <= number < INT64_END else 0)


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
        raise FilterError("it takes up to 15 places")
    power = math.pow(10, places)
    shifted = _check(power * to_float(value))
    up = math.modf(shifted)[0] >= 0.5
    return float(math.ceil(shifted) if up else math.floor(shifted)) / power


def _check(number: float) -> float:
    if not abs(number) < INT64_END:
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
    if not 1 <= len(numbers) <= 3:
        return ""
    start, *between, end = numbers if len(numbers) > 1 else (1, *numbers)
    sign = 1 if end >= start else -1
    step = between[0] if between else sign
    return " ".join(map(str, range(start, end + sign, step) if step * sign > 0 else ()))
