"""Base64, base32 and hexadecimal as Go decodes them: sprig writes Go's complaint where a text is none.

Facts: encoding/base64, encoding/base32 and encoding/hex of Go, and `base64decode` of sprig. Positions count bytes.
"""

import base64
import re

_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_LINE_ENDS = b"\r\n"
_SIGNS_64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_SIGNS_32 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PADDING = b"="[0]
_BLOCK = 8
"""The signs of a block of base32."""


class NotDecodable(ValueError):
    """A text is not what it should be decoded from. The text of the error is Go's complaint."""


def decode_base64(text: str) -> bytes:
    """Return what is in base64, of which line ends are no part.

    Raises:
        NotDecodable: it is none.
    """
    joined = text.replace("\r", "").replace("\n", "")
    if _BASE64.fullmatch(joined):
        return base64.b64decode(joined)
    raise NotDecodable(f"illegal base64 data at input byte {_find_end_of_base64(text.encode())}")


def _find_end_of_base64(content: bytes) -> int:
    """Return the position that Go complains of in what is no base64."""
    place, filled = 0, 0
    while place < len(content):
        sign = content[place]
        if sign in _SIGNS_64:
            filled = (filled + 1) % 4
        elif sign == _PADDING and filled > 1:
            return _find_end_of_padding(content, place + 1, filled)
        elif sign not in _LINE_ENDS:
            return place
        place += 1
    return place - filled


def _find_end_of_padding(content: bytes, place: int, filled: int) -> int:
    """Return that position behind the first sign of padding."""
    if filled == 2:
        place = _skip_line_ends(content, place)
        if place == len(content):
            return place
        if content[place] != _PADDING:
            return place - 1
        place += 1
    return _skip_line_ends(content, place)


def _skip_line_ends(content: bytes, place: int) -> int:
    while place < len(content) and content[place] in _LINE_ENDS:
        place += 1
    return place


def decode_base32(text: str) -> bytes:
    """Return what is in base32, of which line ends are no part; Go reads nothing behind the padding.

    Raises:
        NotDecodable: it is none.
    """
    signs = _take_signs(text.encode().translate(None, _LINE_ENDS))
    return base64.b32decode(signs + b"=" * (-len(signs) % _BLOCK))


def _take_signs(content: bytes) -> bytes:
    """Return the signs before the padding."""
    for place, sign in enumerate(content):
        filled, left = place % _BLOCK, len(content) - place - 1
        if sign == _PADDING and filled > 1 and left < _BLOCK:
            _check_padding(content, place, filled)
            return content[:place]
        if sign not in _SIGNS_32:
            raise _complain_of_base32(place)
    if len(content) % _BLOCK:
        raise _complain_of_base32(len(content) - len(content) % _BLOCK)
    return content


def _check_padding(content: bytes, place: int, filled: int) -> None:
    if len(content) - place - 1 + filled < _BLOCK - 1:
        raise _complain_of_base32(len(content))
    for other in range(place + 1, place + _BLOCK - filled):
        if content[other] != _PADDING:
            raise _complain_of_base32(other - 1)
    if filled in (3, 6):
        raise _complain_of_base32(place)


def _complain_of_base32(place: int) -> NotDecodable:
    return NotDecodable(f"illegal base32 data at input byte {place}")


def decode_hex(text: str) -> bytes:
    """Return what is written in hexadecimal digits.

    Raises:
        NotDecodable: it is none.
    """
    wrong = next((byte for byte in text.encode() if chr(byte) not in "0123456789abcdefABCDEF"), None)
    if wrong is not None:
        shown = f" '{chr(wrong)}'" if chr(wrong).isprintable() else ""
        raise NotDecodable(f"encoding/hex: invalid byte: U+{wrong:04X}{shown}")
    if len(text) % 2:
        raise NotDecodable("encoding/hex: odd length hex string")
    return bytes.fromhex(text)
