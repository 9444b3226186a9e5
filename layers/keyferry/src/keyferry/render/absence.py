"""What a path or a template looks for and does not get: what is there instead, and what would be right.

Messages have what a mapping itself says, and of the keys of a JSON source the one that is most like the wanted one: a
key can be a secret. They have never a value, nor a key of what was made of a text.
"""

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from keyferry.formats import gjson
from keyferry.formats.foreign_paths import IDENTIFIER, quote
from keyferry.formats.jmespath import Step, write_path
from keyferry.formats.printable import escape
from keyferry.formats.recognition import Recognition, recognize
from keyferry.model import SecretValue

_MAX_NAME = 60
"""How many characters of the name of a key a message has."""
_PLACEHOLDER = "KEY"
"""Stands for the name of a key, where a message cannot know it."""


@dataclass(frozen=True)
class Notation:
    """How a part of a value is written in a field of a mapping."""

    field: str
    write: Callable[[Iterable[Step]], str]
    """Takes keys and indexes."""
    key: str
    """How a key is written that has signs with a meaning, in words."""


PATH = Notation("path", lambda steps: quote(write_path(steps)), "in double quotes")
PROPERTY = Notation("property", gjson.write_path, "with a backslash before such signs")


def find_end(root: object, steps: Sequence[Step]) -> tuple[object, int]:
    """Return where the way from a document to one of its parts ends.

    Returns:
        The value that has no next step, and the number of the steps before it. Where all steps can be taken, the value
        that they lead to, and the number of all steps.
    """
    value = root
    for number, step in enumerate(steps):
        if not isinstance(value, dict | list):
            return value, number
        try:
            value = value[step]  # type: ignore[index]
        except (LookupError, TypeError):
            return value, number
    return value, len(steps)


def write_expression(alias: str, steps: Iterable[Step]) -> str:
    """Return the expression of a template for a part of a source, such as `db.users[0]['api-key']`."""
    parts = (f".{step}" if isinstance(step, str) and IDENTIFIER.fullmatch(step) else f"[{step!r}]" for step in steps)
    return escape(alias + "".join(parts))


def describe_for_template(root: object, alias: str, steps: Sequence[Step]) -> str:
    """Return why a template does not get a part of a source.

    Args:
        root: the value of the source, as templates see it.
        alias: the name of the source.
        steps: the keys and indexes of the part.
    """
    holder, number = find_end(root, steps)
    name = write_expression(alias, steps[:number])
    if number == len(steps):
        return f"{name} is null; give it a value, or write {name} | default('…', true)"
    seen = _recognize(holder)
    if seen.filters:
        return f"{name} is {seen.kind}; write {_add_filters(name, seen)}{write_expression('', steps[number:])}"
    meant = _join_steps(holder, steps[number:])
    if meant:
        return f"{name} has a key {_shorten(str(meant[0]))}, which is written {write_expression(name, meant)}"
    return describe_step(holder, name, steps[number], write_expression(alias, [*steps[:number], 0, *steps[number:]]))


def describe_for_path(root: object, alias: str, steps: Sequence[Step], notation: Notation = PATH) -> str:
    """Return why a path or property does not get a part of a source; as `describe_for_template`."""
    holder, number = find_end(root, steps)
    name = write_path(steps[:number]) or "the value"
    if number == len(steps):
        return f"{name} is null; give it a value, or say default or optional"
    seen = _recognize(holder)
    if seen.filters:
        return f"{name} is {seen.kind}; {_describe_template(alias, steps[:number], seen, steps[number:])}"
    meant = _join_steps(holder, steps[number:])
    if meant:
        path = notation.write([*steps[:number], *meant])
        return f"{name} has a key {_shorten(str(meant[0]))}, which is written {notation.key}: {escape(path)}"
    return describe_step(holder, name, steps[number], notation.write([*steps[:number], 0, *steps[number:]]))


def _join_steps(holder: object, steps: Sequence[Step]) -> list[Step]:
    """Return the steps that are meant where keys of objects have dots in their names, or are numbers; else none."""
    for end in range(len(steps), 0, -1):
        name = ".".join(map(str, steps[:end]))
        if isinstance(holder, dict) and name in holder:
            return [name, *(_join_steps(holder[name], steps[end:]) or steps[end:])]
    return []


