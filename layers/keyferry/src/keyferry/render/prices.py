"""What filters, tests and methods of templates cost beyond what they return, and those that no budget could bear.

Most make of a text or a list one that is about as long: what it returns is spent afterwards. Here are the others: those
that make much of little, those that take longer than their result shows, and those whose time grows with the square of
the length.
"""

from collections.abc import Callable, Sized
from typing import Any

from keyferry.budget import Budget
from keyferry.render.filters import to_file
from keyferry.render.formatting import FilterError, to_text
from keyferry.render.go import filter as go
from keyferry.render.key_derivation import count_rounds

_ENCODINGS = ("utf-8", "utf8", "ascii", "latin-1", "utf-16", "utf-16-le", "utf-16-be")
"""Encodings that take time in proportion to the text; Python has others."""
_BCRYPT_STEPS = 40
"""What each of the 2^rounds rounds of bcrypt costs: ten rounds are about 60 ms."""
_PASSING = frozenset({"attr", "d", "default", "first", "last", "max", "min", "safe"})
"""Filters that return what they were given, or a part of it."""
_ITERATING = frozenset(
    {"groupby", "join", "map", "max", "min", "reject", "rejectattr", "select", "selectattr", "sort", "sum", "unique"}
)
"""Filters that go through all items, whatever they return, and may take from each what an attribute `a.b,c` names."""
_PADDING = frozenset({"center", "expandtabs", "ljust", "rjust", "to_bytes", "zfill"})
_SEARCHING = frozenset({"lstrip", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "strip"})
"""Methods that compare each part of the text with the whole argument."""
_SPLITTING = frozenset({"split", "splitlines", "rsplit"})


