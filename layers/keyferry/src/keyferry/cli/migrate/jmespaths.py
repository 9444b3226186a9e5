"""JMESPath that the AWS provider of the CSI driver, which has go-jmespath, reads otherwise than Keyferry.

What is left gives the same text in both, or an error; `make oracle` compares them on random paths and documents.
"""

import json
import warnings
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import jmespath
from jmespath.lexer import Lexer

_ORDERED = ("lt", "lte", "gt", "gte")
_EXACT = 2**53
"""Up to it, every integer is a number of Go's JSON."""
_RANDOM = "takes members of an object in an order that is random there: name them"


def find_difference(path: str) -> str:
    """Return what of a path the AWS provider reads otherwise, or always refuses; nothing where there is nothing.

    Args:
        path: an expression that `formats.jmespath.check` takes.
    """
    with warnings.catch_warnings(action="ignore"):  # of what backticks hold, which is refused
        literals, tree = list(_list_literals(path)), jmespath.compile(path).parsed
    for raw in literals:
        if raw.startswith("'") and "\\" in raw:
            return f"has a backslash in {raw}: write the text in backticks, as JSON in double quotes"
        if raw.startswith("`") and not _is_json(raw[1:-1].replace("\\`", "`")):
            return f"has {raw}, and backticks hold JSON: a text stands in single quotes"
    return next(filter(None, map(_find_in_node, _list_nodes(tree))), "")


def _list_literals(path: str) -> Iterator[str]:
    """Yield the fixed values of a path as they are written: each goes on to the next token."""
    for token, after in pairwise(Lexer().tokenize(path)):
        if token["type"] == "literal":
            yield path[token["start"] : after["start"]].strip()


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _list_nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node["children"] if node["type"] != "slice" else ():  # its children are numbers
        yield from _list_nodes(child)


def _find_in_node(node: Mapping[str, Any]) -> str:
    if node["type"] == "value_projection":
        return f"has a * that {_RANDOM}"
    if node["type"] == "function_expression" and node["value"] in ("keys", "values"):
        return f"has {node['value']}(), which {_RANDOM}"
    if node["type"] == "function_expression" and node["value"] == "to_number":
        return "has to_number(), which takes other texts for numbers there: leave it out"
    if _is_number(node) and abs(node["value"]) > _EXACT:
        return f"has {node['value']}, of which only the first digits count there"
    if node["type"] == "comparator" and node["value"] in _ORDERED and not any(map(_is_number, node["children"])):
        return (
            "compares by <, <=, > or >= what may be texts, which is nothing there: compare with a number in backticks"
        )
    return ""


def _is_number(node: Mapping[str, Any]) -> bool:
    value = node.get("value")
    return node["type"] == "literal" and isinstance(value, int | float) and not isinstance(value, bool)
