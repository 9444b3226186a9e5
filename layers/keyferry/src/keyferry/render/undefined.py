"""What a template names and does not get: Jinja's undefined values, and words for them.

Words hold names that the template writes itself, and of the keys of a JSON source the nearest one. Whatever else is
looked up by, or is a key of what a filter made of a text, is a value.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from jinja2 import StrictUndefined, UndefinedError, nodes
from jinja2.utils import missing

from keyferry.formats.jmespath import Step
from keyferry.render import absence


class AbsentError(UndefinedError):
    """A template needs what is not there, or is null. `holder` has no `step`; both are None for null."""

    def __init__(self, holder: object = None, step: object = None, message: str = "not there, or null") -> None:
        self.holder, self.step = holder, step
        super().__init__(message)


class Missing(StrictUndefined):
    """A value that is not there: an error wherever it is used. It remembers what was looked for, and in what."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,  # noqa: ANN401  # as the library has it
        name: str | None = None,
        exc: type[Exception] = UndefinedError,
    ) -> None:
        raised = partial(AbsentError, obj, name) if exc is UndefinedError else exc
        super().__init__(hint, obj, name, raised)  # type: ignore[arg-type]  # what is raised, when it is called

    @property
    def _undefined_message(self) -> str:
        return "not there"


def describe(template: nodes.Template, values: Mapping[str, Any], line: int, error: UndefinedError) -> str:
    """Return what a template names and does not get, with the nearest that there is.

    Args:
        template: its syntax tree.
        values: its variables.
        line: where it failed.
        error: the error.
    """
    holder, step = (error.holder, error.step) if isinstance(error, AbsentError) else (None, None)
    if holder is missing and step is None:
        return "takes an item of what has none; look whether there are any, by {% if %}"
    if holder is missing:
        return f"nothing is called {step}; there is: {', '.join(sorted(values))}"
    for alias, steps in _list_chains(template, line):
        if alias in values and _is_meant(values[alias], steps, holder, step):
            return absence.describe_for_template(values[alias], alias, steps)
    if step is None:
        return "writes a value that is null; give it one, or write | default('…', true) behind it"
    return _describe_step(template, line, holder, step, values)


def _describe_step(template: nodes.Template, line: int, holder: object, step: object, values: Mapping[str, Any]) -> str:
    """Return what is wrong with a step whose way from a source is not known, such as one from an item of a loop."""
    if not isinstance(step, str | int) or str(step) not in _list_constants(template):
        return "looks up something that is not there, by a name that a value gives"
    chains = (chain for chain in _list_chains(template, line) if step in chain[1])
    name = next((absence.write_expression(alias, steps[: steps.index(step)]) for alias, steps in chains), "the object")
    if isinstance(holder, dict) and not any(_is_within(holder, value) for value in values.values()):  # but made
        return f"{name} has no key {step}"
    return absence.describe_step(holder, name, step)


def _is_meant(root: object, steps: list[Step], holder: object, step: object) -> bool:
    """Return whether the way from a source ends where the error was raised."""
    end, number = absence.find_end(root, steps)
    if number == len(steps):
        return step is None and end is None
    return end is holder and steps[number] == step


def _list_chains(template: nodes.Template, line: int) -> Iterator[tuple[str, list[Step]]]:
    """Yield the variables with the keys and indexes that the template takes of each; first those of a line."""
    expressions = list(template.find_all((nodes.Getattr, nodes.Getitem, nodes.Name)))
    for node in sorted(expressions, key=lambda expression: abs(expression.lineno - line)):
        chain = _list_steps(node)
        if chain:
            yield chain


def _list_steps(node: nodes.Node) -> tuple[str, list[Step]] | None:
    """Return the variable of an expression, and its keys and indexes; None for one that has more than these."""
    steps: list[Step] = []
    while not isinstance(node, nodes.Name):
        if isinstance(node, nodes.Getattr):
            steps.append(node.attr)
        elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
            steps.append(node.arg.value)
        else:
            return None
        node = node.node
    return node.name, steps[::-1]


def _list_constants(template: nodes.Template) -> set[str]:
    """Return the names that a template writes itself, of keys and attributes."""
    attributes = {node.attr for node in template.find_all(nodes.Getattr)}
    texts: Iterable[str] = (str(node.value) for node in template.find_all(nodes.Const))
    return attributes | {part for text in texts for part in (text, *text.replace(",", ".").split("."))}


def _is_within(part: object, value: object) -> bool:
    """Return whether an object is a value, or a part of it."""
    rest = [value]
    while rest and rest[-1] is not part:
        value = rest.pop()
        rest.extend(value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
    return bool(rest)
