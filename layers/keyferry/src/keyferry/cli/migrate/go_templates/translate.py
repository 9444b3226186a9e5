"""Translate a Go template into Jinja that makes the same, or say why it cannot be."""

from collections.abc import Sequence

from keyferry.cli.migrate.go_templates import parser
from keyferry.cli.migrate.go_templates.errors import Untranslatable
from keyferry.cli.migrate.go_templates.expression import Expression
from keyferry.cli.migrate.go_templates.tree import (
    Constant,
    Dot,
    Fields,
    Name,
    Node,
    Operand,
    Output,
    TextNode,
    Variable,
)
from keyferry.cli.migrate.go_templates.writer import Writer
from keyferry.render.templates import InvalidTemplate, list_variables

_AS_TEXT: Sequence[tuple[Operand, ...]] = (
    *((Name(name),) for name in ("toString", "print")),
    *((Name("printf"), Constant(form)) for form in ("%s", "%v")),
)
"""Calls that leave a text as it is."""


def translate(template: str, *, dot: str = "variables") -> str:
    """Return the Jinja template that makes what a Go template makes.

    Args:
        template: the Go template, whose dot is a map of texts.
        dot: what the map is called in Jinja.

    Raises:
        Untranslatable: Go refuses the template, or what it makes cannot be made exactly.
    """
    return _translate(template, Expression(dot, "texts"))


def translate_key(template: str) -> str:
    """Return the Jinja template for the key of a `rewrite.transform`, whose dot has the field `value` alone.

    Raises:
        Untranslatable: as in `translate`; or it uses another field, or the dot itself.
    """
    return _translate(template, Expression("key", "key"))


def _translate(template: str, dot: Expression) -> str:
    text = Writer(parser.parse(template), dot).write()
    try:
        names = list_variables(text)
    except InvalidTemplate as error:  # too long, or nested too deeply
        raise Untranslatable(error.line, error.reason) from None
    # One that is set in a branch alone is not known in Jinja: it would have to be a source.
    branched = sorted(names.keys() - {dot.text})
    return "".join(f"{{% set {name} = '' %}}" for name in branched) + text


def find_plain_field(template: str) -> str | None:
    """Return the key where a template is one field and nothing else, as text or as it is; None for any other."""
    output = _find_output(template)
    if output is None:
        return None
    key, rest = None, list(output.pipeline.commands)
    match rest[0].operands:
        case (Fields(Dot() | Variable("$"), (name,)),):
            key, rest = name, rest[1:]
        case (*call, Fields(Dot() | Variable("$"), (name,))) if tuple(call) in _AS_TEXT:
            key, rest = name, rest[1:]
    return key if all(command.operands in _AS_TEXT for command in rest) else None


def _find_output(template: str) -> Output | None:
    """Return the one action of a template that has nothing else; None also where Go does not parse it."""
    try:
        parsed = parser.parse(template)
    except Untranslatable:
        return None
    nodes: list[Node] = [node for node in parsed.body if not isinstance(node, TextNode) or node.text]
    if len(nodes) == 1 and isinstance(nodes[0], Output) and not nodes[0].pipeline.variables:
        return nodes[0]
    return None


def list_fields(template: str) -> set[str]:
    """Return the keys that a template names. One that takes the whole map, as by `range`, uses others, too.

    Raises:
        Untranslatable: as in `translate`.
    """
    writer = Writer(parser.parse(template), Expression("variables", "texts"))
    writer.write()
    return writer.fields
