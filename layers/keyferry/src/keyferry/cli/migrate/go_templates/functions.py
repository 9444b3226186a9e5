"""Calls of Go's functions as expressions of Jinja."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from keyferry.cli.migrate.go_templates.errors import Untranslatable
from keyferry.cli.migrate.go_templates.expression import FILTERED, LISTS, LOW, Expression, quote, take_key
from keyferry.cli.migrate.go_templates.refused import REFUSED
from keyferry.render.go.function import FUNCTIONS, Function

_ACCEPTED = {
    "string": frozenset({"string", "any"}),
    "bytes": frozenset({"string", "any"}),
    "slice": LISTS | {"any"},
    "map": frozenset({"map", "any"}),
    "constant": frozenset({"string"}),
}
"""Type of a parameter → types that it takes; any other parameter takes its own type, and what is known only later."""
_ORDERLESS = frozenset({"sortAlpha", "len", "has", "mustHas", "empty"})
"""Functions to which the order of a list makes no difference."""
_SAME = {"b64enc": "b64encode"}
"""Function of a text → filter that makes the same of every text."""
_TEXT_FORMAT = re.compile(r"(?:[^%]|%%|%s)*", re.DOTALL)
_NAMES = {"bytes": "text", "string": "text", "slice": "a list", "map": "a map", "int": "a whole number (int)"}

type Arguments = Sequence[Expression]


def call(name: str, arguments: Arguments, line: int, *, is_piped: bool = False) -> Expression:
    """Return the call of a function.

    Args:
        name: the function.
        arguments: its arguments, in Go's order.
        line: where it stands.
        is_piped: whether the last argument comes out of a pipe, so that Go has it before it looks at the others.

    Raises:
        Untranslatable: there is no such function, it is not supported, or Go would refuse its arguments.
    """
    if name in REFUSED:
        raise Untranslatable(line, f"{name}: {REFUSED[name]}")
    if any(argument.kind == "key" for argument in arguments):
        raise Untranslatable(line, f"{name} gets the dot, which is a map here; the key is .value")
    if is_piped and name in ("and", "or") and len(arguments) > 1:
        return _write_piped_and(name, arguments, line)
    if name in _WRITERS:
        return _WRITERS[name](name, arguments, line)
    if name not in FUNCTIONS or name in OWN:
        raise Untranslatable(line, f"{name} is no function that External Secrets has")
    return _call_go(name, arguments, line)


OWN = frozenset({"text", "field", "items", "each", "newDict", "value", "textOf"})
"""Functions of the filter `go` that Go's templates do not have."""


def _call_go(name: str, arguments: Arguments, line: int) -> Expression:
    """Return a call by the filter `go`."""
    function = FUNCTIONS[name]
    _check(name, function, arguments, line)
    if not arguments:
        raise Untranslatable(line, f"{name} gets nothing")
    subject = function.subject if function.subject >= 0 else len(arguments) - 1
    others = [argument.text for number, argument in enumerate(arguments) if number != subject]
    text = f"{arguments[subject].at(FILTERED)} | go({', '.join([quote(name), *others])})"
    return Expression(text, function.result, FILTERED)


def _check(name: str, function: Function, arguments: Arguments, line: int) -> None:
    """Check the number and the types of arguments, as far as they are known."""
    least, most = len(function.parameters), len(arguments) if function.rest else len(function.parameters)
    if not least <= len(arguments) <= most:
        raise Untranslatable(line, f"{name} takes {least} values, and gets {len(arguments)}")
    for kind, argument in zip([*function.parameters, *[function.rest] * len(arguments)], arguments, strict=False):
        check_type(name, kind, argument, line)


def check_type(name: str, kind: str, argument: Expression, line: int) -> None:
    """Check that a function takes a value of this type."""
    if argument.kind == "unordered" and name not in _ORDERLESS:
        raise Untranslatable(line, f"{name} gets keys or values of a map, which Go has in no order; sort them first")
    if kind == "any":
        return
    accepted = _ACCEPTED.get(kind, {kind, "any"})
    is_number = kind == "float" and isinstance(argument.constant, int) and argument.kind == "int"
    if argument.kind not in accepted and not is_number:
        raise Untranslatable(line, f"{name} takes {_NAMES.get(kind, kind)}, and gets {argument.kind}, which Go refuses")


def _call_filter(name: str, arguments: Arguments, line: int) -> Expression:
    """Return a call by a filter that makes the same; only for what is known to be text."""
    if len(arguments) == 1 and arguments[0].kind == "string":
        return Expression(f"{arguments[0].at(FILTERED)} | {_SAME[name]}", "string", FILTERED)
    return _call_go(name, arguments, line)


def _write_and(name: str, arguments: Arguments, line: int) -> Expression:
    _need(name, arguments, 1, line)
    if len(arguments) == 1:
        return arguments[0]
    text = f" {name} ".join(argument.at(FILTERED) for argument in arguments)
    return Expression(text, _join_kinds(arguments), LOW)


def _write_piped_and(name: str, arguments: Arguments, line: int) -> Expression:
    """Return a call that has all its values before it looks at one; only where those that Go may skip cannot fail."""
    if not all(argument.constant is not None or argument.text.isidentifier() for argument in arguments[1:-1]):
        raise Untranslatable(line, f"pipes into {name}; write the value as its last argument")
    return replace(_call_go(name, arguments, line), kind=_join_kinds(arguments))


def _write_not(name: str, arguments: Arguments, line: int) -> Expression:
    if len(arguments) != 1:
        raise Untranslatable(line, f"{name} takes one value")
    return Expression(f"not {arguments[0].at(FILTERED)}", "bool", LOW)


