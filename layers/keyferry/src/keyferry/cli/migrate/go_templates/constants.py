"""The constants of Go: texts, numbers and characters."""

import re

from keyferry.cli.migrate.go_templates.errors import Untranslatable
from keyferry.cli.migrate.go_templates.lexer import Token

_ESCAPE = re.compile(r"\\(?:([abfnrtv\\'\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.?))")
_SINGLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_LARGEST = 1 << 63


def parse(token: Token) -> str | int | float:
    """Return the value of a constant.

    Raises:
        Untranslatable: it is none, or a number of a kind that is not supported.
    """
    if token.kind == "text":
        return parse_text(token)
    if token.kind == "character":
        text = _unescape(token, "'")
        if len(text) != 1:
            raise Untranslatable(token.line, f"{token.text} is not one character")
        return ord(text)
    return _parse_number(token)


def parse_text(token: Token) -> str:
    """Return the value of a text in quotes or backquotes; the latter loses carriage returns, as in Go."""
    return token.text[1:-1].replace("\r", "") if token.text[0] == "`" else _unescape(token, '"')


def _unescape(token: Token, quote: str) -> str:
    raw = bytearray()
    end = 0
    inner = token.text[1:-1]
    for match in _ESCAPE.finditer(inner):
        raw += inner[end : match.start()].encode()
        end = match.end()
        single, octal, hexadecimal, short, long, _ = match.groups()
        if single and single not in {"'": "'", '"': '"'}.get("'" if quote == '"' else '"', ""):
            raw += _SINGLE.get(single, single).encode()
        elif (octal and int(octal, 8) < 256) or hexadecimal:
            raw.append(int(octal, 8) if octal else int(hexadecimal, 16))
        elif (short or long) and _is_character(int(short or long, 16)):
            raw += chr(int(short or long, 16)).encode()
        else:
            raise Untranslatable(token.line, f"Go knows no escape {match[0]}")
    raw += inner[end:].encode()
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Untranslatable(token.line, "a text that is not UTF-8") from None


def _is_character(number: int) -> bool:
    return number < 0xD800 or 0xDFFF < number < 0x110000


def _parse_number(token: Token) -> int | float:
    text = token.text.replace("_", "")
    is_hex = re.fullmatch(r"[+-]?0[xX].*", text)
    if not is_hex and re.search("[.eE]", text):
        return float(text)
    digits = text.lstrip("+-")
    octal = re.fullmatch("0[0-7]+", digits)
    try:
        number = int(digits, 8 if octal else 0)
    except ValueError:
        raise Untranslatable(token.line, f"{token.text} is no number of Go") from None
    number = -number if text.startswith("-") else number
    if not -_LARGEST <= number < _LARGEST:
        raise Untranslatable(token.line, f"{token.text} is too large for Go")
    return number
