"""What a verb of Go's printf writes of a value: flags, widths, precisions, and a verb that fits no value."""

import math
import re
from dataclasses import dataclass, replace

from keyferry.formats.go_numbers import take_digits, write_shortest
from keyferry.model import SecretValue
from keyferry.render.formatting import FilterError
from keyferry.render.go.text.letters import is_printable
from keyferry.render.go.text.printing import quote_text, write
from keyferry.render.go.values import INT64_END, Text, get_type, to_bytes

MOST_OF_ITEMS = 100
"""The largest width or precision here of the items of a list or a map, of which there can be many."""
_BASES = {"v": "d", "d": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}
_PREFIXES = {"b": "0b", "x": "0x", "X": "0X"}
_NO_BACKQUOTE = re.compile("[\\0-\\x08\\n-\\x1f`\\x7f\\ufeff]")
_LAST = 0x10FFFF


@dataclass(frozen=True)
class Form:
    """How a value is written: flags, width and precision; and whether in Go's syntax (`%#v`)."""

    flags: frozenset[str] = frozenset()
    width: int = 0
    precision: int | None = None
    is_syntax: bool = False

    def pad(self, text: str) -> str:
        """Return a text, padded to the width."""
        if "-" in self.flags:
            return text.ljust(self.width)
        return text.rjust(self.width, "0" if "0" in self.flags else " ")

    def without(self, *flags: str) -> "Form":
        """Return the same form without some flags."""
        return replace(self, flags=self.flags.difference(flags))


def write_verb(verb: str, form: Form, value: object) -> str:
    """Return a value as a verb writes it.

    Raises:
        FilterError: it is written in a way that is not had here.
    """
    if verb in "pw":
        raise FilterError(f"printf has no %{verb} here")
    if verb == "v":
        form = replace(form.without("#", "+"), is_syntax="#" in form.flags)
    if verb == "T":
        return form.pad(get_type(value)[: form.precision])
    if value is None:
        return form.pad("<nil>") if verb == "v" else f"%!{verb}(<nil>)"
    return _write(verb, form, value)


def describe(value: object, form: Form | None = None) -> str:
    """Return a value with its type, as it is told where it fits no verb."""
    return "<nil>" if value is None else f"{get_type(value)}={_write('v', form or Form(), value)}"


def _write(verb: str, form: Form, value: object) -> str:
    if isinstance(value, dict | list | tuple):
        return _write_items(verb, form, value)
    written = _write_basic(verb, form, value)
    return f"%!{verb}({describe(value, replace(form, is_syntax=False))})" if written is None else written


def _write_items(verb: str, form: Form, value: dict[str, object] | list[object] | tuple[object, ...]) -> str:
    if form.is_syntax or max(form.width, form.precision or 0) > MOST_OF_ITEMS:
        raise FilterError(f"it writes no list or map by %#v, and their items to a width of {MOST_OF_ITEMS} alone")

    def inner(item: object) -> str:
        return "<nil>" if item is None else _write(verb, form, item)

    if isinstance(value, dict):
        return f"map[{' '.join(f'{inner(key)}:{inner(value[key])}' for key in sorted(value))}]"
    return f"[{' '.join(map(inner, value))}]"


def _write_basic(verb: str, form: Form, value: object) -> str | None:
    """Return a value by its verb; None where the verb is not for it."""
    if isinstance(value, str | SecretValue):
        return _write_text(verb, form, value)
    if isinstance(value, bool):
        return form.pad(write(value)) if verb in "tv" else None
    if isinstance(value, float):
        return _write_fraction(verb, form, value)
    return _write_whole(verb, form, int(value))  # type: ignore[call-overload]  # the last type that values have


def _write_text(verb: str, form: Form, value: Text) -> str | None:
    if verb in "xX":
        return _write_bytes(form, to_bytes(value)[: form.precision], verb)
    if verb not in "svq":
        return None
    text = write(value)[: form.precision]
    if verb == "q" or form.is_syntax:
        if "#" in form.flags and not _NO_BACKQUOTE.search(text):
            return form.pad(f"`{text}`")
        return form.pad(quote_text(text, is_ascii="+" in form.flags))
    return form.pad(text)


def _write_bytes(form: Form, content: bytes, verb: str) -> str:
    prefix = f"0{verb}" if "#" in form.flags and content else ""
    digits = content.hex("\0") if " " in form.flags else content.hex()
    digits = digits.upper() if verb == "X" else digits
    return form.pad(prefix + digits.replace("\0", f" {prefix}"))


def _write_fraction(verb: str, form: Form, value: float) -> str | None:
    if verb in "bxX" or "#" in form.flags:
        raise FilterError("it writes fractions in decimal digits alone, and without #")
    if verb not in "vfFeEgG":
        return None
    if not math.isfinite(value):
        text = write_shortest(take_digits(value)).lstrip("+")
        return form.without("0").pad(_sign(form, text, always=math.isinf(value)))
    if verb in "vgG" and form.precision is None:
        text = write_shortest(take_digits(value))
    else:
        precision = 6 if form.precision is None else form.precision
        text = f"{value:.{precision}{'f' if verb == 'F' else 'g' if verb == 'v' else verb}}"
    return _pad_number(form, text.upper() if verb == "G" else text)


def _sign(form: Form, number: str, *, always: bool = False) -> str:
    """Return a number with its sign."""
    if number.startswith("-"):
        return number
    return ("+" if "+" in form.flags else " " if " " in form.flags else "+" if always else "") + number


def _pad_number(form: Form, number: str) -> str:
    signed = _sign(form, number)
    if "0" in form.flags and "-" not in form.flags and signed[0] in "+- ":
        return signed[0] + signed[1:].rjust(form.width - 1, "0")
    return form.pad(signed)


def _write_whole(verb: str, form: Form, number: int) -> str | None:
    if verb in "cqU":
        return _write_character(verb, form, number)
    if verb not in _BASES:
        return None
    if form.precision == 0 and number == 0:
        return " " * form.width
    digits, sharp = format(abs(number), _BASES[verb]), "#" in form.flags
    least = form.precision
    if least is None and {"0", "-"} & form.flags == {"0"}:
        least = form.width - (number < 0 or bool({"+", " "} & form.flags))
    digits = digits.rjust(least or 0, "0")
    if sharp and _BASES[verb] == "o" and not digits.startswith("0"):
        digits = f"0{digits}"
    prefix = ("0o" if verb == "O" else "") + (_PREFIXES.get(verb, "") if sharp else "")
    return form.without("0").pad(_sign(form, f"{'-' if number < 0 else ''}{prefix}{digits}"))


def _write_character(verb: str, form: Form, number: int) -> str:
    code = number % (2 * INT64_END)
    is_one = code <= _LAST and not 0xD800 <= code < 0xE000
    char = chr(code) if is_one else "\ufffd"
    if verb == "c":
        return form.pad(char)
    if verb == "q":
        return form.pad(quote_text(char, "'", is_ascii="+" in form.flags))
    text = f"U+{code:0{max(4, form.precision or 0)}X}"
    if "#" in form.flags and is_one and is_printable(char):
        text += f" '{char}'"
    return form.without("0").pad(text)
