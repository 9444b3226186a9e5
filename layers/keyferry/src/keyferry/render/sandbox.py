"""Jinja as templates have it: sandboxed, strict, without Python's own text of a value, and on a budget.

Operators and calls spend steps by the methods of the environment, everything else by filters that no template can name
and that `rewriter` puts into its syntax tree.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import BuiltinMethodType, MethodType
from typing import Any

from jinja2 import pass_context
from jinja2.filters import make_attrgetter
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import _PassArg
from markupsafe import Markup

from keyferry.budget import LOOPS, Budget, OverBudget
from keyferry.formats.jsontext import Number
from keyferry.model import RawValue, SecretValue
from keyferry.render import filters, prices
from keyferry.render.formatting import (
    BUDGET,
    RAW,
    Formatter,
    format_percent,
    get_budget,
    join_texts,
    refuse_characters,
    take_text,
    to_text,
)
from keyferry.render.lexer import ExactLexer, TokenLimit
from keyferry.render.rewriter import ITEMS, MADE, NUMBER, ROUND
from keyferry.render.undefined import Missing

_MAX_BITS = 16384
"""The largest whole number. Sources have numbers of 4,000 digits at most."""
_NUMBERS = "large numbers"
_COMPARISONS = frozenset(
    {"!=", "<", "<=", "==", ">", ">=", "eq", "equalto", "ge", "greaterthan", "gt", "in", "le", "lessthan", "lt", "ne"}
)
_TEXT_TESTS = ("lower", "upper")
_MARKING = frozenset({"d", "default", "e", "escape", "forceescape", "safe"})
"""Filters to which it matters whether a text is marked as safe for HTML."""


@dataclass(frozen=True)
class _Format:
    """The method `format` or `format_map` of a text."""

    text: str
    is_map: bool

    def format(self, environment: "_Environment", budget: Budget, args: tuple[Any, ...], named: dict[str, Any]) -> str:
        """Return the text with the arguments filled in."""
        budget.spend(len(self.text) // 4)  # a field can be a path of many parts
        if self.is_map:
            (named,), args = args, ()
        return str(Formatter(environment, budget).vformat(self.text, args, named))


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja, changed so that it never writes Python's own text of a value, and never computes beyond its budget."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    lexer = functools.cached_property(ExactLexer)

    def getattr(self, obj: Any, attribute: str) -> Any:  # noqa: ANN401  # as the library has it
        """Prefer a key of an object to a method of the same name, such as `values` or `items`."""
        return obj[attribute] if isinstance(obj, dict) and attribute in obj else super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:  # noqa: ANN401  # as above
        """Refuse a single character of a text that looks like JSON."""
        return super().getitem(refuse_characters(obj) if isinstance(argument, int) else obj, argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401  # as above
        """Format a text, or calculate."""
        budget, left, right = get_budget(context), _unmark(left), _unmark(right)
        if operator == "%" and isinstance(left, str):
            return spend_result(budget, format_percent(left, right, budget))
        _check_operands(budget, operator, left, right)
        return spend_result(budget, super().call_binop(context, operator, left, right))

    def wrap_str_format(self, value: Any) -> Any:  # noqa: ANN401  # as above
        """Return what stands for `str.format` or `str.format_map` until it is called; None for any other value."""
        if super().wrap_str_format(value) is None:
            return None
        return _Format(value.__self__, is_map=value.__name__ == "format_map")

    def call(__self, __context: Context, __obj: Any, *args: Any, **named: Any) -> Any:  # noqa: ANN401, N805  # as above
        """Call a method, a macro or a function."""
        budget = get_budget(__context)
        budget.spend(1 + len(args) + len(named))
        if isinstance(__obj, _Format):
            return spend_result(budget, __obj.format(__self, budget, args, named))
        if isinstance(__obj, MethodType | BuiltinMethodType):
            target, name = _unmark(__obj.__self__), __obj.__name__
            __obj = getattr(target, name, __obj)
            if name == "join" and isinstance(target, str) and args:
                return join_texts(args[0], target, budget)
            prices.spend_call(budget, target, name, [*args, *named.values()])
        return spend_result(budget, super().call(__context, __obj, *args, **named))


def _unmark(value: Any) -> Any:  # noqa: ANN401  # of whatever type it is
    """Return a text without its mark: whoever works on one that is safe for HTML would escape what is put into it."""
    return str(value) if isinstance(value, Markup) else value


def spend_result(budget: Budget, result: Any) -> Any:  # noqa: ANN401  # of whatever type it is
    """Spend what a new value costs, and return it. An iterator spends it as it goes on.

    Raises:
        OverBudget: the value is too large.
    """
    if isinstance(result, str):  # first, as nearly all are
        budget.spend_value(result)
        return result
    if isinstance(result, int) and result.bit_length() > _MAX_BITS:
        raise OverBudget(_NUMBERS)
    if isinstance(result, Iterator):
        return budget.count(result)
    if isinstance(result, SecretValue | bytes):
        budget.spend_text(len(result))
    else:
        budget.spend_value(result)
    return result


def _check_operands(budget: Budget, operator: str, left: Any, right: Any) -> None:  # noqa: ANN401
    """Check that a calculation ends soon, and spend what its result costs if that can be much larger."""
    bits = [operand.bit_length() for operand in (left, right) if isinstance(operand, int)]
    if isinstance(left, bytes) or isinstance(right, bytes) or max(bits, default=0) > _MAX_BITS:
        raise OverBudget(_NUMBERS)
    if operator == "**" and abs(right) * max(1, int(abs(left)).bit_length()) > _MAX_BITS:
        raise OverBudget(_NUMBERS)
    if operator == "*" and sum(bits) > _MAX_BITS:
        raise OverBudget(_NUMBERS)
    for sequence, count in ((left, right), (right, left)) if operator == "*" else ():
        if isinstance(sequence, str | list | tuple) and isinstance(count, int):
            budget.spend_text(len(sequence) * count if count > 0 else 0)


@pass_context
def _write(context: Context, value: object) -> str:
    """Return a value as text, where it stands in a template. Jinja folds no constants for it."""
    if isinstance(value, RawValue):
        context.parent[RAW].append(value)
        value = value.reveal().decode(errors="surrogateescape")
    text = value if isinstance(value, str) else to_text(value)
    context.parent[BUDGET].spend_value(text)
    return text


@pass_context
def _go_round(context: Context, _value: object, steps: int) -> str:
    """Spend the steps of one round of a loop, or of one call of a macro."""
    context.parent[BUDGET].spend(steps, LOOPS)
    return ""


@pass_context
def _list_items(context: Context, value: object) -> object:
    del context  # which keeps Jinja from calculating it beforehand
    return refuse_characters(value)


@pass_context
def _take_value(context: Context, value: object) -> object:
    return spend_result(get_budget(context), value)


@pass_context
def _add_up(
    context: Context,
    iterable: Iterable[Any],
    attribute: str | int | None = None,
    start: Any = 0,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Do the same as Jinja's own `sum`, which copies all lists again for each that it adds."""
    items = iterable if attribute is None else map(make_attrgetter(context.environment, attribute), iterable)
    return functools.reduce(lambda left, right: ENVIRONMENT.call_binop(context, "+", left, right), items, start)


