"""Write values as text in templates, and format text with them.

A value becomes the text that a path to it gives, never Python's own text of it. What a format, a separator or a
replacement makes of few characters is spent on the budget before it is made.
"""

import functools
import re
import shlex
import textwrap
from collections.abc import Callable, Iterable, Mapping
from types import BuiltinMethodType, MethodType
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, Undefined, pass_context, pass_eval_context
from jinja2.filters import do_xmlattr, make_attrgetter
from jinja2.nodes import EvalContext
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedFormatter

from keyferry.budget import MAX_CHARACTERS, Budget
from keyferry.formats import jsontext
from keyferry.model import SecretValue
from keyferry.render.undefined import AbsentError

BUDGET = "keyferry.budget"
"""The variable that holds the budget of a template. No template can read it, since its name has a dot."""
RAW = "keyferry.raw"
"""The variable that holds the raw values that a template has written. No template can read it, as above."""
_CONVERSION = re.compile(r"%%|%(?:\(([^)]*)\))?[-+ #0]*(\*|[0-9]+)?(?:\.(\*|[0-9]+))?")
"""A conversion of `%`: its name, its width and its precision."""
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Characters that JSON has as they are, and YAML or TOML not, or as line ends."""


class FilterError(ValueError):
    """A filter cannot be applied to its value. The message quotes no value."""


def get_budget(context: Context) -> Budget:
    """Return the budget of the template that is being filled."""
    budget: Budget = context.parent[BUDGET]
    return budget


def to_text(value: object) -> str:
    """Return the text that a template writes for a value. It is the same that a path to the value gives.

    A source that is taken whole is written as it is in AWS.

    Raises:
        AbsentError: the value is undefined or null, or a method that has the name of a key.
        FilterError: the value is binary.
    """
    if value is None:
        raise AbsentError
    if isinstance(value, MethodType | BuiltinMethodType):  # of a text or a list that has no such key
        raise AbsentError(value.__self__, value.__name__)
    if isinstance(value, SecretValue):
        raise FilterError("a binary value is written by b64encode, or opened by pkcs12_key and pkcs12_cert")
    if isinstance(value, Undefined):
        return str(value)  # which raises AbsentError
    kept = jsontext.get_kept_text(value)
    return jsontext.to_text(value) if kept is None else kept


def refuse_characters[T](value: T) -> T:
    """Return a value of which items are taken. A text has characters alone, and of JSON nobody means these.

    Raises:
        FilterError: it is a text in brackets or braces.
    """
    if isinstance(value, str) and value[:1] + value[-1:] in ("[]", "{}"):
        raise FilterError("takes single characters of a text that looks like JSON; for its items write (… | fromjson)")
    return value


def to_format_argument(value: object) -> object:
    """Return a value as formatting takes it: a number as it is, since `%d` needs it; anything else as text."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else to_text(value)


class _FormatArguments(dict[str, object]):
    """The values that `%(name)s` formats, by name."""

    def __init__(self, values: Mapping[str, object], budget: Budget) -> None:
        super().__init__(values)
        self._text, self._budget = functools.partial(to_text, values), budget

    def __getitem__(self, name: str) -> object:
        return _take_argument(super().__getitem__(name), self._budget)

    def __repr__(self) -> str:
        return self._text()


def _take_argument(value: object, budget: Budget) -> object:
    """Return a value as formatting takes it, once its length is spent."""
    argument = to_format_argument(value)
    budget.spend_value(argument)
    return argument


