"""Check and fill templates over the values of sources. They are Jinja, sandboxed, and strict about undefined names."""

import difflib
import inspect
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from jinja2 import Template, TemplateSyntaxError, UndefinedError, meta, nodes

from keyferry.budget import MAX_CHARACTERS, Budget, OverBudget
from keyferry.errors import SourceUnusable
from keyferry.model import MixedText, RawValue
from keyferry.render import filters, foreign_templates, passwords, undefined
from keyferry.render.formatting import BUDGET, RAW, FilterError
from keyferry.render.rewriter import rewrite
from keyferry.render.sandbox import ENVIRONMENT

_UNKNOWN = re.compile(r"No (filter|test) named '(\w+)'")
_DESCRIPTIONS = (foreign_templates.describe_go, foreign_templates.describe_name, foreign_templates.describe_other)
_OTHER_FILES = (nodes.Extends, nodes.FromImport, nodes.Import, nodes.Include)


class InvalidTemplate(ValueError):
    """The template cannot work, whatever the values are."""

    def __init__(self, line: int, reason: str) -> None:
        self.line, self.reason = line, reason
        super().__init__(f"line {line} of the template: {reason}")


_STEPS_PER_NODE = 50
"""What each node of a template's syntax tree costs, which is compiled for it."""
_CACHE_SIZE = 256
"""How many parsed templates are kept. A template is filled once for each namespace, in each pass of a delivery."""


@lru_cache(_CACHE_SIZE)
def list_variables(template: str) -> Mapping[str, int]:
    """Return the variables that a template uses and does not define, each with the first line that has it.

    Raises:
        InvalidTemplate: the template is not well-formed, includes another file, or calls a filter with wrong arguments.
    """
    try:
        parsed = _parse(template)
        for node in parsed.find_all(_OTHER_FILES):
            raise InvalidTemplate(node.lineno, "a template stands alone, without other files")
        variables = meta.find_undeclared_variables(parsed)
        for call in parsed.find_all(nodes.Filter):
            _check_call(call, "filter", ENVIRONMENT.filters)
        for test in parsed.find_all(nodes.Test):
            _check_call(test, "test", ENVIRONMENT.tests)
    except TemplateSyntaxError as error:
        descriptions = (describe(template, error.lineno) for describe in _DESCRIPTIONS)
        reason = next(filter(None, descriptions), "") or _add_suggestion(error.message or "")
        raise InvalidTemplate(error.lineno, reason) from None
    except RecursionError:
        raise InvalidTemplate(1, "nested too deeply") from None
    uses = [(node.lineno, node.name) for node in parsed.find_all(nodes.Name) if node.name in variables]
    return MappingProxyType({name: line for line, name in sorted(uses, reverse=True)})


def describe_unknown(template: str, name: str, line: int) -> str:
    """Return what is meant where a template that is right has a variable of this name, which nobody defines.

    Returns:
        How Jinja has what is Go here, a name with a dash, null, or a filter that is called; nothing for anything else.
    """
    foreign = foreign_templates.describe_go(template, line) or foreign_templates.describe_name(template, line, name)
    return foreign or foreign_templates.describe_variable(template, line, name, ENVIRONMENT.filters)


@lru_cache(_CACHE_SIZE)
def _compile(template: str) -> tuple[Template, int]:
    """Return a compiled template, and the steps that it costs, compiled before or not."""
    parsed = _parse(template)
    steps = _STEPS_PER_NODE * sum(1 for _ in parsed.find_all(nodes.Node))
    return ENVIRONMENT.from_string(rewrite(parsed, ENVIRONMENT)), steps


def _parse(template: str) -> nodes.Template:
    if len(template) > MAX_CHARACTERS:
        raise InvalidTemplate(1, "the template is longer than a Secret can be")
    return ENVIRONMENT.parse(template)


def _check_call(call: nodes.Filter | nodes.Test, noun: str, known: Mapping[str, Any]) -> None:
    """Check the name and the arguments of a filter or a test, as far as they are known before the template is filled.

    Raises:
        InvalidTemplate: nothing has this name, there are too many or too few arguments, or one has a value that the
            filter does not take.
    """
    function = known.get(call.name)
    if function is None:  # Jinja itself tells it only where this is not inside a condition
        raise InvalidTemplate(call.lineno, _add_suggestion(f"No {noun} named {call.name!r}."))
    if call.dyn_args is not None or call.dyn_kwargs is not None:
        return
    # Jinja passes the value first, and before that, to some filters, the context. Some filters are wrapped: only the
    # innermost function tells whether it takes the context.
    implicit = 2 if hasattr(inspect.unwrap(function), "jinja_pass_arg") else 1
    named = {str(keyword.key): keyword.value for keyword in call.kwargs}
    try:
        bound = inspect.signature(function).bind(*[None] * implicit, *call.args, **named)
    except TypeError as error:
        raise InvalidTemplate(call.lineno, f"{noun} {call.name}: {error}") from None
    for name, allowed in filters.CHOICES.get(call.name, {}).items():
        argument = bound.arguments.get(name)
        if isinstance(argument, nodes.Const) and argument.value not in allowed:
            choices = ", ".join(map(str, allowed))
            raise InvalidTemplate(call.lineno, f"filter {call.name}: {name} is one of {choices}")


def fill(
    template: str, values: Mapping[str, Any], where: str, budget: Budget, origin: Mapping[str, object] | None = None
) -> str:
    """Return the text of a template, with values filled in; a MixedText where it has written what is no text.

    Args:
        template: the template.
        values: its variables.
        where: the mapping and the key, for messages.
        budget: what the template may compute.
        origin: what the salts of passwords are made from, as in `passwords.generate_salts`.

    Raises:
        SourceUnusable: a variable or a part of it is missing, or an operation fails. The message quotes no value.
    """
    try:
        salts = passwords.generate_salts(origin or {})
        compiled, steps = _compile(template)
        budget.spend(steps, "the length of its templates")
        raw: list[RawValue] = []
        text = compiled.render({**values, passwords.SALTS: salts, BUDGET: budget, RAW: raw})
        return MixedText(text) if raw else text
    except Exception as error:
        # The error's own message can quote a value.
        line = _get_line(error)
        reason = _describe_error(error, template, values, line)
        failure = SourceUnusable(f"{where}: line {line} of the template: {reason}")
        failure.template_line = line
        raise failure from None


def _add_suggestion(message: str) -> str:
    """Return a message of Jinja's; if a filter or test is unknown, followed by the name that is most like it."""
    unknown = _UNKNOWN.match(message)
    if unknown is None:
        return message
    known = ENVIRONMENT.filters if unknown[1] == "filter" else ENVIRONMENT.tests
    suggest = foreign_templates.suggest_filter if unknown[1] == "filter" else foreign_templates.suggest_test
    foreign = suggest(unknown[2])
    suggestions = [foreign] if foreign else difflib.get_close_matches(unknown[2], known, n=1)
    return message + (f" Did you mean {suggestions[0]}?" if suggestions else "")


def _describe_error(error: Exception, template: str, values: Mapping[str, Any], line: int) -> str:
    if isinstance(error, UndefinedError):
        return undefined.describe(_parse(template), values, line, error)
    return str(error) if isinstance(error, FilterError | OverBudget) else f"fails ({type(error).__name__})"


def _get_line(error: Exception) -> int:
    """Return the line of the template that raised an error."""
    line, traceback = 1, error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == "<template>":
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line
