"""Sprig's functions for words: their case, their initials, and lines of them."""

import re

from keyferry.budget import Budget
from keyferry.render.formatting import FilterError
from keyferry.render.go.function import function
from keyferry.render.go.text.letters import SPACES, get_category, to_lower, to_title, to_upper
from keyferry.render.go.values import Text, from_bytes, to_bytes

_CONNECTORS = "-_"
_BYTE_SPACES = "[\t\n\v\f\r \x85\xa0]+"
_WORDS = re.compile(
    "(?P<connector>[ds]+)|(?P<point>p[pd]*)|(?P<upper>ua+|u+(?=ua)|u+)|(?P<letters>a+)|(?P<number>n+)|o+"
)
"""The words of a text of which each character is the sign of its class, as `_classify` has them."""
_NO_LETTERS = ((0x3400, 0x4D85), (0x4E00, 0x9FCC), (0x20000, 0x2B81D))
"""Chinese characters, which count as no letters."""


def _is_separator(char: str) -> bool:
    if char.isascii():
        return not (char.isalnum() or char == "_")
    return char in SPACES


@function("title(string) string")
def title(text: str) -> str:
    """Return a text with a capital letter at the beginning of each word."""
    pairs = zip(f" {text}", text, strict=False)
    return "".join(to_title(char) if _is_separator(before) else char for before, char in pairs)


@function("untitle(string) string")
def untitle(text: str) -> str:
    """Return a text with a small letter at the beginning of each word."""
    pairs = zip(f" {text}", text, strict=False)
    return "".join(to_lower(char) if before in SPACES else char for before, char in pairs)


@function("initials(string) string")
def take_initials(text: str) -> str:
    """Return the first byte of each word, each as a character of its own."""
    single = text.encode().decode("latin-1")
    return "".join(word[0] for word in re.split(_BYTE_SPACES, single) if word)


@function("nospace(string) string")
def remove_space(text: str) -> str:
    """Return a text without white space; where there is some, each byte becomes a character of its own."""
    single = text.encode().decode("latin-1")
    kept = re.sub(_BYTE_SPACES, "", single)
    return text if len(kept) == len(single) else kept


@function("swapcase(string) string")
def swap_case(text: str) -> str:
    """Return a text with capital letters for small ones, and small ones for capitals."""
    parts, is_first = [], True
    for char in text:
        category = get_category(char)
        if category in ("Lu", "Lt"):
            swapped, is_first = to_lower(char), False
        elif category == "Ll":
            swapped, is_first = (to_title if is_first else to_upper)(char), False
        else:
            swapped, is_first = char, char in SPACES
        parts.append(swapped)
    return "".join(parts)


def _classify(char: str) -> str:
    """Return the class of a character: `d` for a dash, `s`pace, `p`oint, `u`pper, `a`lphabet, `n`umber, `o`ther."""
    category = get_category(char)
    if char in _CONNECTORS or char in SPACES:
        return "d" if char in _CONNECTORS else "s"
    if category == "Lu" or category[0] in "PN":
        return {"L": "u", "P": "p", "N": "n"}[category[0]]
    is_letter = category[0] == "L" and not any(first <= ord(char) <= last for first, last in _NO_LETTERS)
    return "a" if is_letter else "o"


class _Words:
    """The words of a text in one case, with a sign between them, as xstrings puts it there."""

    def __init__(self, text: str, sign: str) -> None:
        classes = "".join(map(_classify, text))
        self._words = [(match.lastgroup or "other", text[slice(*match.span())]) for match in _WORDS.finditer(classes)]
        self._sign, self._parts, self._place = sign, list[str](), 0

    def join(self) -> str:
        """Return the text."""
        while self._place < len(self._words) - 1:
            before = self._kind
            if before != "connector":
                self._write()
            self._place += 1
            if before == "connector":
                self._write(-1)
            elif before == "number":
                self._end_letters()
            elif before != "point":
                self._go_on()
        if self._place < len(self._words):
            self._write()
        return "".join(self._parts)

    @property
    def _kind(self) -> str:
        return self._words[self._place][0] if self._place < len(self._words) else ""

    def _write(self, step: int = 0) -> None:
        kind, word = self._words[self._place + step]
        if kind == "connector":
            word = self._sign * len(word)
        self._parts.append("".join(map(_lower_capital, word)) if kind == "upper" else word)

    def _end_letters(self) -> None:
        """Write the letters and numbers that follow, which belong to the number before them."""
        while self._kind in ("letters", "number"):
            self._write()
            self._place += 1
        if self._kind not in ("", "point", "connector"):
            self._parts.append(self._sign)

    def _go_on(self) -> None:
        """Write what follows letters: a sign, but for a number that belongs to them."""
        if self._kind != "number":
            self._separate()
            return
        if self._place == len(self._words) - 1:
            return
        self._place += 1
        if self._kind == "letters":
            self._parts.append(self._sign)
            self._write(-1)
            self._end_letters()
        else:
            self._write(-1)
            self._separate()

    def _separate(self) -> None:
        if self._kind not in ("point", "connector"):
            self._parts.append(self._sign)


