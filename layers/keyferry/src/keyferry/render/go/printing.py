"""Write values as Go's fmt does."""

import math
import re
from collections.abc import Sequence

from keyferry.budget import Budget
from keyferry.formats.go_numbers import take_digits, write_shortest
from keyferry.model import SecretValue
from keyferry.render.formatting import FilterError
from keyferry.render.go.function import function
from keyferry.render.go.values import Text, get_type, to_bytes

_VERB = re.compile(r"%([-+# 0]*)(\*|[0-9]+)?(?:\.(\*|[0-9]*))?(.)?", re.DOTALL)
_ESCAPES = {
    **{"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"},
    **{"\\": "\\\\", '"': '\\"'},
}


def write(value: object) -> str:
    """Return a value as `%v` writes it.

    Raises:
        FilterError: it is binary.
    """
    match value:
        case str():
            return value
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case int():
            return str(int(value))
        case float():
            return write_shortest(take_digits(value))
        case dict():
            return f"map[{' '.join(f'{key}:{write(value[key])}' for key in sorted(value))}]"
        case list() | tuple():
            return f"[{' '.join(map(write, value))}]"
    raise FilterError("a binary value is written by b64enc, or opened by the functions for certificates")


def quote_text(text: str) -> str:
    """Return a text in double quotes with Go's escapes (`%q`)."""
    return f'"{"".join(map(_escape, text))}"'


def _escape(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@function("text(any) string")
def write_output(value: object) -> str:
    """Return what an action of a template writes: as `%v`, and `<no value>` for nil."""
    return "<no value>" if value is None else write(value)


@function("print(...any) string", subject=0)
def write_all(*values: object) -> str:
    """Return values as `Sprint` writes them: with a blank between two that are no text."""
    text = ""
    for number, value in enumerate(values):
        if number and not isinstance(value, str) and not isinstance(values[number - 1], str):
            text += " "
        text += write(value)
    return text


@function("println(...any) string", subject=0)
def write_line(*values: object) -> str:
    """Return values with blanks between them and a line end."""
    return " ".join(map(write, values)) + "\n"


def _spend_widths(budget: Budget, text: str, *values: object) -> None:
    for match in _VERB.finditer(text):
        for width in filter(None, match.group(2, 3)):
            given = max((abs(value) for value in values if isinstance(value, int)), default=0)
            budget.spend_text(given if width == "*" else int(width[:9]))


@function("printf(string, ...any) string", subject=0, price=_spend_widths)
def format_text(text: str, *values: object) -> str:
    """Return a text with values at its verbs (`Sprintf`)."""
    rest, parts, end = list(values), list[str](), 0
    for match in _VERB.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        parts.append(_format_verb(match, rest))
    parts.append(text[end:])
    if rest:
        parts.append(f"%!(EXTRA {', '.join(_describe(value) for value in rest)})")
    return "".join(parts)


def _format_verb(match: re.Match[str], rest: list[object]) -> str:
    flags, width, precision, verb = match.groups()
    if verb == "%":
        return "%"
    if verb is None:
        return "%!(NOVERB)"
    if "*" in (width, precision) or verb == "[":
        raise FilterError("it takes no * and no [ here: write the width or the argument itself")
    if not rest:
        return f"%!{verb}(MISSING)"
    digits = None if precision is None else int(precision or 0)
    return _write_verb(verb, flags, int(width or 0), digits, rest.pop(0))


def _write_verb(verb: str, flags: str, width: int, precision: int | None, value: object) -> str:
    if verb == "T":
        return _pad(get_type(value), flags, width)
    if isinstance(value, dict | list | tuple):
        if verb not in "vsdq" or flags or width or precision is not None:
            raise FilterError("it writes lists and maps by %v, %s, %d and %q alone")
        return _write_items(verb, value)
    written = _write_basic(verb, flags, width, precision, value)
    if written is None and (flags or width or precision is not None):
        raise FilterError("it has a verb that is not for its value, with a width or flags")
    return f"%!{verb}({_describe(value)})" if written is None else written


def _write_basic(verb: str, flags: str, width: int, precision: int | None, value: object) -> str | None:
    """Return a value by its verb; None where the verb is not for it."""
    if value is None:
        return _pad("<nil>", flags, width) if verb == "v" else None
    if isinstance(value, str | SecretValue):
        return _write_text(verb, flags, width, precision, value)
    if isinstance(value, bool):
        return _pad(write(value), flags, width) if verb in "tv" else None
    number = _write_number(verb, flags, precision, value)
    return None if number is None else _pad_number(number, flags, width)


def _write_items(verb: str, value: dict[str, object] | Sequence[object]) -> str:
    def inner(item: object) -> str:
        return _write_verb(verb, "", 0, None, item)

    if isinstance(value, dict):
        return f"map[{' '.join(f'{inner(key)}:{inner(value[key])}' for key in sorted(value))}]"
    return f"[{' '.join(map(inner, value))}]"


def _write_text(verb: str, flags: str, width: int, precision: int | None, value: Text) -> str | None:
    if verb in "xX" and not flags:
        content = to_bytes(value)[:precision].hex()
        return _pad(content.upper() if verb == "X" else content, flags, width)
    text = write(value)
    if verb in "sv" and not set(flags) & set("#0"):
        return _pad(text[:precision], flags, width)
    if verb == "q" and not set(flags) & set("#+0"):
        return _pad(quote_text(text[:precision]), flags, width)
    if set(flags) & set("#0") or verb in "sqxX":
        raise FilterError("it takes no such flags for a text")
    return None


def _write_number(verb: str, flags: str, precision: int | None, value: object) -> str | None:
    """Return the digits of a number with its sign; None where the verb is not for it."""
    if "#" in flags:
        raise FilterError("it takes no # for a number")
    if isinstance(value, float):
        if verb in "bxX":
            raise FilterError("it writes fractions in decimal digits alone")
        if verb not in "vfFeEgG":
            return None
        if verb in "vg" and precision is None:
            return write_shortest(take_digits(value))
        if verb in "vgG" or not math.isfinite(value):
            raise FilterError("it writes no %g with a precision, and no infinite numbers")
        return f"{value:.{6 if precision is None else precision}{verb}}"
    form = {"v": "d", "d": "d", "x": "x", "X": "X", "o": "o", "b": "b"}.get(verb)
    if form is None and verb in "cqUO":
        raise FilterError(f"printf has no %{verb} for numbers here")
    if form is None:
        return None
    if precision is not None:
        raise FilterError("it takes no precision for a whole number")
    return format(int(value), form)  # type: ignore[call-overload]


def _pad_number(number: str, flags: str, width: int) -> str:
    sign, digits = ("-", number[1:]) if number.startswith("-") else ("", number)
    sign = sign or ("+" if "+" in flags else " " if " " in flags else "")
    if "0" in flags and "-" not in flags:
        return sign + digits.rjust(width - len(sign), "0")
    return _pad(sign + digits, flags.replace("0", ""), width)


def _pad(text: str, flags: str, width: int) -> str:
    if "0" in flags:
        raise FilterError("it pads only numbers with zeros here")
    return text.ljust(width) if "-" in flags else text.rjust(width)


def _describe(value: object) -> str:
    return "<nil>" if value is None else f"{get_type(value)}={write(value)}"