def describe_no_object(value: object, alias: str, steps: Sequence[Step], notation: Notation = PATH) -> str:
    """Return why `dataFrom` cannot take the keys of a value, which is a source or a part of one.

    Args:
        value: is no object.
        alias: the name of the source.
        steps: the keys and indexes of the value in it.
        notation: that of the field that selects it.
    """
    seen = _recognize(value)
    if seen.filters:
        way = _describe_template(alias, steps, seen, [])
        return f"{seen.kind}, and dataFrom takes the keys of JSON alone; {way}"
    if seen.mistake:
        return f"{seen.kind}: {seen.mistake}"
    if isinstance(value, list) and value:
        return f"{seen.kind}; take the keys of one of them, as {notation.field}: {notation.write([*steps, 0])}"
    return f"{seen.kind}, which has no keys to take; take it in data, under a key of its own"


def describe_unreadable(value: object, alias: str, steps: Sequence[Step], notation: Notation = PATH) -> str:
    """Return why a path or property cannot look into a source whose value is not JSON: what it is, and the way.

    Args:
        value: the text; a SecretValue where it is not UTF-8.
        alias: the name of the source.
        steps: the keys and indexes that are wanted of it.
        notation: that of the field that wants them.
    """
    seen = _recognize(value)
    if seen.mistake:
        return f"{seen.kind}: {seen.mistake}"
    if seen.filters:
        return f"{seen.kind}, and a {notation.field} reads JSON alone; {_describe_template(alias, [], seen, steps)}"
    return f"{seen.kind}, and a {notation.field} reads JSON alone: take it whole, without {notation.field}"


def _describe_template(alias: str, before: Sequence[Step], seen: Recognition, after: Sequence[Step]) -> str:
    expression = _add_filters(write_expression(alias, before), seen) + write_expression("", after or [_PLACEHOLDER])
    return f'make the key by a template, as template: "{{{{ {expression} }}}}"'


def describe_step(holder: object, name: str, step: Step, in_item: str = "") -> str:
    """Return why a value does not have a key or an index.

    Args:
        holder: the value.
        name: what the message calls it.
        step: the key or index.
        in_item: how the same is written of the first item, where the value is a list.
    """
    seen, noun = _recognize(holder), "item" if isinstance(step, int) else "key"
    if isinstance(holder, dict):
        return f"{name} has no {noun} {_shorten(str(step))}{suggest_key(holder, str(step))}"
    if isinstance(holder, list) and holder and isinstance(step, int):
        return f"{name} is {seen.kind}: the last is [{len(holder) - 1}]"
    if isinstance(holder, list) and holder:
        return f"{name} is {seen.kind}; take one of them, as {in_item}" if in_item else f"{name} is a list"
    return f"{name} is {seen.kind}{f': {seen.mistake}' if seen.mistake else f', which has no {noun} {step}'}"


def suggest_key(holder: dict[str, object], wanted: str) -> str:
    """Return the end of a message: the key of an object that is most like the wanted one, or how many there are."""
    folded = {key.casefold(): key for key in sorted(holder, reverse=True)}
    near = difflib.get_close_matches(wanted.casefold(), folded, n=1)
    if near:
        return f"; did you mean {_shorten(folded[near[0]])}?"
    return f"; it has {count_keys(holder)}, and none like it" if holder else "; it has none"


def count_keys(holder: dict[str, object]) -> str:
    """Return how many keys an object has, in words."""
    return f"{len(holder)} key{'' if len(holder) == 1 else 's'}"


def describe_kind(value: object) -> str:
    """Return what a value is, in words, such as `text that looks like YAML`."""
    return _recognize(value).kind


def _recognize(value: object) -> Recognition:
    """Return what a value is: a text, or a part of a JSON document."""
    match value:
        case None:
            return Recognition("null")
        case bool():
            return Recognition("true or false")
        case int() | float():
            return Recognition("a number")
        case dict():
            return Recognition("an object")
        case list():
            items = f"a list of {len(value)} item{'' if len(value) == 1 else 's'}"
            return Recognition(items if value else "an empty list")
        case SecretValue():
            return Recognition("UTF-16 (store it as UTF-8)" if _is_utf_16(value.reveal()) else "binary")
    return recognize(str(value))


def to_text(content: SecretValue) -> str | SecretValue:
    """Return a value as text; as it is where it is not UTF-8."""
    try:
        return content.reveal().decode("utf-8-sig")
    except UnicodeDecodeError:
        return content


def _is_utf_16(content: bytes) -> bool:
    return content[:2] in (b"\xff\xfe", b"\xfe\xff")


def _add_filters(name: str, seen: Recognition) -> str:
    return f"({name} | {seen.filters})"


def _shorten(name: str) -> str:
    return escape(name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…")
