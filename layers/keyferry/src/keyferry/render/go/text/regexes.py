"""Sprig's functions for regular expressions, which are RE2's in Go as here."""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from keyferry.budget import Budget
from keyferry.formats import re2
from keyferry.render.formatting import FilterError
from keyferry.render.go.function import function
from keyferry.render.go.values import NilList

_QUOTED = re.compile(r"[\\.+*?()|\[\]{}^$]")


def _compile(pattern: str) -> Any:  # noqa: ANN401  # re2 has no types
    try:
        return re2.compile_pattern(pattern)
    except ValueError:
        raise FilterError("it gets what is not a regular expression") from None


def _spend(budget: Budget, pattern: str, text: str, *_: object) -> None:
    compiled = _compile(pattern)
    budget.spend(re2.price_compilation(compiled) + re2.price_search(compiled, text))


def _find(pattern: str, text: str) -> Iterator[Any]:
    """Yield the matches that Go finds: none that is empty right behind the one before."""
    end = -1
    for match in _compile(pattern).finditer(text):
        if match.start() == match.end() == end:
            continue
        end = match.end()
        yield match


@function("regexMatch(string, string) bool", "mustRegexMatch(string, string) bool", price=_spend)
def is_match(pattern: str, text: str) -> bool:
    """Return whether an expression matches somewhere in a text."""
    return _compile(pattern).search(text) is not None


@function("regexFind(string, string) string", "mustRegexFind(string, string) string", price=_spend)
def find(pattern: str, text: str) -> str:
    """Return the first part of a text that an expression matches."""
    match = _compile(pattern).search(text)
    return "" if match is None else str(match[0])


@function(
    "regexFindAll(string, string, int) strings",
    "mustRegexFindAll(string, string, int) strings",
    subject=1,
    price=_spend,
)
def find_all(pattern: str, text: str, count: int) -> list[str]:
    """Return the parts of a text that an expression matches, as many as wanted; all for a negative count."""
    parts = [str(match[0]) for match in _find(pattern, text)]
    return parts[: None if count < 0 else count] or NilList()  # type: ignore[return-value]


@function(
    "regexReplaceAll(string, string, string) string",
    "mustRegexReplaceAll(string, string, string) string",
    subject=1,
    price=_spend,
)
def replace_all(pattern: str, text: str, replacement: str) -> str:
    """Return a text with a replacement, which may have `$1` or `${name}`, for each part that matches."""
    return _replace(pattern, text, partial(re2.expand, replacement))


def _replace(pattern: str, text: str, expand: Any) -> str:  # noqa: ANN401  # as above
    parts, end = list[str](), 0
    for match in _find(pattern, text):
        parts += [text[end : match.start()], expand(match)]
        end = match.end()
    return "".join([*parts, text[end:]])


@function(
    "regexReplaceAllLiteral(string, string, string) string",
    "mustRegexReplaceAllLiteral(string, string, string) string",
    subject=1,
    price=_spend,
)
def replace_all_literally(pattern: str, text: str, replacement: str) -> str:
    """Return a text with a replacement, as it stands, for each part that matches."""
    return _replace(pattern, text, lambda _: replacement)


@function(
    "regexSplit(string, string, int) strings", "mustRegexSplit(string, string, int) strings", subject=1, price=_spend
)
def split(pattern: str, text: str, count: int) -> list[str]:
    """Return the parts of a text between those that an expression matches."""
    if count == 0:
        return NilList()  # type: ignore[return-value]
    if pattern and not text:
        return [""]
    parts, begin, end = list[str](), 0, 0
    for match in _find(pattern, text):
        if count > 0 and len(parts) == count - 1:
            break
        end = match.start()
        if match.end():
            parts.append(text[begin:end])
        begin = match.end()
    return [*parts, text[begin:]] if end != len(text) else parts


@function("regexQuoteMeta(string) string")
def quote_signs(text: str) -> str:
    """Return an expression that matches a text as it stands."""
    return _QUOTED.sub(lambda sign: f"\\{sign[0]}", text)
