"""JMESPath expressions: checked without a document, and evaluated on one."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import jmespath
from jmespath.functions import Functions, signature

from keyferry.formats import jsontext

_DASH = re.compile(r"^[^\"'`]*[A-Za-z0-9_]-")
"""A dash in a name without quotes."""


class _Functions(Functions):
    """JMESPath's own functions, with a `to_string` that keeps numbers as the document writes them."""

    @signature({"types": []})
    def _func_to_string(self, value: object) -> str:
        return jsontext.to_text(value)


_FUNCTIONS: Mapping[str, Mapping[str, Any]] = _Functions.FUNCTION_TABLE
_OPTIONS = jmespath.Options(custom_functions=_Functions())


def check(path: str) -> None:
    """Check an expression without a document.

    Raises:
        ValueError: it is not JMESPath, calls an unknown function, or passes too few or too many arguments.
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


def search(path: str, document: object) -> object:
    """Return the value that an expression selects in a document; None where that is nothing, or null.

    Raises:
        Exception: the expression cannot be evaluated on the document; of a type of JMESPath's or Python's own. The
            message can quote the document.
    """
    return jmespath.search(path, document, _OPTIONS)


def _calls(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the function calls in a syntax tree."""
    if node["type"] == "function_expression":
        yield node
    for child in node["children"]:
        yield from _calls(child)


def _check_call(name: str, arguments: int) -> None:
    """Check a function's name and number of arguments, which JMESPath itself checks only when it evaluates the call."""
    if name not in _FUNCTIONS:
        raise ValueError(f"JMESPath has no function {name}{_suggest(name)}")
    signature = _FUNCTIONS[name]["signature"]
    required, is_variadic = len(signature), bool(signature[-1].get("variadic"))
    if arguments < required or (arguments > required and not is_variadic):
        expected = f"{required} argument{'' if required == 1 else 's'}{' or more' if is_variadic else ''}"
        raise ValueError(f"JMESPath's {name} takes {expected}, and here are {arguments}")


def _suggest(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  # needed only for a mistake

    similar = get_close_matches(name, _FUNCTIONS, n=1)
    return f"; did you mean {similar[0]}?" if similar else f"; there is: {', '.join(sorted(_FUNCTIONS))}"
