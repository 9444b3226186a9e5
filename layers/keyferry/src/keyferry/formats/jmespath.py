"""JMESPath expressions: checked without a document, and evaluated on one."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathTypeError
from jmespath.functions import Functions, signature
from jmespath.visitor import TreeInterpreter

from keyferry.budget import Budget
from keyferry.formats import jsontext
from keyferry.formats.foreign_paths import find_meant, quote, write_name
from keyferry.formats.printable import escape

type Step = str | int
"""A key of an object, or an index of a list."""

MAX_LENGTH = 16_384
"""The longest expression, in characters."""
_COMPARED_NAME = re.compile(r'[=!<>]=?\s*"([^"]*)"')
_COMPARING = (
    "; values are compared by ==, a text is in single quotes and a number in backticks, as"
    " \"[?name=='api'].host | [0]\""
)
_TYPES = {"str": "string", "int": "number", "float": "number", "bool": "boolean", "NoneType": "null"}
_TYPES |= {"list": "array", "dict": "object"}
"""Type of Python → type of JMESPath."""
_CHAINS = frozenset(
    {"subexpression", "index_expression", "pipe", "projection", "value_projection", "filter_projection", "flatten"}
)
"""Types of nodes whose further children read what the first one selects."""


class _Functions(Functions):
    """JMESPath's own functions, on a budget, with a `to_string` of its own."""

    def __init__(self, budget: Budget, to_string: Callable[[object], str]) -> None:
        self._budget, self._to_string = budget, to_string

    def call_function(self, function_name: str, resolved_args: Iterable[Any]) -> Any:  # noqa: ANN401  # JSON is anything
        """Call a function, and spend what its arguments and its result cost."""
        resolved_args = list(resolved_args)
        self._budget.spend_value(resolved_args)
        result = super().call_function(function_name, resolved_args)
        self._budget.spend_value(result)
        return result

    @signature({"types": ["string"]}, {"types": ["array-string"]})
    def _func_join(self, separator: str, array: list[str]) -> str:
        self._budget.spend_text(sum(len(text) + len(separator) for text in array))
        return separator.join(array)

    @signature({"types": []})
    def _func_to_string(self, value: object) -> str:
        return self._to_string(value)


class _Interpreter(TreeInterpreter):
    """Evaluates an expression on a budget: a step for each node that is visited, and what each new value costs."""

    def __init__(self, budget: Budget, to_string: Callable[[object], str]) -> None:
        super().__init__(jmespath.Options(custom_functions=_Functions(budget, to_string)))
        self._budget = budget
        self._methods: dict[str, Callable[..., Any]] = {}

    def visit(self, node: Any, *args: Any, **named: Any) -> Any:  # noqa: ANN401  # as the library has it
        """Evaluate a node."""
        self._budget.steps -= 1
        if self._budget.steps < 0:
            raise self._budget.error()
        method = self._methods.get(node["type"])
        if method is None:
            method = self._methods[node["type"]] = getattr(self, f"visit_{node['type']}")
        return method(node, *args, **named)

    def visit_comparator(self, node: Any, value: object) -> Any:  # noqa: ANN401  # as above
        """Compare two values, and spend what it costs to walk through them."""
        operands = [self.visit(child, value) for child in node["children"]]
        for operand in operands:
            self._budget.spend_value(operand)
        if node["value"] in ("eq", "ne"):
            return self.COMPARATOR_FUNC[node["value"]](*operands)
        literals = [{"type": "literal", "value": operand, "children": []} for operand in operands]
        compared: Any = {**node, "children": literals}
        return super().visit_comparator(compared, value)

    def visit_flatten(self, node: Any, value: object) -> Any:  # noqa: ANN401  # as above
        """Make one list of several, which costs what it holds, and they. So does each list and object that is made."""
        base = self._spend(self.visit(node["children"][0], value))
        literal: Any = {**node, "children": [{"type": "literal", "value": base, "children": []}]}
        return self._spend(super().visit_flatten(literal, value))

    def visit_multi_select_dict(self, node: Any, value: object) -> Any:  # noqa: ANN401
        return self._spend(super().visit_multi_select_dict(node, value))

    def visit_multi_select_list(self, node: Any, value: object) -> Any:  # noqa: ANN401
        return self._spend(super().visit_multi_select_list(node, value))

    def visit_slice(self, node: Any, value: object) -> Any:  # noqa: ANN401
        return self._spend(super().visit_slice(node, value))

    def _spend[T](self, result: T) -> T:
        self._budget.spend_value(result)
        return result


@lru_cache(1024)
def _parse(path: str) -> Any:  # noqa: ANN401  # the library's tree
    return jmespath.compile(path).parsed


_FUNCTIONS: Mapping[str, Mapping[str, Any]] = _Functions.FUNCTION_TABLE


