"""Write values as Go's fmt does."""

from keyferry.formats.go_numbers import take_digits, write_shortest
from keyferry.render.formatting import FilterError
from keyferry.render.go.function import function
from keyferry.render.go.text.letters import is_printable

_ESCAPES = {
    **{"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"},
    "\\": "\\\\",
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


def quote_text(text: str, sign: str = '"', *, is_ascii: bool = False) -> str:
    """Return a text in quotes with Go's escapes (`%q`), perhaps in ASCII alone (`%+q`)."""
    return f"{sign}{''.join(_escape(char, sign, is_ascii=is_ascii) for char in text)}{sign}"


def _escape(char: str, sign: str, *, is_ascii: bool) -> str:
    if char == sign or char in _ESCAPES:
        return _ESCAPES.get(char, f"\\{char}")
    if is_printable(char) and (char.isascii() or not is_ascii):
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
