"""Templates over the values of sources: Jinja, sandboxed, strict about undefined names."""

import base64
import difflib
import re
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, UndefinedError, meta, nodes
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


def _b64encode(value: object) -> str:
    return base64.b64encode(_written(value).encode()).decode()


def _b64decode(value: object) -> str:
    return base64.b64decode(_written(value), validate=True).decode()


def _tojson(value: object) -> str:
    """Return JSON as it is in the source. Jinja's own filter writes `<`, `>`, `&` and `'` otherwise, for web pages."""
    return document.text([document.text(value)] if isinstance(value, str) else [value])[1:-1]


def _quote(value: object) -> str:
    """Put text into double quotes, what is special between them escaped as JSON has it."""
    return _tojson(_written(value))


def _shellquote(value: object) -> str:
    """Quote text for a POSIX shell."""
    return shlex.quote(_written(value))


_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False, finalize=_written
)
_ENVIRONMENT.filters |= {
    "b64encode": _b64encode,
    "b64decode": _b64decode,
    "quote": _quote,
    "shellquote": _shellquote,
    "tojson": _tojson,
    "urlencode": _urlencode,
}
# Rendering the same values twice gives the same bytes.
del _ENVIRONMENT.filters["random"]
del _ENVIRONMENT.globals["lipsum"]
_UNKNOWN = re.compile(r"No (filter|test) named '(\w+)'")
_OTHER_FILES = (nodes.Extends, nodes.FromImport, nodes.Import, nodes.Include)


def names(template: str) -> set[str]:
    """Return the names that a template takes from outside.

    Raises:
        ValueError: the template is not well-formed, or wants another file; the text says where and why.
    """
    try:
        parsed = _ENVIRONMENT.parse(template)
        for other in parsed.find_all(_OTHER_FILES):
            raise ValueError(f"line {other.lineno} of the template: a template stands alone, without other files")
        return meta.find_undeclared_variables(parsed)
    except TemplateSyntaxError as error:
        raise ValueError(f"line {error.lineno} of the template: {_said(error.message or '')}") from None
    except RecursionError:
        raise ValueError("the template is nested too deeply") from None


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


def _said(message: str) -> str:
    """Return what Jinja says, and the nearest filter or test where there is none of that name."""
    unknown = _UNKNOWN.match(message)
    if unknown is None:
        return message
    known = _ENVIRONMENT.filters if unknown[1] == "filter" else _ENVIRONMENT.tests
    near = difflib.get_close_matches(unknown[2], known, n=1)
    return message + (f" Did you mean {near[0]}?" if near else "")


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