def _write_comparison(name: str, arguments: Arguments, line: int) -> Expression:
    """Return `==` or `!=` of two texts, or of two whole numbers; other comparisons as Go has them."""
    _need(name, arguments, 2, line)
    kinds = {argument.kind for argument in arguments}
    if len(arguments) == 2 and kinds in ({"string"}, {"int"}, {"int64"}, {"int", "int64"}):
        left, right = (argument.at(FILTERED) for argument in arguments)
        return Expression(f"{left} {'==' if name == 'eq' else '!='} {right}", "bool", LOW)
    return _call_go(name, arguments, line)


def _write_default(name: str, arguments: Arguments, line: int) -> Expression:
    """Return `or` where what stands in for an empty value is a constant, which cannot fail."""
    if len(arguments) == 2 and arguments[0].constant is not None and arguments[1].kind != "unordered":
        text = f"{arguments[1].at(FILTERED)} or {arguments[0].text}"
        return Expression(text, _join_kinds(arguments), LOW)
    return replace(_call_go(name, arguments, line), kind=_join_kinds(arguments))


def _write_dig(name: str, arguments: Arguments, line: int) -> Expression:
    if len(arguments) < 3 or arguments[-1].kind not in ("map", "any"):
        raise Untranslatable(line, "dig takes keys, a default, and a map that is made of JSON or by dict")
    return _call_go(name, arguments, line)


def _write_index(name: str, arguments: Arguments, line: int) -> Expression:
    _need(name, arguments, 1, line)
    holder, *keys = arguments
    if holder.kind == "string" and keys:
        raise Untranslatable(line, "index takes single bytes of a text; take them by substr")
    if holder.kind == "texts" and keys:
        if len(keys) > 1 or keys[0].kind not in ("string", "any"):
            raise Untranslatable(line, "index takes one key of a map of texts, which is text")
        return take_key(holder, keys[0])
    return _call_go(name, arguments, line)


def _write_printf(name: str, arguments: Arguments, line: int) -> Expression:
    """Return a format by Jinja's own filter where it has texts alone; by Go's otherwise."""
    _need(name, arguments, 1, line)
    pieces = split_format(arguments)
    if pieces is None:
        return _call_go(name, arguments, line)
    if len(arguments) == 1:
        return Expression(quote(pieces[0]), "string", constant=pieces[0])
    given = ", ".join(argument.text for argument in arguments[1:])
    return Expression(f"{arguments[0].text} | format({given})", "string", FILTERED)


def split_format(arguments: Arguments) -> list[str] | None:
    """Return the texts around the values of a printf; None where it has more than `%s` and texts."""
    form = arguments[0].constant
    if not isinstance(form, str) or not _TEXT_FORMAT.fullmatch(form):
        return None
    pieces = _split_verbs(form)
    if len(pieces) != len(arguments) or any(argument.kind != "string" for argument in arguments[1:]):
        return None
    return pieces


def _split_verbs(form: str) -> list[str]:
    pieces = [""]
    for part in re.findall(r"%%|%s|[^%]+", form):
        if part == "%s":
            pieces.append("")
        else:
            pieces[-1] += "%" if part == "%%" else part
    return pieces


def _write_text(name: str, arguments: Arguments, line: int) -> Expression:
    """Return a text as it is, where it is one."""
    if len(arguments) == 1 and arguments[0].kind == "string":
        return arguments[0]
    return _write_empty(name, arguments, line)


def _write_empty(name: str, arguments: Arguments, line: int) -> Expression:
    """Return the call of a function that may have no arguments at all."""
    if arguments:
        return _call_go(name, arguments, line)
    empty = {"list": "[]", "tuple": "[]", "dict": "'' | go('newDict')", "print": "''", "println": "'\\n'"}
    if name not in empty:
        raise Untranslatable(line, f"{name} gets nothing")
    return Expression(empty[name], FUNCTIONS[name].result, FILTERED)


def _write_htpasswd(name: str, arguments: Arguments, line: int) -> Expression:
    """Return a line of a file of passwords. Go takes the algorithm as a constant alone."""
    if len(arguments) == 3 and arguments[2].constant == "sha":
        return _call_go(name, arguments, line)
    raise Untranslatable(line, "htpasswd: by bcrypt, which every algorithm but 'sha' means, it has a random salt")


def _write_copy(name: str, arguments: Arguments, line: int) -> Expression:
    """Return the dot as it is, which nothing changes; a copy of anything else."""
    return arguments[0] if [argument.kind for argument in arguments] == ["texts"] else _call_go(name, arguments, line)


def _need(name: str, arguments: Arguments, count: int, line: int) -> None:
    if len(arguments) < count:
        raise Untranslatable(line, f"{name} takes {count} values at least")


def _join_kinds(arguments: Arguments) -> str:
    kinds = {argument.kind for argument in arguments}
    return kinds.pop() if len(kinds) == 1 else "any"


_WRITERS: dict[str, Callable[[str, Arguments, int], Expression]] = {
    **dict.fromkeys(("and", "or"), _write_and),
    **dict.fromkeys(("eq", "ne"), _write_comparison),
    **dict.fromkeys(("list", "tuple", "dict", "println"), _write_empty),
    **dict.fromkeys(("print", "toString"), _write_text),
    **dict.fromkeys(("deepCopy", "mustDeepCopy"), _write_copy),
    **dict.fromkeys(_SAME, _call_filter),
    "default": _write_default,
    "dig": _write_dig,
    "htpasswd": _write_htpasswd,
    "index": _write_index,
    "not": _write_not,
    "printf": _write_printf,
}
"""Function → what writes it otherwise than by the filter `go`, or not always by that."""