_SELECT: dict[_PassArg | None, Callable[[Context], Any] | None] = {
    None: None,
    _PassArg.context: lambda context: context,
    _PassArg.eval_context: lambda context: context.eval_ctx,
    _PassArg.environment: lambda context: context.environment,
}
"""What a filter asks for before its value → how to get it."""


def _bound_filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that spends what it costs and what it returns."""
    purpose = f"the filter {name}"
    select, price, is_new = _SELECT[_PassArg.from_obj(function)], prices.PRICES.get(name), prices.is_new(name)

    @functools.wraps(function)
    def run(context: Context, *args: Any, **named: Any) -> Any:  # noqa: ANN401  # as the filter has it
        budget = context.parent[BUDGET]
        if name not in _MARKING:
            args, named = tuple(map(_unmark, args)), {key: _unmark(value) for key, value in named.items()}
        if price:
            budget.purpose = purpose
            try:
                price(budget, *args, **named)
            finally:
                budget.purpose = ""
        args = prices.spend_input(budget, name, args, named)
        result = function(select(context), *args, **named) if select else function(*args, **named)
        if is_new:
            return spend_result(budget, result)
        budget.spend(1)
        return result

    return pass_context(run)


def _bound_test(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a test that spends what it costs to compare its values."""

    @functools.wraps(function)
    def run(context: Context, *args: Any) -> Any:  # noqa: ANN401  # as the test has it
        get_budget(context).spend_value(args)
        return function(*args)

    return pass_context(run)


ENVIRONMENT = _Environment(
    undefined=Missing,
    keep_trailing_newline=True,
    autoescape=False,
    finalize=_write,
    extensions=[TokenLimit, "jinja2.ext.loopcontrols"],
    optimized=False,  # so that constant expressions are not calculated when a template is only checked
)
ENVIRONMENT.filters |= filters.FILTERS
# The same values have to give the same bytes every time, and never Python's own text of a value.
for _name in ("pprint", "random"):
    del ENVIRONMENT.filters[_name]
for _name in ("cycler", "joiner", "lipsum"):
    del ENVIRONMENT.globals[_name]
ENVIRONMENT.filters["sum"] = _add_up
ENVIRONMENT.filters |= {name: _bound_filter(name, function) for name, function in ENVIRONMENT.filters.items()}
ENVIRONMENT.filters |= {ROUND: _go_round, MADE: _take_value, ITEMS: _list_items, NUMBER: Number}
_TESTS: dict[str, Any] = ENVIRONMENT.tests
_TESTS |= {name: take_text(_TESTS[name]) for name in _TEXT_TESTS}
_TESTS |= {name: _bound_test(_TESTS[name]) for name in (*_COMPARISONS, *_TEXT_TESTS)}
