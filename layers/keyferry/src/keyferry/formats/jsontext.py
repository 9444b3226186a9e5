"""JSON in the values of sources: parsed so that every number keeps its text, and written as text."""

import json
from typing import Any, NoReturn

MAX_DEPTH = 100
"""How deep lists and objects may be nested that are written as text."""
_DIGITS = 4000
"""Longer integers stay text: Python refuses those of more than 4,300 digits (`sys.set_int_max_str_digits`)."""


class Number(float):
    """A number that keeps its text: 1.50 stays 1.50."""

    text: str
    spelled: str
    """The same number as JSON spells it; YAML knows more ways, as 0x1F, and numbers that JSON lacks, as -inf."""

    def __new__(cls, text: str, spelled: str = "") -> "Number":
        """Make the number from its text, and from JSON's where that is another."""
        number = super().__new__(cls, spelled or text)
        number.text, number.spelled = text, spelled or text
        return number

    def __str__(self) -> str:
        return self.text


Number.__name__ = "float"  # JMESPath looks at the names of types


class Object(dict[str, Any]):
    """A whole JSON object that keeps its text, for whoever writes it as it is."""

    __slots__ = ("_text",)
    _text: str


class Array(list[Any]):
    """A whole JSON array that keeps its text."""

    __slots__ = ("_text",)
    _text: str


Object.__name__, Array.__name__ = "dict", "list"  # JMESPath looks at the names of types


def keep_text(document: Any, text: str) -> Any:  # noqa: ANN401  # JSON is anything
    """Return a document that was parsed from this text, which it keeps where it is an object or an array."""
    if not isinstance(document, dict | list):
        return document
    whole = Object(document) if isinstance(document, dict) else Array(document)
    whole._text = text
    return whole


def get_kept_text(value: object) -> str | None:
    """Return the text that a whole object or array was parsed from; None for any other value."""
    return value._text if isinstance(value, Object | Array) else None


class DuplicateKeyError(ValueError):
    """An object has the same key twice. The message says where, and not the key, which can be a secret."""


def _to_dict(members: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in members:
        if key in result:
            first = next(number for number, (earlier, _) in enumerate(members, 1) if earlier == key)
            raise DuplicateKeyError(f"an object has a key twice, as its members {first} and {len(result) + 1}")
        result[key] = value
    return result


def escape_surrogates(text: str) -> str:
    """Return a text with an escape for each lone surrogate, which JSON can contain and a message cannot."""
    return text.encode(errors="backslashreplace").decode()


def _parse_integer(text: str) -> int | Number:
    """Return an int; a Number for what an int would not keep (`-0`) or Python would refuse (too many digits)."""
    return Number(text) if text == "-0" or len(text) > _DIGITS else int(text)


def _refuse_constant(_name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python takes for JSON, and others do not."""
    raise ValueError


def parse(content: bytes) -> Any:  # noqa: ANN401  # JSON is anything
    """Return a JSON document as Python data, with fractions as `Number`. It is UTF-8, with or without a mark (BOM).

    Raises:
        DuplicateKeyError: an object has a key twice. Parsers differ in which value they take, so none is taken.
        ValueError: the content is not JSON. The message does not quote it.
    """
    try:
        text = content.decode("utf-8-sig")
        return json.loads(
            text,
            parse_float=Number,
            parse_int=_parse_integer,
            parse_constant=_refuse_constant,
            object_pairs_hook=_to_dict,
        )
    except DuplicateKeyError:
        raise
    except (ValueError, RecursionError):
        # The decoder's own error holds the document.
        raise ValueError("not JSON") from None


def to_text(value: object) -> str:
    """Return a value as the text that a Secret holds: a string as it is, everything else as JSON.

    Raises:
        TypeError: the value has no form in JSON, or is nested too deeply.
    """
    match value:
        case str():
            return value
        case Number():
            return value.text
    return _to_json(value)


def _to_json(value: object, depth: int = 0) -> str:
    if depth > MAX_DEPTH:
        raise TypeError(f"nested more than {MAX_DEPTH} times")
    match value:
        case Number(spelled=spelled):
            if not spelled[-1].isdigit():
                raise TypeError("JSON has no number that is infinite or none")
            return spelled
        case dict():
            members = (f"{_to_json(to_text(key))}:{_to_json(item, depth + 1)}" for key, item in value.items())
            return "{" + ",".join(members) + "}"
        case list() | tuple():
            return "[" + ",".join(_to_json(item, depth + 1) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)
