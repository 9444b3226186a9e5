"""The variables of a Go template, each by a name of its own in Jinja."""

import keyword
from collections import ChainMap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from keyferry.cli.migrate.go_templates.errors import Untranslatable
from keyferry.cli.migrate.go_templates.expression import Expression
from keyferry.cli.migrate.go_templates.tree import Branch, Node, Output, Pipeline

_TAKEN = frozenset(
    {
        "variables",
        "cluster",
        "namespace",
        "secret",
        "key",
        "loop",
        "range",
        "dict",
        "true",
        "false",
        "none",
        "self",
        "caller",
    }
)


class Scope:
    """The variables that can be seen at one place.

    A variable that is changed somewhere is an attribute of a namespace: Jinja's own variables end with each loop.
    """

    def __init__(self, assigned: frozenset[str], used: set[str] | None = None) -> None:
        self._assigned = assigned
        self._used = set(_TAKEN) if used is None else used
        self._variables = ChainMap[str, Expression]()

    def apart(self) -> "Scope":
        """Return the scope of another template, which sees none of these variables."""
        return Scope(self._assigned, self._used)

    @contextmanager
    def inner(self) -> Iterator[None]:
        """Let variables that are declared from now on end with the block."""
        self._variables = self._variables.new_child()
        yield
        self._variables = self._variables.parents

    def declare(self, name: str, kind: str) -> Expression:
        """Return a new variable."""
        text = self._choose(name.removeprefix("$"))
        variable = Expression(text, kind)
        if name in self._assigned:
            variable = Expression(f"{text}.value", "any")
        self._variables[name] = variable
        return variable

    def declare_item(self, name: str, kind: str) -> tuple[str, Expression]:
        """Return the variable of a loop as Jinja's own, which a template cannot change, and as the loop sees it."""
        variable = self.declare(name, kind)
        if name not in self._assigned:
            return variable.text, variable
        return self._choose("item"), variable

    def get(self, name: str, line: int) -> Expression:
        """Return a variable.

        Raises:
            Untranslatable: there is none of that name.
        """
        if name not in self._variables:
            raise Untranslatable(line, f"there is no variable {name}")
        return self._variables[name]

    def _choose(self, name: str) -> str:
        wanted = name if name.isascii() and name.isidentifier() and name.strip("_") else "value"
        wanted = f"{wanted}_" if keyword.iskeyword(wanted) else wanted
        chosen, number = wanted, 2
        while chosen in self._used:
            chosen, number = f"{wanted}_{number}", number + 1
        self._used.add(chosen)
        return chosen


def list_assigned(bodies: Iterable[Sequence[Node]]) -> frozenset[str]:
    """Return the variables that templates change."""
    names = set[str]()
    pending = [node for body in bodies for node in body]
    while pending:
        node = pending.pop()
        pipeline: Pipeline | None = node.pipeline if isinstance(node, Output | Branch) else None
        if pipeline is not None and pipeline.is_assignment:
            names.update(pipeline.variables)
        if isinstance(node, Branch):
            pending += [*node.body, *node.other]
    return frozenset(names)
