"""The table of functions, and how each is declared: by Go's own signature."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

KINDS = frozenset(
    {
        "any",
        "bool",
        "bytes",
        "constant",
        "float",
        "int",
        "int64",
        "ints",
        "list",
        "map",
        "slice",
        "string",
        "strings",
        "texts",
    }
)
"""Go's types, as signatures have them.

`string` is text, `bytes` a string of any bytes, `slice` a list of whatever type (any other value is an error of Go's),
`map` a map[string]any, `texts` a map[string]string; `list`, `strings` and `ints` are lists of any, string and int.
"""
_SIGNATURE = re.compile(r"([a-zA-Z0-9_]+)\(([^)]*)\) ([a-z0-9]+)")


@dataclass(frozen=True)
class Function:
    """A function of Go's.

    Attributes:
        call: gets the arguments in Go's order.
        parameters: the types of the arguments.
        rest: the type of the further ones; empty where there are none.
        result: the type of what it returns.
        subject: which argument stands before the bar of the filter `go`.
        price: spends what the function costs beyond its arguments and its result.
    """

    call: Callable[..., Any]
    parameters: tuple[str, ...]
    rest: str
    result: str
    subject: int
    price: Callable[..., None] | None


FUNCTIONS: dict[str, Function] = {}
"""Name in Go → function."""


def function[F: Callable[..., Any]](
    *signatures: str, subject: int = -1, price: Callable[..., None] | None = None
) -> Callable[[F], F]:
    """Enter a function in the table, under each name that a signature gives it.

    Args:
        signatures: such as `trunc(int, string) string`, or `cat(...any) string`.
        subject: which argument stands before the bar.
        price: gets the budget and the arguments.
    """

    def enter(call: F) -> F:
        for signature in signatures:
            name, inner, result = _SIGNATURE.fullmatch(signature).groups()  # type: ignore[union-attr]
            kinds = [kind for kind in inner.split(", ") if kind]
            rest = kinds.pop()[3:] if kinds and kinds[-1].startswith("...") else ""
            FUNCTIONS[name] = Function(call, tuple(kinds), rest, result, subject, price)
        return call

    return enter
