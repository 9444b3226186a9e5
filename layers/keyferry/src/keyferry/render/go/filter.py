"""The filter `go`: a function of Go's templates by its name, as `db.name | go('trunc', 63)`."""

from types import BuiltinMethodType, MethodType

from jinja2 import Undefined

from keyferry.budget import Budget
from keyferry.model import SecretValue
from keyferry.render.formatting import FilterError
from keyferry.render.go import certificates, choices, encodings, lists, maps, numbers, urls, versions
from keyferry.render.go.function import FUNCTIONS, Function
from keyferry.render.go.text import formats, printing, regexes, texts, words
from keyferry.render.go.values import Int64, Map
from keyferry.render.undefined import AbsentError

_MODULES = (
    certificates,
    choices,
    encodings,
    formats,
    lists,
    maps,
    numbers,
    printing,
    regexes,
    texts,
    urls,
    versions,
    words,
)
"""Which enter their functions in the table."""
_TYPES: dict[str, tuple[type, ...]] = {
    **{"string": (str,), "bytes": (str, SecretValue), "int": (int,), "int64": (Int64,), "float": (float,)},
    **{"bool": (bool,), "map": (Map,), "texts": (dict,), "slice": (list, tuple), "any": (object,)},
    **{"list": (list,), "constant": (str,), "strings": (list,), "ints": (list,)},
}


def call(value: object, function: str, *arguments: object) -> object:
    """Return what a function of Go's makes of a value and further arguments.

    Raises:
        FilterError: the function fails, or takes no such value.
    """
    called = _find(function)
    values = _arrange(called, value, arguments)
    kinds = [*called.parameters, *[called.rest] * len(values)]
    if len(values) < len(called.parameters) or (not called.rest and len(values) > len(called.parameters)):
        raise FilterError(f"{function} takes {len(called.parameters)} values")
    for kind, argument in zip(kinds, values, strict=False):
        _check(function, kind, argument)
    try:
        return called.call(*values)
    except FilterError as error:
        raise FilterError(f"{function}: {error}") from None


def spend(budget: Budget, value: object, function: str, *arguments: object) -> None:
    """Spend what a function costs, before it is called."""
    called = _find(function)
    for argument in arguments:
        budget.spend_value(argument)
    if not isinstance(value, str):
        budget.spend_value(value)
    if called.price:
        values = _arrange(called, value, arguments)
        for kind, argument in zip(called.parameters, values, strict=False):
            _check(function, kind, argument)
        called.price(budget, *values)


def _find(name: str) -> Function:
    if name not in FUNCTIONS:
        raise FilterError("go knows no such function")
    return FUNCTIONS[name]


def _arrange(called: Function, value: object, arguments: tuple[object, ...]) -> list[object]:
    """Return all arguments in Go's order."""
    values = list(arguments)
    values.insert(len(values) if called.subject < 0 else called.subject, value)
    return values


def _check(function: str, kind: str, value: object) -> None:
    """Check that an argument is there and has the type that the function takes."""
    if isinstance(value, Undefined):
        str(value)  # which raises AbsentError
    if isinstance(value, MethodType | BuiltinMethodType):
        raise AbsentError(value.__self__, value.__name__)
    if kind == "string" and isinstance(value, SecretValue):
        raise FilterError(f"{function} takes no binary value")
    is_wrong = kind == "int" and isinstance(value, bool | Int64)
    if is_wrong or not isinstance(value, _TYPES[kind]):
        raise FilterError(f"{function} takes a value of Go's type {kind}")
