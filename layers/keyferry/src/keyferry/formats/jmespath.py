"""JMESPath: what is wrong with an expression, as far as it can be known before there is a document; what it finds."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import jmespath
from jmespath.functions import Functions, signature

from keyferry.formats import jsontext

_DASH = re.compile(r"^[^\"'`]*[A-Za-z0-9_]-")
"""A dash in a name that nothing quotes."""


class _Functions(Functions):
    """JMESPath's own, but for what would change what is in the document."""

    @signature({"types": []})
    def _func_to_string(self, value: object) -> str:
        return jsontext.text(value)


_FUNCTIONS: Mapping[str, Mapping[str, Any]] = _Functions.FUNCTION_TABLE
_OPTIONS = jmespath.Options(custom_functions=_Functions())


def check(path: str) -> None:
    """Pass an expression that can be evaluated.

    Raises:
        ValueError: it is none, calls a function that there is not, or one with too few or too many arguments.
    """
    try:
        tree = jmespath.compile(path).parsed
        calls = list(_calls(tree))
    except RecursionError:
        raise ValueError("not a JMESPath expression: nested too deeply") from None
    except ValueError as error:  # JMESPath's own errors, and Python's of a number with thousands of digits
        if _DASH.search(path):  # JMESPath's own text has several lines
            raise ValueError("""a name with a dash is written in double quotes, as '"db-password"'""") from None
        raise ValueError(f"not a JMESPath expression: {error}") from None
    for call in calls:
        _check_call(call["value"], len(call["children"]))


def search(path: str, held: object) -> object:
    """Return what an expression finds in a document; None where that is nothing, or null.

    Raises:
        Exception: it does not fit the document, of JMESPath's kinds or Python's. The text can quote the document.
    """
    return jmespath.search(path, held, _OPTIONS)


def _calls(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if node["type"] == "function_expression":
        yield node
    for child in node["children"]:
        yield from _calls(child)


def _check_call(name: str, given: int) -> None:
    """Refuse a call as JMESPath does when it is evaluated; its compiler looks at neither name nor number."""
    if name not in _FUNCTIONS:
        raise ValueError(f"JMESPath has no function {name}{_nearest(name)}")
    signature = _FUNCTIONS[name]["signature"]
    wanted, more = len(signature), bool(signature[-1].get("variadic"))
    if given < wanted or (given > wanted and not more):
        number = f"{wanted} argument{'' if wanted == 1 else 's'}"
        raise ValueError(f"JMESPath's {name} takes {number}{' or more' if more else ''}, and here are {given}")


def _nearest(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  # for a mistake alone

    near = get_close_matches(name, _FUNCTIONS, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there is: {', '.join(sorted(_FUNCTIONS))}"