def format_percent(text: str, value: object, budget: Budget) -> str:
    """Format a text by `%`, as in `'%s:%d' % (user, port)`.

    Raises:
        OverBudget: the result would be too long.
    """
    values = value if isinstance(value, tuple) else (value,)
    budget.spend(len(text) // 4)
    for conversion in _CONVERSION.finditer(text):
        if conversion[1] and "(" in conversion[1]:  # Python pairs them, the pattern cannot
            raise FilterError("a name in %(name)s has no parentheses")
        for width in filter(None, conversion.group(2, 3)):
            given = max((abs(number) for number in values if isinstance(number, int)), default=0)
            budget.spend_text(given if width == "*" else _parse_width(width))
    if isinstance(value, dict):
        return text % _FormatArguments(value, budget)
    return text % tuple(_take_argument(item, budget) for item in values)


class Formatter(SandboxedFormatter):
    """`str.format` with values as a template writes them."""

    def __init__(self, environment: Environment, budget: Budget) -> None:
        super().__init__(environment)
        self._budget = budget

    def convert_field(self, value: object, conversion: str | None) -> object:
        """Convert a value as `!s` and the like ask for."""
        return super().convert_field(to_format_argument(value), conversion)

    def format_field(self, value: object, format_spec: str) -> str:
        """Format a value by a format specification."""
        # Python takes the digits of every script here.
        for width in "".join(char if char.isdecimal() else " " for char in format_spec).split():
            self._budget.spend_text(_parse_width(width))
        return str(super().format_field(_take_argument(value, self._budget), format_spec))


def _parse_width(digits: str) -> int:
    """Return the number; one of too many digits is too wide in any case."""
    return int(digits[:9])


@pass_context
def format_text(context: Context, value: object, *args: object, **named: object) -> str:
    """Do the same as Jinja's own filter, with values as a template writes them instead of Python's own text."""
    if args and named:
        raise FilterError("format takes values by position or by name, not both")
    return format_percent(to_text(value), named or args, get_budget(context))


@pass_context
def join(context: Context, value: Iterable[object], d: object = "", attribute: str | int | None = None) -> str:
    """Do the same as Jinja's own filter, with values as a template writes them instead of Python's own text."""
    items = value if attribute is None else map(make_attrgetter(context.environment, attribute), value)
    return join_texts(map(to_text, items), to_text(d), get_budget(context))


def join_texts(texts: Iterable[str], separator: str, budget: Budget) -> str:
    """Return texts with a separator between them.

    Raises:
        OverBudget: the result would be too long.
    """
    parts, characters = [], 0
    for text in texts:
        parts.append(text)
        characters += len(text) + len(separator)
        if characters > MAX_CHARACTERS:
            break
    budget.spend_text(characters)
    budget.spend(len(parts))
    return separator.join(parts)


@pass_context
def replace(context: Context, value: object, old: object, new: object, count: int | None = None) -> str:
    """Do the same as Jinja's own filter, with values as a template writes them instead of Python's own text."""
    text, old_text, new_text = to_text(value), to_text(old), to_text(new)
    get_budget(context).spend_text(len(text) + text.count(old_text) * len(new_text))
    return text.replace(old_text, new_text, -1 if count is None else count)


def indent(value: object, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    """Do the same as Jinja's own filter, which makes a line feed of every other line end."""
    indention = width if isinstance(width, str) else " " * width
    lines = to_text(value).split("\n")
    rest = [indention + line if blank or line.strip("\r") else line for line in lines[1:]]
    return "\n".join([indention + lines[0] if first else lines[0], *rest])


def wordwrap(
    value: object,
    width: int = 79,
    break_long_words: bool = True,
    wrapstring: str = "\n",
    break_on_hyphens: bool = True,
) -> str:
    """Do the same as Jinja's own filter, which loses the last line end, and makes `wrapstring` of every other one."""
    wrapper = textwrap.TextWrapper(
        width,
        expand_tabs=False,
        replace_whitespace=False,
        break_long_words=break_long_words,
        break_on_hyphens=break_on_hyphens,
    )
    lines = [(line.rstrip("\r"), line) for line in to_text(value).split("\n")]
    return "\n".join(wrapstring.join(wrapper.wrap(text)) + line[len(text) :] for text, line in lines)


@pass_eval_context
def xmlattr(context: EvalContext, value: Mapping[str, object], autospace: bool = True) -> str:
    """Do the same as Jinja's own filter, which leaves out null, with values as a template writes them."""
    attributes = {
        name: to_text(attribute)
        for name, attribute in value.items()
        if attribute is not None and not isinstance(attribute, Undefined)
    }
    return do_xmlattr(context, attributes, autospace)


def urlencode(value: object) -> str:
    """Percent-encode all characters but the unreserved ones.

    Jinja's own filter keeps `/`, which would end the user part of a URL.
    """
    return quote(to_text(value), safe="")


def double_quote(value: object) -> str:
    """Put text in double quotes with the escapes of JSON, so that JSON, YAML and TOML read it back."""
    quoted = jsontext.to_text([to_text(value)])[1:-1]
    return _UNPRINTABLE.sub(lambda char: f"\\u{ord(char[0]):04x}", quoted)


def shellquote(value: object) -> str:
    """Quote text for a POSIX shell."""
    return shlex.quote(to_text(value))


def take_items(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter of Jinja, whose first argument is the environment, that takes no characters of JSON."""

    @functools.wraps(function)
    def filter_items(environment: Environment, value: object) -> object:
        return function(environment, refuse_characters(value))

    return filter_items


def take_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter of Jinja that gets its value as the text that a template writes for it."""
    index = 1 if hasattr(function, "jinja_pass_arg") else 0  # of the value, among the arguments

    @functools.wraps(function)
    def filter_text(*args: object, **named: object) -> object:
        return function(*args[:index], to_text(args[index]), *args[index + 1 :], **named)

    return filter_text
