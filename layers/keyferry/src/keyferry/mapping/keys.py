"""Rules that rename the keys of many values at once, and the treatment of characters that keys may not contain.

Regular expressions and escapes behave as in External Secrets (`rewrite`, `conversionStrategy`), which uses Go's.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, ValidationInfo, model_validator

from keyferry.budget import Budget
from keyferry.formats.fields import CHECKED, Key, RegularExpression
from keyferry.formats.jsontext import escape_surrogates
from keyferry.formats.re2 import REFERENCE, compile_pattern, expand, is_number, price_compilation, price_search
from keyferry.model import Record

InvalidCharacters = Literal["refuse", "replace", "escape"]
type FillTemplate = Callable[[str, str], str]
"""Takes the template of a rule and a key, and returns the new key."""

MAX_LENGTH = 4096
"""How long a key may be before the rules and on the way: a path has 1,011 characters, and a key of a Secret 253."""
_EXPRESSIONS = "the regular expressions of keys"
TOO_LONG = "becomes longer than"
"""What messages say of a key that rules make grow."""
_PLAIN = frozenset("-._")
_KEY = TypeAdapter(Key)


class Regexp(Record):
    """A regular expression and its replacement."""

    source: RegularExpression
    """The regular expression."""
    target: Annotated[str, StringConstraints(max_length=1000)]
    """The text that replaces every match; `$1` and `${name}` stand for groups, `$$` for a dollar sign."""

    @model_validator(mode="after")
    def _check_groups(self, info: ValidationInfo) -> Self:
        if (info.context or {}).get(CHECKED):
            return self
        pattern = compile_pattern(self.source)
        for name in _list_groups(self.target):
            exists = name in pattern.groupindex or (is_number(name) and int(name) <= pattern.groups)
            if not exists:
                raise ValueError(f"source has no group {name}, which target names; ${{1}}x is group 1 and an x")
        return self

    def replace(self, text: str, budget: Budget) -> str:
        """Return the text with every match replaced. As in Go, an empty match right after another one does not count.

        Raises:
            OverBudget: the expression is too long for such a text, or has too many matches.
            ValueError: the text has a lone surrogate.
        """
        _check_characters(text)
        pattern = compile_pattern(self.source)
        price = price_search(pattern, text) + self.target.count("$")
        result, copied, previous_end = "", 0, -1
        budget.spend(
            price_compilation(pattern) + price, _EXPRESSIONS
        )  # for the search that comes next; the last one finds nothing
        for match in pattern.finditer(text):
            budget.spend(price, _EXPRESSIONS)
            if match.start() == match.end() == previous_end:
                continue
            result += text[copied : match.start()] + expand(self.target, match)
            _check_length(result, text)
            copied = previous_end = match.end()
        return result + text[copied:]


class Merge(Record):
    """How the JSON objects that keys hold become one. Of equal keys, that of a later object wins."""

    into: Annotated[str, StringConstraints(min_length=1)] | None = Field(default=None, examples=["all.json"])
    """A key that holds the whole object; without it, the keys of the object take the place of all others."""
    priority: list[str] = Field(default_factory=list, examples=[["base", "override"]])
    """The keys whose objects come last, in this order; others come before them, by name."""
    conflicts: Literal["fail", "overwrite"] = "fail"
    """What happens where two objects have the same key."""
    missing: Literal["fail", "ignore"] = "fail"
    """What happens where a key of `priority` is not there."""


class KeyRule(Record):
    """One step of renaming keys. Rules apply one after the other."""

    regexp: Regexp | None = None
    """Replaces all matches of a regular expression."""
    strip_prefix: str | None = Field(default=None, alias="stripPrefix", min_length=1)
    """Removes a prefix, if the key has it."""
    add_prefix: str | None = Field(default=None, alias="addPrefix", min_length=1)
    """Adds a prefix."""
    case: Literal["lower", "upper"] | None = None
    """Changes the case of all letters."""
    template: str | None = None
    """A Jinja template of the new key. Its variable is `key`."""
    exclude: RegularExpression | None = None
    """Leaves out the keys in which a regular expression is found."""
    merge: Merge | None = None
    """Makes one JSON object of those that the keys hold."""

    @model_validator(mode="after")
    def _check_one_kind(self) -> Self:
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError("needs exactly one of regexp, stripPrefix, addPrefix, case, template, exclude and merge")
        return self

    def apply(self, key: str, fill: FillTemplate, budget: Budget) -> str | None:
        """Return the key after this rule; None where it leaves the key out."""
        if self.exclude is not None:
            return None if _is_found(self.exclude, key, budget) else key
        if self.regexp:
            return self.regexp.replace(key, budget)
        if self.template is not None:
            return fill(self.template, key)
        if self.case:
            return key.upper() if self.case == "upper" else key.lower()
        return (self.add_prefix or "") + key.removeprefix(self.strip_prefix or "")


def rename(
    keys: Iterable[str], rules: Iterable[KeyRule], invalid: InvalidCharacters | None, fill: FillTemplate, budget: Budget
) -> Iterator[tuple[str, str]]:
    """Yield each key that is not left out together with its new name, which is a key that a Secret can have.

    Args:
        keys: the keys of the values.
        rules: the rules to apply, in order, none of which merges.
        invalid: what to do with characters that a Secret's keys may not contain; None to leave them, since more rules
            follow.
        fill: fills the templates of rules.
        budget: what the rules may compute.

    Raises:
        OverBudget: there are too many keys and rules.
        ValueError: two keys get the same name, or a key gets a name that a Secret cannot have. The message names them.
    """
    rules, origins = list(rules), dict[str, str]()
    for key in keys:
        applied = _apply_all(key, rules, fill, budget)
        if applied is None:
            continue
        renamed = applied if invalid is None else _make_valid(applied, invalid, key)
        if renamed in origins:
            both = f"{escape_surrogates(origins[renamed])} and {escape_surrogates(key)}"
            raise ValueError(f"{both} both become {renamed}; tell them apart by the rules of keys")
        origins[renamed] = key
        yield key, renamed


def _apply_all(key: str, rules: Iterable[KeyRule], fill: FillTemplate, budget: Budget) -> str | None:
    if len(key) > MAX_LENGTH:
        raise ValueError(
            f"key {escape_surrogates(key)} has {len(key):,} characters, and the rules of keys take {MAX_LENGTH:,} at"
            " most; give it a shorter name by path"
        )
    origin = key
    budget.spend_value(key)
    for rule in rules:
        applied = rule.apply(key, fill, budget)
        if applied is None:
            return None
        key = applied
        _check_length(key, origin)
        budget.spend_value(key, times=4)
    return key


def _check_length(key: str, origin: str) -> None:
    if len(key) > MAX_LENGTH:
        raise ValueError(
            f"{escape_surrogates(origin)} {TOO_LONG} {MAX_LENGTH:,} characters by the rules of keys; a key has"
            " 253 at most"
        )


def _make_valid(key: str, invalid: InvalidCharacters, origin: str) -> str:
    """Return the key without invalid characters; raise a ValueError that names `origin` where it stays invalid."""
    if invalid == "replace":
        key = "".join(sign if _is_kept(sign) else "_" for sign in key)
    elif invalid == "escape":
        key = "".join(sign if _is_kept(sign) else f"_U{ord(sign):04x}_" for sign in key)
    try:
        return str(_KEY.validate_python(key))
    except ValidationError:
        raise ValueError(
            f"{escape_surrogates(origin)} becomes {key!r}, and keys of a Secret have letters, digits, '-', '_' and '.',"
            " 253 at most:"
            " rename it by the rules of keys, or say invalidCharacters: replace"
        ) from None


def _is_kept(sign: str) -> bool:
    """Return whether a character stays. As in Go, letters and digits of any script are neither replaced nor escaped."""
    return sign in _PLAIN or unicodedata.category(sign)[0] in "LN"


def _is_found(source: str, key: str, budget: Budget) -> bool:
    """Return whether a regular expression is found in a key."""
    pattern = compile_pattern(source)
    budget.spend(price_compilation(pattern) + price_search(pattern, key), _EXPRESSIONS)
    _check_characters(key)
    return pattern.search(key) is not None


def _check_characters(text: str) -> None:
    if not text.isascii() and escape_surrogates(text) != text:
        raise ValueError(f"key {escape_surrogates(text)} has half a character, which no regular expression reads")


def _list_groups(target: str) -> Iterator[str]:
    """Yield the names and numbers of the groups that a replacement refers to."""
    for match in REFERENCE.finditer(target):
        if match[1] or match[2]:
            yield match[1] or match[2]
