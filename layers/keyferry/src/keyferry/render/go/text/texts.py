"""Sprig's functions for text."""

from keyferry.budget import Budget
from keyferry.render.formatting import FilterError
from keyferry.render.go.function import function
from keyferry.render.go.text.letters import SPACES, to_lower, to_upper
from keyferry.render.go.text.printing import quote_text, write
from keyferry.render.go.values import Text, from_bytes, to_bytes


def to_texts(values: object) -> list[str]:
    """Return a list of values as texts, without nil; another value as a list of its text (sprig's `strslice`)."""
    if isinstance(values, list | tuple):
        return [write(value) for value in values if value is not None]
    return [] if values is None else [write(values)]


@function("toString(any) string")
def to_string(value: object) -> str:
    """Return a value as text."""
    return write(value)


@function("toStrings(any) strings")
def to_strings(values: object) -> list[str]:
    """Return a list of values as texts."""
    return to_texts(values)


@function("trim(string) string")
def trim(text: str) -> str:
    """Return a text without the white space around it."""
    return text.strip(SPACES)


@function("upper(string) string")
def upper(text: str) -> str:
    """Return a text in capital letters."""
    return "".join(map(to_upper, text))


@function("lower(string) string")
def lower(text: str) -> str:
    """Return a text in small letters."""
    return "".join(map(to_lower, text))


@function("trimAll(string, string) string", "trimall(string, string) string")
def trim_all(signs: str, text: str) -> str:
    """Return a text without some signs at both ends."""
    return text.strip(signs) if signs else text


@function("trimPrefix(string, string) string")
def trim_prefix(prefix: str, text: str) -> str:
    """Return a text without what it begins with."""
    return text.removeprefix(prefix)


@function("trimSuffix(string, string) string")
def trim_suffix(suffix: str, text: str) -> str:
    """Return a text without what it ends with."""
    return text.removesuffix(suffix)


@function("trunc(int, bytes) string")
def truncate(count: int, text: Text) -> Text:
    """Return the first bytes of a text, or the last ones where the count is negative."""
    content = to_bytes(text)
    if count < 0:
        return from_bytes(content[count:] if len(content) + count > 0 else content)
    return from_bytes(content[:count])


@function("substr(int, int, bytes) string")
def cut(start: int, end: int, text: Text) -> Text:
    """Return some bytes of a text."""
    content = to_bytes(text)
    if start < 0:
        start = 0
    elif end < 0 or end > len(content):
        end = len(content)
    if not 0 <= start <= end <= len(content):
        raise FilterError("it reaches beyond the text")
    return from_bytes(content[start:end])


def _spend_repeat(budget: Budget, count: int, text: str) -> None:
    budget.spend_text(max(0, count) * len(text))


@function("repeat(int, string) string", price=_spend_repeat)
def repeat(count: int, text: str) -> str:
    """Return a text some times over."""
    if count < 0:
        raise FilterError("it takes no negative count")
    return text * count


def _spend_replace(budget: Budget, old: str, new: str, text: str) -> None:
    budget.spend_text(len(text) + text.count(old) * len(new))


@function("replace(string, string, string) string", price=_spend_replace)
def replace(old: str, new: str, text: str) -> str:
    """Return a text with another one for each of its parts."""
    return text.replace(old, new)


@function("contains(string, string) bool")
def contains(part: str, text: str) -> bool:
    """Return whether a text contains another."""
    return part in text


@function("hasPrefix(string, string) bool")
def has_prefix(prefix: str, text: str) -> bool:
    """Return whether a text begins with another."""
    return text.startswith(prefix)


@function("hasSuffix(string, string) bool")
def has_suffix(suffix: str, text: str) -> bool:
    """Return whether a text ends with another."""
    return text.endswith(suffix)


@function("quote(...any) string")
def quote(*values: object) -> str:
    """Return values in double quotes with Go's escapes, without nil."""
    return " ".join(quote_text(write(value)) for value in values if value is not None)


@function("squote(...any) string")
def single_quote(*values: object) -> str:
    """Return values in single quotes, without nil."""
    return " ".join(f"'{write(value)}'" for value in values if value is not None)


@function("cat(...any) string")
def concatenate(*values: object) -> str:
    """Return values with blanks between them, without nil."""
    return " ".join(write(value) for value in values if value is not None)


def _spend_indent(budget: Budget, width: int, text: str) -> None:
    budget.spend_text(len(text) + (text.count("\n") + 1) * abs(width))


@function("indent(int, string) string", price=_spend_indent)
def indent(width: int, text: str) -> str:
    """Return a text with blanks before each line."""
    pad = " " * _check_width(width)
    return pad + text.replace("\n", f"\n{pad}")


@function("nindent(int, string) string", price=_spend_indent)
def indent_below(width: int, text: str) -> str:
    """Return a line end, and a text with blanks before each line."""
    return "\n" + indent(width, text)


def _check_width(width: int) -> int:
    if width < 0:
        raise FilterError("it takes no negative width")
    return width


@function("plural(string, string, int) string")
def choose_number(one: str, many: str, count: int) -> str:
    """Return one text for one, and another for any other number."""
    return one if count == 1 else many


@function("splitList(string, string) strings")
def split_list(separator: str, text: str) -> list[str]:
    """Return the parts of a text."""
    return text.split(separator) if separator else list(text)


@function("split(string, string) texts")
def split(separator: str, text: str) -> dict[str, str]:
    """Return the parts of a text as `_0`, `_1` and so on."""
    return {f"_{number}": part for number, part in enumerate(split_list(separator, text))}


@function("splitn(string, int, string) texts")
def split_some(separator: str, count: int, text: str) -> dict[str, str]:
    """Return so many parts of a text at most, as `_0`, `_1` and so on."""
    if not separator and count > 0:
        raise FilterError("it takes a separator here")
    if count == 0:
        return {}
    parts = text.split(separator, count - 1 if count > 0 else -1) if separator else list(text)
    return {f"_{number}": part for number, part in enumerate(parts)}


@function("join(string, any) string")
def join(separator: str, values: object) -> str:
    """Return values as text, with a separator between them."""
    return separator.join(to_texts(values))


@function("sortAlpha(any) strings")
def sort_texts(values: object) -> list[str]:
    """Return values as text, sorted by their bytes."""
    return sorted(to_texts(values)) if values is not None else ["<nil>"]
