"""Templates over the values of sources: Jinja, sandboxed, strict about undefined names."""

import difflib
import inspect
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, meta, nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedFormatter

from keyferry.errors import SourceUnusable
from keyferry.render import filters


class _Formatter(SandboxedFormatter):
    """`str.format`, with values as a template writes them."""

    def convert_field(self, value: object, conversion: str | None) -> object:
        """Convert as `!s` says."""
        return super().convert_field(filters.shown(value), conversion)

    def format_field(self, value: object, format_spec: str) -> str:
        """Write one value."""
        return str(super().format_field(filters.shown(value), format_spec))


MAX_CHARACTERS = 1024 * 1024
"""What a template may make by repeating: no Secret holds more."""
_MOST_BITS = 4096
"""How large a power may be."""


def _repeated(left: object, right: object) -> int:
    """Return how long the product of a text or list and a number is; 0 for any other."""
    for some, times in ((left, right), (right, left)):
        if isinstance(some, str | list | tuple) and isinstance(times, int):
            return len(some) * times
    return 0


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja, where Python's own text of a value is nowhere written."""

    intercepted_binops = frozenset({"%", "*", "**"})

    def getattr(self, obj: Any, attribute: str) -> Any:  # noqa: ANN401  # as the library has it
        """Take the item of an object before a method of the same name, as `values` or `items`."""
        return obj[attribute] if isinstance(obj, dict) and attribute in obj else super().getattr(obj, attribute)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401  # as above
        """Format a text, or calculate within bounds: a few characters of a template could take all memory."""
        if operator == "%" and isinstance(left, str):
            return filters.percent(left, right)
        if operator == "**" and abs(right) * max(1, int(abs(left)).bit_length()) > _MOST_BITS:
            raise OverflowError
        if operator == "*" and _repeated(left, right) > MAX_CHARACTERS:
            raise OverflowError
        return super().call_binop(context, operator, left, right)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:  # noqa: ANN401  # as above
        """Return what is called for `str.format`, or `str.format_map`; None for anything else."""
        if super().wrap_str_format(value) is None:
            return None
        write, text = _Formatter(self).vformat, value.__self__
        if value.__name__ == "format_map":
            return lambda named: write(text, (), named)
        return lambda *args, **named: write(text, args, named)


_ENVIRONMENT = _Environment(
    undefined=StrictUndefined,
    keep_trailing_newline=True,
    autoescape=False,
    finalize=filters.written,
    optimized=False,  # nothing is calculated before a template is rendered
)
_ENVIRONMENT.filters |= filters.FILTERS
# Rendering the same values twice gives the same bytes, and those are no Python.
for _name in ("pprint", "random"):
    del _ENVIRONMENT.filters[_name]
for _name in ("cycler", "joiner", "lipsum"):
    del _ENVIRONMENT.globals[_name]
_UNKNOWN = re.compile(r"No (filter|test) named '(\w+)'")
_ELSEWHERE = {"base64": "b64encode", "b64dec": "b64decode"}
"""What other systems call a filter, where no likeness tells."""
_OTHER_FILES = (nodes.Extends, nodes.FromImport, nodes.Import, nodes.Include)


class InvalidTemplate(ValueError):
    """A template that can never work."""

    def __init__(self, line: int, reason: str) -> None:
        self.line, self.reason = line, reason
        super().__init__(f"line {line} of the template: {reason}")


_CACHED = 256
"""How many templates are kept as they were parsed: each is rendered for every key, namespace and pass."""


@lru_cache(_CACHED)
def names(template: str) -> Mapping[str, int]:
    """Return the names that a template takes from outside, each with the line that has it first.

    Raises:
        InvalidTemplate: it is not well-formed, wants another file, or gives a filter what this one does not take.
    """
    try:
        parsed = _parsed(template)
        for other in parsed.find_all(_OTHER_FILES):
            raise InvalidTemplate(other.lineno, "a template stands alone, without other files")
        free = meta.find_undeclared_variables(parsed)
        for call in parsed.find_all(nodes.Filter):
            _check_call(call)
    except TemplateSyntaxError as error:
        raise InvalidTemplate(error.lineno, _said(error.message or "")) from None
    except RecursionError:
        raise InvalidTemplate(1, "nested too deeply") from None
    found = [(each.lineno, each.name) for each in parsed.find_all(nodes.Name) if each.name in free]
    return MappingProxyType({name: line for line, name in sorted(found, reverse=True)})


@lru_cache(_CACHED)
def _compiled(template: str) -> Template:
    return _ENVIRONMENT.from_string(_parsed(template))


def _parsed(template: str) -> nodes.Template:
    """Return what a template says, with what `~` joins as a template writes it."""
    parsed = _ENVIRONMENT.parse(template)
    for joined in parsed.find_all(nodes.Concat):
        joined.nodes = [nodes.Filter(each, "string", [], [], None, None, lineno=each.lineno) for each in joined.nodes]
    parsed.set_environment(_ENVIRONMENT)
    return parsed


def _check_call(call: nodes.Filter) -> None:
    """Check that a filter takes the arguments that it is given, as far as they can be seen."""
    function = _ENVIRONMENT.filters[call.name]
    if call.dyn_args is not None or call.dyn_kwargs is not None:
        return
    # The value, after what Jinja itself gives; some of its own are wrapped, and take less than the wrapper.
    extra = 2 if hasattr(inspect.unwrap(function), "jinja_pass_arg") else 1
    named = {str(each.key): each.value for each in call.kwargs}
    try:
        bound = inspect.signature(function).bind(*[None] * extra, *call.args, **named)
    except TypeError as error:
        raise InvalidTemplate(call.lineno, f"filter {call.name}: {error}") from None
    for name, allowed in filters.CHOICES.get(call.name, {}).items():
        given = bound.arguments.get(name)
        if isinstance(given, nodes.Const) and given.value not in allowed:
            choices = ", ".join(map(str, allowed))
            raise InvalidTemplate(call.lineno, f"filter {call.name}: {name} is one of {choices}")


def fill(template: str, values: Mapping[str, Any], where: str, origin: Mapping[str, object] | None = None) -> str:
    """Return the template's text.

    Args:
        template: the template.
        values: what it can name.
        where: mapping and key, for errors.
        origin: what the salts of passwords are made of, as `filters.salts` takes it.

    Raises:
        SourceUnusable: it names what is not there, or an operation fails. The text holds no value.
    """
    try:
        return _compiled(template).render({**values, filters.SALTS: filters.salts(origin or {})})
    except Exception as error:
        # Texts of these errors can quote values.
        raise SourceUnusable(f"{where}: line {_line(error)} of the template: {_what(error)}") from None


def _said(message: str) -> str:
    """Return what Jinja says, and the nearest filter or test where there is none of that name."""
    unknown = _UNKNOWN.match(message)
    if unknown is None:
        return message
    known = _ENVIRONMENT.filters if unknown[1] == "filter" else _ENVIRONMENT.tests
    near = [_ELSEWHERE[unknown[2]]] if unknown[2] in _ELSEWHERE else difflib.get_close_matches(unknown[2], known, n=1)
    return message + (f" Did you mean {near[0]}?" if near else "")


def _what(error: Exception) -> str:
    kind = type(error).__name__
    if isinstance(error, filters.FilterError):
        return str(error)
    return (
        "names something that the sources do not have, or that is null"
        if kind == "UndefinedError"
        else f"fails ({kind})"
    )


def _line(error: Exception) -> int:
    """Return the line of the template at which rendering stopped."""
    line, traceback = 1, error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == "<template>":
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line