def spend_call(budget: Budget, target: object, name: str, values: list[Any]) -> None:
    """Spend what a method of a value costs.

    Args:
        budget: the budget.
        target: the value.
        name: the name of the method.
        values: its arguments.

    Raises:
        OverBudget: it would cost too much.
        FilterError: templates cannot call it.
    """
    budget.spend_value(values)
    length = len(target) if isinstance(target, str | bytes) else 0
    texts = [value for value in values if isinstance(value, str)]
    number = max((abs(value) for value in values if isinstance(value, int)), default=8)  # of spaces for a tab
    if isinstance(target, bytes) and name not in ("decode", "hex"):
        raise FilterError(f"bytes have decode and hex here, and not {name}")
    if name in ("decode", "encode") and texts and texts[0].lower() not in _ENCODINGS:
        raise FilterError(f"{name} takes {', '.join(_ENCODINGS)}")
    if name in _PADDING:
        tabs = target.count("\t") if isinstance(target, str) and name == "expandtabs" else 1
        budget.spend_text(length + number * tabs)
    if name in _SEARCHING:
        budget.spend(length * max(map(len, texts), default=1) // 1000)
    if name in _SPLITTING:
        budget.spend(length // 8)
    if isinstance(target, str):
        _spend_text_call(budget, target, name, values, texts)
    if not isinstance(target, dict):  # which is looked up, and not searched
        budget.spend_value(target)


def _spend_text_call(budget: Budget, text: str, name: str, values: list[Any], texts: list[str]) -> None:
    """Spend what the methods of text cost that replace characters, or remove tags."""
    if name == "replace" and len(texts) > 1:
        budget.spend_text(len(text) + text.count(texts[0]) * len(texts[1]))
    if name == "translate":
        replacements = [item for table in values if isinstance(table, dict) for item in table.values()]
        budget.spend_text(len(text) * max((len(item) for item in replacements if isinstance(item, str)), default=1))
    if name in ("striptags", "unescape"):
        _spend_striptags(budget, text)


def is_new(name: str) -> bool:
    """Return whether what a filter returns was not there before."""
    return name not in _PASSING


def spend_input(budget: Budget, name: str, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    """Spend what it costs a filter to read its value, and return its arguments. Items spend it as they are read.

    Args:
        budget: the budget.
        name: the name of the filter.
        args: its arguments, first the value.
        named: its arguments by name.
    """
    value = args[0]
    if name in _ITERATING and value is not None:
        texts = [text for text in (*args[1:], *named.values()) if isinstance(text, str)]
        parts = 1 + sum(text.count(".") + text.count(",") for text in texts)
        budget.spend(parts)
        return budget.count_rounds(value, parts), *args[1:]
    if isinstance(value, str) and is_new(name):
        budget.spend_value(value)
    return args


def _spend_items(budget: Budget, value: object, *_: object, **__: object) -> None:
    """Spend the items of a list, which are copied or compared."""
    if isinstance(value, str):
        budget.spend(len(value))
    elif isinstance(value, list | tuple | dict):
        budget.spend_value(value)


def _spend_batch(budget: Budget, value: object, linecount: int, fill_with: object = None) -> None:
    _spend_items(budget, value)
    if fill_with is not None:
        budget.check_length(linecount)
        budget.spend(linecount)


def _spend_bcrypt(budget: Budget, _value: object, rounds: int = 10) -> None:
    if 0 <= rounds <= 31:
        budget.spend(2**rounds * _BCRYPT_STEPS)


def _spend_center(budget: Budget, _value: object, width: int = 80) -> None:
    budget.spend_text(width)


def _spend_indent(budget: Budget, s: object, width: int | str = 4, first: bool = False, blank: bool = False) -> None:
    del first, blank  # at most one line more
    text = to_text(s)
    budget.spend_text(len(text) + (len(text.splitlines()) + 1) * (len(width) if isinstance(width, str) else width))


def _spend_round(budget: Budget, _value: object, precision: int = 0, method: str = "common") -> None:
    del method
    budget.spend(precision * 10)


def _spend_striptags(budget: Budget, value: object) -> None:
    text = to_text(value)
    budget.spend((text.count("<") + 1) * len(text) // 8192)  # the rest of the text is copied for each tag


def _spend_trim(budget: Budget, value: object, chars: object = None) -> None:
    budget.spend(len(to_text(value)) * (1 if chars is None else len(to_text(chars))) // 1000)


def _spend_urlize(budget: Budget, value: object, *more: object, **named: object) -> None:
    """Spend what the library writes into each link, and each scheme that a word may begin with."""
    _spend_words(budget, value)
    words = len(to_text(value).split())
    for argument in (*more, *named.values()):
        if isinstance(argument, str):
            budget.spend_text(words * len(argument))
        elif isinstance(argument, Sized):
            budget.spend(words * len(argument))


def _spend_words(budget: Budget, value: object, *_: object, **__: object) -> None:
    """Spend the square of the longest word: the library looks for marks at the end of a word from each character."""
    longest = max(map(len, to_text(value).split()), default=0)
    budget.spend(longest**2 // 500 + len(to_text(value)) // 4)


def _spend_wordwrap(
    budget: Budget, s: object, width: int = 79, break_long_words: bool = True, wrapstring: object = None, **_: object
) -> None:
    del break_long_words
    _spend_words(budget, s)
    lines = 2 * len(to_text(s)) // max(1, width) + len(to_text(s).splitlines())
    budget.spend_text(len(to_text(s)) + lines * (1 if wrapstring is None else len(to_text(wrapstring))))


def _spend_text(steps_for_each: float) -> Callable[..., None]:
    """Return the price of what takes so many steps for each character of its text."""

    def spend(budget: Budget, value: object, *_: object, **__: object) -> None:
        if isinstance(value, dict | list):  # which is written as text first
            budget.spend_value(value)
            value = to_text(value)
        length = len(value) if isinstance(value, str) or hasattr(value, "reveal") else 0  # type: ignore[arg-type]
        budget.spend(int(length * steps_for_each))

    return spend


def _spend_certificates(budget: Budget, value: object, *_: object, **__: object) -> None:
    budget.spend(20_000 + (value.count("BEGIN") * 500 if isinstance(value, str) else 0))


def _spend_jwk(budget: Budget, value: object) -> None:
    budget.spend_value(value)
    is_rsa = isinstance(value, dict) and value.get("kty") == "RSA"
    budget.spend(400_000 if is_rsa else 10_000)  # the numbers of a key of RSA are checked for primes


def _spend_key(budget: Budget, value: object) -> None:
    budget.spend_value(value)
    budget.spend(400_000)  # as the numbers of a JSON Web Key


def _spend_pkcs12(budget: Budget, value: object, *_: object, **__: object) -> None:
    budget.spend(20_000 + count_rounds(to_file(value)) // 4)


def _spend_yaml(budget: Budget, value: object) -> None:
    budget.spend_value(value, times=16)


PRICES: dict[str, Callable[..., None]] = {
    **dict.fromkeys(("dictsort", "groupby", "list", "slice", "sort", "sum", "unique"), _spend_items),
    **dict.fromkeys(("max", "min", "reverse"), _spend_items),
    **dict.fromkeys(("jwk_private_key_pem", "jwk_public_key_pem"), _spend_jwk),
    **dict.fromkeys(("filter_pem", "pem"), _spend_text(1 / 4)),
    **dict.fromkeys(("pkcs12_cert", "pkcs12_key"), _spend_pkcs12),
    "filter_cert_chain": _spend_certificates,
    "batch": _spend_batch,
    "bcrypt": _spend_bcrypt,
    "center": _spend_center,
    "fromdotenv": _spend_text(1 / 2),
    "fromjson": _spend_text(1 / 2),
    "fromyaml": _spend_text(4),
    "go": go.spend,
    "indent": _spend_indent,
    "round": _spend_round,
    "striptags": _spend_striptags,
    "toyaml": _spend_yaml,
    "traditional_key": _spend_key,
    "trim": _spend_trim,
    "urlize": _spend_urlize,
    "wordcount": _spend_text(1 / 8),
    "wordwrap": _spend_wordwrap,
}
"""Filter → what spends its cost. Arguments are called as the filter's own are, since templates give them by name."""
