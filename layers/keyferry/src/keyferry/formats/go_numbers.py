"""Numbers with a fraction, as Go writes them in their shortest digits (strconv, format `g`)."""

from decimal import Decimal


def take_digits(number: float) -> Decimal:
    """Return a number by the fewest digits that stand for it, without zeros at its end."""
    return Decimal(repr(number)).normalize()


def write_shortest(digits: Decimal) -> str:
    """Return a number as `%v` writes it: with an exponent of two digits or more from a million on, and below 0.0001."""
    if not digits.is_finite():
        return "NaN" if digits.is_nan() else "+Inf" if digits > 0 else "-Inf"
    if -5 < digits.adjusted() < 6:
        return f"{digits:f}"
    mantissa, exponent = f"{digits:e}".split("e")
    return f"{mantissa}e{int(exponent):+03}"