def _lower_capital(char: str) -> str:
    return to_lower(char) if get_category(char) == "Lu" else char


@function("snakecase(string) string")
def snake_case(text: str) -> str:
    """Return a text as `user_name`."""
    return _Words(_check(text), "_").join()


@function("kebabcase(string) string")
def kebab_case(text: str) -> str:
    """Return a text as `user-name`."""
    return _Words(_check(text), "-").join()


def _check(text: str) -> str:
    if "\ufffd" in text:
        raise FilterError("it takes no sign for a character that is none")
    return text


def _is_connector(char: str) -> bool:
    return char in _CONNECTORS or char in SPACES


@function("camelcase(string) string")
def camel_case(text: str) -> str:
    """Return a text as `UserName`. One of dashes and spaces alone gets one more, as in the original."""
    first = next((place for place, char in enumerate(text) if not _is_connector(char)), len(text))
    if first == len(text):
        return text + text[-1:]
    parts, last = [text[:first]], to_upper(text[first])
    is_upper = get_category(text[first]) == "Lu"
    for char in text[first + 1 :]:
        before, last = last, char
        if _is_connector(before) and not _is_connector(char):
            is_upper, last = get_category(char) == "Lu", to_upper(char)
            continue
        if not _is_connector(before) and is_upper:
            is_upper = get_category(char) == "Lu"
            last = to_lower(char) if is_upper else char
        parts.append(before)
    return "".join([*parts, last])


def _cut(content: bytes, offset: int, width: int) -> bytes:
    if len(content) <= width:
        return content
    offset = min(offset, len(content))
    if len(content) - offset < width - 3:
        offset = len(content) - (width - 3)
    if offset <= 4:
        return content[: width - 3] + b"..."
    if offset + width - 3 < len(content):
        return b"..." + _cut(content[offset:], 0, width - 3)
    return b"..." + content[len(content) - (width - 3) :]


@function("abbrev(int, bytes) string")
def abbreviate(width: int, text: Text) -> Text:
    """Return a text, shortened with dots where it has more bytes than a width."""
    return text if width < 4 else from_bytes(_cut(to_bytes(text), 0, width))


@function("abbrevboth(int, int, bytes) string")
def abbreviate_both(left: int, width: int, text: Text) -> Text:
    """Return a text, shortened with dots at both ends."""
    if width < 4 or (left > 0 and width < 7):
        return text
    return from_bytes(_cut(to_bytes(text), left, width))


def _spend_lines(budget: Budget, width: int, *texts: Text) -> None:
    separator, text = to_bytes(texts[0]) if len(texts) > 1 else b"", to_bytes(texts[-1])
    budget.spend(len(text))
    budget.spend_text(len(text) * (1 + len(separator) // max(1, width)))


def _wrap(content: bytes, width: int, separator: bytes, *, cuts: bool) -> bytes:
    """Return words in lines of a width; words that are longer are cut, or stay whole."""
    lines, start = list[bytes](), 0
    while len(content) - start > width:
        if content[start : start + 1] == b" ":
            start += 1
            continue
        end = content.rfind(b" ", start, start + width + 1)
        after = end + 1
        if end < 0 and cuts:
            end = after = start + width
        elif end < 0:
            end = content.find(b" ", start + width)
            after = end + 1
        if end < 0:
            break
        lines.append(content[start:end])
        start = after
    return separator.join([*lines, content[start:]])


@function("wrap(int, bytes) string", price=_spend_lines)
def wrap(width: int, text: Text) -> Text:
    """Return words in lines of a width at most, where they are not longer."""
    return from_bytes(_wrap(to_bytes(text), max(1, width), b"\n", cuts=False))


@function("wrapWith(int, string, bytes) string", price=_spend_lines)
def wrap_with(width: int, separator: str, text: Text) -> Text:
    """Return words in lines of a width at most, with a separator between the lines; longer words are cut."""
    return from_bytes(_wrap(to_bytes(text), max(1, width), separator.encode() or b"\n", cuts=True))