def check(path: str) -> None:
    """Check an expression without a document.

    Raises:
        ValueError: it is not JMESPath, calls an unknown function, or passes too few or too many arguments.
    """
    if len(path) > MAX_LENGTH:
        raise ValueError(f"not a JMESPath expression: it has {len(path):,} characters, and {MAX_LENGTH:,} is the most")
    try:
        tree = jmespath.compile(path).parsed
        calls = list(_calls(tree))
    except RecursionError:
        raise ValueError("not a JMESPath expression: nested too deeply") from None
    except ValueError as error:  # JMESPath's own errors, and Python's of a number with thousands of digits
        raise ValueError(_describe_mistake(path, error)) from None
    for call in calls:
        _check_call(call["value"], len(call["children"]))


def list_steps(path: str) -> list[Step] | None:
    """Return the keys and indexes of an expression that has nothing else; None for any other one."""
    return _list_steps(_parse(path))


def _list_steps(node: Mapping[str, Any]) -> list[Step] | None:
    """Return the keys and indexes of a syntax tree."""
    if node["type"] in ("current", "identity"):
        return []
    if node["type"] in ("field", "index"):
        return [node["value"]]
    if node["type"] not in ("subexpression", "index_expression", "pipe"):
        return None
    parts = [_list_steps(child) for child in node["children"]]
    return None if None in parts else [step for part in parts for step in part or ()]


def write_path(steps: Iterable[Step]) -> str:
    """Return the expression for keys and indexes, such as `users[0]."api-key"`."""
    parts = (f"[{step}]" if isinstance(step, int) else f".{write_name(step)}" for step in steps)
    return "".join(parts).removeprefix(".")


def describe_oddity(path: str) -> str:
    """Return what is probably not meant so in an expression that is right; nothing where all of it can be meant."""
    tree = _parse(path)
    if not _reads_document(tree):
        return (
            "takes nothing from the source, it is a fixed text or number: a name has no quotes, or double ones, as"
            f" {quote(_guess_name(tree))}; for a fixed text say value instead of from and path"
        )
    text = _COMPARED_NAME.search(path)
    if text:
        return f'"{text[1]}" is the name of a key here; a text to compare with is in single quotes'
    if tree["type"] == "filter_projection":
        return f"writes a list in JSON, also where one fits; the first value alone is {quote(f'{path} | [0]')}"
    before: list[Step] | None = []
    last = tree
    if tree["type"] == "subexpression":
        before, last = _list_steps(tree["children"][0]), tree["children"][1]
    if before is not None and last["type"] == "multi_select_list" and len(last["children"]) == 1:
        name = _list_steps(last["children"][0])
        return f"makes a list of one value; the value alone is {quote(write_path([*before, *name]))}" if name else ""
    return ""


def _reads_document(node: Mapping[str, Any]) -> bool:
    """Return whether a syntax tree uses anything of the document. What follows a dot or a pipe reads what is before."""
    if node["type"] in ("field", "current", "identity"):
        return True
    children = node["children"][:1] if node["type"] in _CHAINS else node["children"]
    return any(map(_reads_document, children))


def _guess_name(node: Mapping[str, Any]) -> str:
    value = node.get("value")
    return write_name(value) if node["type"] == "literal" and isinstance(value, str) and value else "password"


def _describe_mistake(path: str, error: ValueError) -> str:
    """Return why an expression is none, and the expression that is meant where that can be told."""
    if "{{" in path or "${" in path:
        return "a path is no template: write it without braces, as password, or say template instead of path"
    if not path.strip():
        reason = "it is empty; leave path out to take the whole value"
    elif "==" not in path and (meant := find_meant(path)):
        reason = meant
    else:
        position = getattr(error, "lex_position", None)
        rest = "" if position is None else path[position:]
        wrong = f"{escape(rest[:1])} as character {len(path) - len(rest) + 1} is wrong"
        reason = wrong if rest else "something is missing at its end"
        reason += _COMPARING if "[?" in path or "==" in path else ""
    return f"not a JMESPath expression: {reason}"


def search(
    path: str, document: object, budget: Budget, to_string: Callable[[object], str] = jsontext.to_text
) -> object:
    """Return the value that an expression selects in a document; None where that is nothing, or null.

    Args:
        path: the expression.
        document: the document.
        budget: what the expression may compute.
        to_string: what the function of that name writes; by default, numbers as the document has them.

    Raises:
        OverBudget: the expression computes too much.
        Exception: the expression cannot be evaluated on the document; of a type of JMESPath's or Python's own. The
            message can quote the document.
    """
    return _Interpreter(budget, to_string).visit(_parse(path), document)


def describe_failure(error: Exception) -> str:
    """Return why an expression cannot be evaluated on a document, without a word of it."""
    if not isinstance(error, JMESPathTypeError):
        return f"does not fit the value ({type(error).__name__})"
    expected = ", ".join(name.removesuffix("-").replace("-", " of ") for name in error.expected_types)
    actual = _TYPES.get(error.actual_type, error.actual_type)
    return f"does not fit the value: {error.function_name} takes {expected}, and gets {actual}"


def _calls(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the function calls in a syntax tree."""
    if node["type"] == "function_expression":
        yield node
    for child in node["children"] if node["type"] != "slice" else ():  # its children are numbers
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
