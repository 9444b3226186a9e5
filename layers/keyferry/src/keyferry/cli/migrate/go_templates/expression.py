"""Expressions of Jinja with the Go type of what they are, and how they are written."""

from dataclasses import dataclass

from keyferry.model import SecretValue

LOW, FILTERED, ATOM = 0, 1, 2
"""How closely an expression holds together: an operator, a value behind a bar, a name or a constant."""
LISTS = frozenset({"list", "strings", "ints"})
"""Types that are lists."""
ITEMS = {"texts": "string", "strings": "string", "ints": "int", "int": "int", "int64": "int64"}
"""Type of what a range goes through → type of its items; those of any other are `any`."""
PRINTED = frozenset({"string", "int", "int64", "bool"})
"""Types that Jinja writes as Go does."""
_OBJECTS: tuple[object, ...] = ("", 0, 0.5, [], {}, None, SecretValue(b""))
_ATTRIBUTES = frozenset(name for value in _OBJECTS for name in dir(value))
"""What Jinja finds in some value, though no map has such a key."""


@dataclass(frozen=True)
class Expression:
    """An expression of Jinja.

    Attributes:
        text: the expression.
        kind: its type, one of `keyferry.render.go.function.KINDS`; `nil` for nil, `unordered` for what Go makes in no
            order.
        level: how closely it holds together.
        constant: its value, where the template itself has it.
        is_field: whether it can be missing, which Jinja finds out only where it is used.
    """

    text: str
    kind: str
    level: int = ATOM
    constant: str | int | float | bool | None = None
    is_field: bool = False

    def at(self, level: int) -> str:
        """Return the expression, in parentheses where something holds together more closely."""
        return self.text if self.level >= level else f"({self.text})"


def write_constant(value: str | int | float | bool) -> Expression:
    """Return a constant."""
    if isinstance(value, bool):
        return Expression("true" if value else "false", "bool", constant=value)
    if isinstance(value, str):
        return Expression(quote(value), "string", constant=value)
    text = repr(value) if value >= 0 else f"({value!r})"
    return Expression(text, "int" if isinstance(value, int) else "float", constant=value)


def quote(text: str) -> str:
    """Return a text as a constant of Jinja, which has Python's escapes."""
    return "'" + repr(f'"{text}')[2:]  # Python takes single quotes for a text with a double one in it


def take_field(holder: Expression, name: str) -> Expression:
    """Return a field of a map."""
    kind = ITEMS.get(holder.kind, "any")
    if name in _ATTRIBUTES:
        return Expression(f"{holder.at(FILTERED)} | go('field', {quote(name)})", kind, FILTERED)
    return Expression(f"{holder.at(ATOM)}.{name}", kind, is_field=True)


def take_key(holder: Expression, key: Expression) -> Expression:
    """Return what a map of texts has for a key; empty text where it has none."""
    if isinstance(key.constant, str) and key.constant not in _ATTRIBUTES:
        return Expression(f"{holder.at(ATOM)}[{key.text}] | default('')", "string", FILTERED)
    return Expression(f"{holder.at(FILTERED)} | go('index', {key.text}) | go('default', '')", "string", FILTERED)
