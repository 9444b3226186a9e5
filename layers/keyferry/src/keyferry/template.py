"""Templates over the values of sources: Jinja, sandboxed, strict about undefined names."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, UndefinedError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from keyferry import document
from keyferry.errors import SourceUnusable


def _written(value: object) -> str:
    """Return what a template writes for a value: the same as a path that finds it."""
    if value is None:
        raise UndefinedError("null")
    return str(value) if isinstance(value, Undefined) else document.text(value)  # str raises UndefinedError


def _urlencode(value: object) -> str:
    """Percent-encode all but unreserved characters. Jinja's own filter keeps `/`, which ends the user part of a URL."""
    return quote(_written(value), safe="")


_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False, finalize=_written
)
_ENVIRONMENT.filters["urlencode"] = _urlencode
for _unsteady in ("random",):  # rendering the same values twice gives the same bytes
    del _ENVIRONMENT.filters[_unsteady]


def names(template: str) -> set[str]:
    """Return the names that a template takes from outside.

    Raises:
        ValueError: the template is not well-formed; the text says where and why.
    """
    try:
        return meta.find_undeclared_variables(_ENVIRONMENT.parse(template))
    except TemplateSyntaxError as error:
        raise ValueError(f"line {error.lineno} of the template: {error.message}") from None


def fill(template: str, values: Mapping[str, Any], where: str) -> str:
    """Return the template's text.

    Args:
        template: the template.
        values: what it can name.
        where: mapping and key, for errors.

    Raises:
        SourceUnusable: it names what is not there, or an operation fails. The text holds no value.
    """
    try:
        return _ENVIRONMENT.from_string(template).render(values)
    except Exception as error:
        # Texts of these errors can quote values.
        raise SourceUnusable(f"{where}: line {_line(error)} of the template: {_what(error)}") from None


def _what(error: Exception) -> str:
    kind = type(error).__name__
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
