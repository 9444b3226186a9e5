"""The JSON that sources hold: read so that every number keeps its text, and written as text again."""

import json
from typing import Any

_DIGITS = 4000
"""Python reads integers of up to 4,300 digits (`sys.set_int_max_str_digits`)."""


class Number(float):
    """A JSON number, and how it was written: 1.50 stays 1.50."""

    text: str

    def __new__(cls, text: str) -> "Number":
        """Make it from its text."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text


Number.__name__ = "float"  # JMESPath tells types by their names


class DuplicateKeyError(ValueError):
    """An object has a key twice; the text names it."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise DuplicateKeyError(shown(key))
        made[key] = value
    return made


def shown(key: str) -> str:
    """Return a key as a message can hold it: half a character, which JSON can have, is written out."""
    return key.encode(errors="backslashreplace").decode()


def _integer(text: str) -> int | Number:
    """Return a number; one that Python's integers would change, or would not read, keeps its text as the others do."""
    return Number(text) if text == "-0" or len(text) > _DIGITS else int(text)


def parse(content: bytes) -> Any:  # noqa: ANN401  # JSON is anything
    """Return the document.

    Raises:
        DuplicateKeyError: an object has a key twice: readers differ in which of them they take.
        ValueError: it is not JSON. The text holds nothing of it.
    """
    try:
        return json.loads(content, parse_float=Number, parse_int=_integer, object_pairs_hook=_object)
    except DuplicateKeyError:
        raise
    except (ValueError, RecursionError):
        # The decoder's error holds the document.
        raise ValueError("not JSON") from None


def text(value: object) -> str:
    """Return what arrives in the Secret: strings as they are, everything else as JSON.

    Raises:
        TypeError: JSON cannot say it.
    """
    return value if isinstance(value, str) else _json(value)


def _json(value: object) -> str:
    match value:
        case Number():
            return value.text
        case dict():
            return "{" + ",".join(f"{_json(_key(key))}:{_json(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _key(value: object) -> str:
    return value if isinstance(value, str) else _json(value)
