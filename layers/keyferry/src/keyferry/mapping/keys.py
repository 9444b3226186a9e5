"""The keys of many values at once: rules that rename them, and what becomes of characters that a key may not have.

Regular expressions and escapes behave as those of External Secrets (`rewrite`, `conversionStrategy`), whose are Go's.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, ValidationInfo, model_validator

from keyferry.formats.fields import CHECKED, Key, RegularExpression
from keyferry.formats.jsontext import escape_surrogates
from keyferry.formats.re2 import compile_pattern
from keyferry.model import Record

InvalidCharacters = Literal["refuse", "replace", "escape"]
type Fill = Callable[[str, str], str]
"""Fills a rule's template, for a key."""

_REFERENCE = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")
_INVALID = re.compile(r"[^-._a-zA-Z0-9]")
_KEY = TypeAdapter(Key)


class Regexp(Record):
    """Replaces every match."""

    source: RegularExpression
    """The regular expression."""
    target: str
    """What comes in its place; `$1` and `${name}` stand for groups, `$$` for a dollar."""

    @model_validator(mode="after")
    def _names_groups_that_there_are(self, info: ValidationInfo) -> Self:
        if (info.context or {}).get(CHECKED):
            return self
        pattern = compile_pattern(self.source)
        for name in _references(self.target):
            known = name in pattern.groupindex or (name.isdecimal() and int(name) <= pattern.groups)
            if not known:
                raise ValueError(f"source has no group {name}, which target names; ${{1}}x is group 1 and an x")
        return self

    def replace(self, text: str) -> str:
        """Return the text with every match replaced; an empty match right after another one is none, as in Go.

        Raises:
            ValueError: the text has half a character.
        """
        if not text.isascii() and escape_surrogates(text) != text:
            raise ValueError(f"key {escape_surrogates(text)} has half a character, which no regular expression reads")
        made, end = "", -1
        last = 0
        for match in compile_pattern(self.source).finditer(text):
            if match.start() == match.end() == end:
                continue
            made += text[last : match.start()] + _expanded(self.target, match)
            last = end = match.end()
        return made + text[last:]


class KeyRule(Record):
    """One step from the key that a value has to the key that it gets."""

    regexp: Regexp | None = None
    """Replaces every match of a regular expression."""
    strip_prefix: str | None = Field(default=None, alias="stripPrefix", min_length=1)
    """Takes a prefix away where it is there."""
    add_prefix: str | None = Field(default=None, alias="addPrefix", min_length=1)
    """Puts a prefix before."""
    case: Literal["lower", "upper"] | None = None
    """Changes the case."""
    template: str | None = None
    """A template over `key`."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError("needs exactly one of regexp, stripPrefix, addPrefix, case and template")
        return self

    def apply(self, key: str, fill: Fill) -> str:
        """Return what the rule makes of a key."""
        if self.regexp:
            return self.regexp.replace(key)
        if self.template is not None:
            return fill(self.template, key)
        if self.case:
            return key.upper() if self.case == "upper" else key.lower()
        return (self.add_prefix or "") + key.removeprefix(self.strip_prefix or "")


def rename(
    keys: Iterable[str], rules: Iterable[KeyRule], invalid: InvalidCharacters, fill: Fill
) -> Iterator[tuple[str, str]]:
    """Yield each key, and the key of the Secret that it becomes.

    Raises:
        ValueError: two become one, or one becomes what no key of a Secret can be. The text names the keys.
    """
    steps, taken = list(rules), dict[str, str]()
    for key in keys:
        renamed = _allowed(_stepped(key, steps, fill), invalid, key)
        if renamed in taken:
            both = f"{escape_surrogates(taken[renamed])} and {escape_surrogates(key)}"
            raise ValueError(f"{both} both become {renamed}; tell them apart by the rules of keys")
        taken[renamed] = key
        yield key, renamed


def _stepped(key: str, steps: Iterable[KeyRule], fill: Fill) -> str:
    for step in steps:
        key = step.apply(key, fill)
    return key


def _allowed(key: str, invalid: InvalidCharacters, origin: str) -> str:
    if invalid == "replace":
        key = _INVALID.sub("_", key)
    elif invalid == "escape":
        key = _INVALID.sub(lambda match: f"_U{ord(match[0]):04x}_", key)
    try:
        return str(_KEY.validate_python(key))
    except ValidationError:
        raise ValueError(
            f"{escape_surrogates(origin)} becomes {key!r}, and keys of a Secret have letters, digits, '-', '_' and '.',"
            " 253 at most:"
            " rename it by the rules of keys, or say invalidCharacters: replace"
        ) from None


def _references(target: str) -> Iterator[str]:
    for match in _REFERENCE.finditer(target):
        if match[1] or match[2]:
            yield match[1] or match[2]


def _expanded(target: str, match: Any) -> str:  # noqa: ANN401  # re2 has no types
    def group(reference: re.Match[str]) -> str:
        name = reference[1] or reference[2]
        if name is None:
            return "$"
        return str(match[int(name) if name.isdecimal() else name] or "")

    return _REFERENCE.sub(group, target)
