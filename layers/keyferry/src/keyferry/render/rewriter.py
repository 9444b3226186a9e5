"""Rewrite the syntax tree of a template, so that whatever makes a value, compares one or goes round spends steps.

The steps are spent by filters that no template can name: the environment of `sandbox` has them.
"""

from typing import Any

from jinja2 import Environment, nodes
from jinja2.visitor import NodeTransformer

from keyferry.budget import BYTES_PER_STEP
from keyferry.formats.jsontext import Number

ROUND, MADE, ITEMS, NUMBER = "a round", "a value made", "items of a loop", "a number"
"""Names of filters. A space keeps them out of the language; to use them by `map` costs steps and does nothing."""


class _Rewriter(NodeTransformer):
    """Puts filters into a syntax tree that spend steps. Each operand of `~` is written as text, as a template does."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802  # as the library has it
        self.generic_visit(node)
        node.nodes = [_filter(operand, "string") for operand in node.nodes]
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802
        """Let `namespace(…)` make Jinja's object for variables that change: `namespace` alone is that of the Secret."""
        self.generic_visit(node)
        if isinstance(node.node, nodes.Name) and node.node.name == "namespace":
            node.node = nodes.ImportedName("jinja2.utils.Namespace", lineno=node.lineno)
        return node

    def visit_Const(self, node: nodes.Const) -> nodes.Node:  # noqa: N802
        """Keep the text of a number, of which the compiler makes one of Python's."""
        if not isinstance(node.value, Number):
            return node
        return _filter(nodes.Const(node.value.text, lineno=node.lineno), NUMBER, nodes.Const(node.value.spelled))

    def visit_List(self, node: nodes.List | nodes.Dict | nodes.Tuple) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return node if getattr(node, "ctx", "load") != "load" else _filter(node, MADE)

    visit_Dict = visit_Tuple = visit_List  # noqa: N815

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            return _filter(node, MADE)
        if not isinstance(node.arg, nodes.Const):  # a long tuple is hashed to be looked up
            node.arg = _filter(node.arg, MADE)
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        operands = [node.expr, *(operand.expr for operand in node.ops)]
        is_search = any(operand.op in ("in", "notin") for operand in node.ops)
        if not is_search and any(isinstance(operand, nodes.Const) for operand in operands):
            return node  # what is written in the template is short
        node.expr = _filter(node.expr, MADE)
        for operand in node.ops:
            operand.expr = _filter(operand.expr, MADE)
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        node.iter = _filter(node.iter, ITEMS)
        if node.test:
            node.test = nodes.And(nodes.Not(_go(node, [node.test])), node.test, lineno=node.lineno)
        return self.visit_Block(node)

    def visit_Block(self, node: Any) -> nodes.Node:  # noqa: ANN401, N802  # all that have a body
        first = nodes.ExprStmt(_go(node, node.body), lineno=node.lineno)
        self.generic_visit(node)
        node.body.insert(0, first)
        return node  # type: ignore[no-any-return]

    visit_Macro = visit_CallBlock = visit_Block  # noqa: N815


def rewrite(parsed: nodes.Template, environment: Environment) -> nodes.Template:
    """Return the syntax tree of a template that spends steps, by the filters of an environment."""
    rewritten: nodes.Template = _Rewriter().visit(parsed)
    return rewritten.set_environment(environment)  # type: ignore[return-value]


def _filter(node: nodes.Node, name: str, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)


def _go(node: nodes.Node, body: list[nodes.Node]) -> nodes.Filter:
    """Return an expression that is empty text, and costs a step for each node and 16 bytes of a body."""
    steps = 1
    for part in body:
        steps += 1 + sum(1 for _ in part.find_all(nodes.Node))
        steps += sum(len(text.data) // BYTES_PER_STEP for text in part.find_all(nodes.TemplateData))
    return _filter(nodes.Const("", lineno=node.lineno), ROUND, nodes.Const(steps, lineno=node.lineno))
