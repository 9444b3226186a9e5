"""What a path or a template looks for and does not get: what is there instead, and what would be right.

Messages have the names of keys, and what a mapping itself says: never a value, nor a name that a value gives.
"""

import base64
import difflib
import json
import re
from collections.abc import Iterable, Sequence

from keyferry.formats import jsontext
from keyferry.formats.foreign_paths import IDENTIFIER
from keyferry.formats.jmespath import Step, write_path
from keyferry.formats.printable import escape
from keyferry.model import SecretValue

_MAX_NAMES, _MAX_NAME = 10, 60
"""How many names of keys a message has, and how many characters of each."""
_MAX_GUESS = 16_384
"""The longest text, in characters, of which the format is guessed: a message is not worth more time."""
_DOTENV = re.compile(r"(export )?[A-Za-z_][A-Za-z0-9_]*=([^=].*)?")
_PLACEHOLDER = "KEY"
"""Stands for the name of a key, where a message cannot know it."""


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
    way = _find_way(holder)
    if way:
        return (
            f"{name} is {describe_kind(holder)}; write {_add_filters(name, way)}{write_expression('', steps[number:])}"
        )
    return describe_step(holder, name, steps[number], write_expression(alias, [*steps[:number], 0, *steps[number:]]))


def describe_for_path(root: object, alias: str, steps: Sequence[Step]) -> str:
    """Return why a path does not get a part of a source; as `describe_for_template`."""
    holder, number = find_end(root, steps)
    name = write_path(steps[:number]) or "the value"
    if number == len(steps):
        return f"{name} is null; give it a value, or say default or optional"
    way = _find_way(holder)
    if way:
        return f"{name} is {describe_kind(holder)}; {_describe_template(alias, steps[:number], way, steps[number:])}"
    return describe_step(holder, name, steps[number], write_path([*steps[:number], 0, *steps[number:]]))


def describe_no_object(value: object, alias: str, steps: Sequence[Step]) -> str:
    """Return why `dataFrom` cannot take the keys of a value, which is a source or a part of one.

    Args:
        value: is no object.
        alias: the name of the source.
        steps: the keys and indexes of the value in it.
    """
    kind, way = describe_kind(value), _find_way(value)
    if way:
        return f"{kind}, and dataFrom takes the keys of JSON alone; {_describe_template(alias, steps, way, [])}"
    if isinstance(value, list) and value:
        return f"{kind}; take the keys of one of them, as path: '{write_path([*steps, 0])}'"
    return f"{kind}, which has no keys to take; take it in data, under a key of its own"


def describe_unreadable(value: object, alias: str, steps: Sequence[Step]) -> str:
    """Return why a path cannot look into a source whose value is not JSON: what it is, and the way.

    Args:
        value: the text; a SecretValue where it is not UTF-8.
        alias: the name of the source.
        steps: the keys and indexes that are wanted of it.
    """
    way = _find_way(value)
    if way:
        return f"{describe_kind(value)}, and a path reads JSON alone; {_describe_template(alias, [], way, steps)}"
    return f"{describe_kind(value)}, and a path reads JSON alone: take it whole, without path"


def _describe_template(alias: str, before: Sequence[Step], way: str, after: Sequence[Step]) -> str:
    expression = _add_filters(write_expression(alias, before), way) + write_expression("", after or [_PLACEHOLDER])
    return f'make the key by a template, as template: "{{{{ {expression} }}}}"'


def describe_step(holder: object, name: str, step: Step, in_item: str = "") -> str:
    """Return why a value does not have a key or an index.

    Args:
        holder: the value.
        name: what the message calls it.
        step: the key or index.
        in_item: how the same is written of the first item, where the value is a list.
    """
    if isinstance(holder, dict):
        noun = "item" if isinstance(step, int) else "key"
        return f"{name} has no {noun} {_shorten(str(step))}{list_keys(holder, str(step))}"
    if isinstance(holder, list) and isinstance(step, int):
        return f"{name} is {describe_kind(holder)}: the last is [{len(holder) - 1}]" if holder else f"{name} is empty"
    if isinstance(holder, list):
        return f"{name} is {describe_kind(holder)}; take one of them, as {in_item}" if in_item else f"{name} is a list"
    return f"{name} is {describe_kind(holder)}, which has no {'item' if isinstance(step, int) else 'key'} {step}"


def list_keys(holder: dict[str, object], wanted: str) -> str:
    """Return the end of a message: the names of an object's keys, those first that are most like the wanted one."""
    names = sorted(map(str, holder))
    if not names:
        return "; it has none"
    near = difflib.get_close_matches(wanted, names, n=_MAX_NAMES, cutoff=0.6)
    ordered = [*near, *(name for name in names if name not in near)]
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return f"; there is: {', '.join(map(_shorten, ordered[:_MAX_NAMES]))}{more}"


def describe_kind(value: object) -> str:
    """Return what a value is, in words, such as `text that looks like YAML`."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case dict():
            return "an object"
        case list():
            return f"a list of {len(value)} item{'' if len(value) == 1 else 's'}"
        case SecretValue():
            return "UTF-16 (store it as UTF-8)" if _is_utf_16(value.reveal()) else "binary"
    return _guess(str(value))[0]


def to_text(content: SecretValue) -> str | SecretValue:
    """Return a value as text; as it is where it is not UTF-8."""
    try:
        return content.reveal().decode("utf-8-sig")
    except UnicodeDecodeError:
        return content


def _find_way(value: object) -> str:
    """Return the filters of a template that make an object or a list of a text; nothing where none do."""
    return _guess(value)[1] if isinstance(value, str) else ""


def _guess(text: str) -> tuple[str, str]:
    """Return what a text is, in words, and the filters of a template that make an object or a list of it."""
    if len(text) > _MAX_GUESS:
        return "text", ""
    document = _parse_json(text.encode(errors="replace"))
    if document is None and text.lstrip()[:1] in ("{", "["):
        return f"not JSON, though it begins so: {_locate_mistake(text)} is wrong", ""
    if isinstance(document, dict | list):
        return "text that holds JSON", "fromjson"
    if isinstance(document, str) and isinstance(_parse_json(document.encode(errors="replace")), dict | list):
        return "JSON that holds JSON as text", "fromjson | fromjson"
    if document is None and isinstance(_parse_json(_decode(text)), dict | list):
        return "JSON in base64", "b64decode | fromjson"
    if document is None and _is_dotenv(text):
        return "text of lines NAME=value, which Keyferry does not take apart (store it as JSON)", ""
    if document is None and ":" in text and isinstance(_parse_yaml(text), dict | list):
        return "text that looks like YAML", "fromyaml"
    return "text", ""


def _is_dotenv(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return not text.endswith("=") and bool(lines) and all(map(_DOTENV.fullmatch, lines))


def _parse_json(content: bytes) -> object:
    """Return a JSON document; None where it is none, or null."""
    try:
        return jsontext.parse(content)
    except ValueError:
        return None


def _parse_yaml(text: str) -> object:
    from keyferry.formats import yamltext  # noqa: PLC0415  # for a message alone

    try:
        return yamltext.parse(text)
    except ValueError:
        return None


def _locate_mistake(text: str) -> str:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:  # whose own words may quote the text
        return f"line {error.lineno}, character {error.colno}"
    except (ValueError, RecursionError):
        return "its nesting, or a number,"
    return "a key that is there twice"


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def _is_utf_16(content: bytes) -> bool:
    return content[:2] in (b"\xff\xfe", b"\xfe\xff")


def _add_filters(name: str, filters: str) -> str:
    return f"({name} | {filters})"


def _shorten(name: str) -> str:
    return escape(name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…")
