"""Go's values: their types and kinds, whether two are equal, and bytes as text."""

from keyferry.model import SecretValue
from keyferry.render.data.values import get_text
from keyferry.render.formatting import FilterError

INT64_END = 1 << 63
"""The first whole number that is too large for an int64."""


class Int64(int):
    """A number of Go's type int64, which sprig's calculations return."""


class Map(dict[str, object]):
    """A map that a template has made, and can change."""


class NilList(list[object]):
    """A list that was never made: it is empty, and `null` in JSON."""


type Text = str | SecretValue
"""A string of Go's: a SecretValue where its bytes are not UTF-8."""


def wrap(number: int) -> Int64:
    """Return a number as 64 bits hold it."""
    return Int64((number + INT64_END) % (2 * INT64_END) - INT64_END)


def to_bytes(text: Text) -> bytes:
    """Return the bytes of a string."""
    return text.reveal() if isinstance(text, SecretValue) else text.encode()


def from_bytes(content: bytes) -> Text:
    """Return bytes as a string."""
    return get_text(SecretValue(content))


def get_type(value: object) -> str:
    """Return the name of a value's type in Go.

    Raises:
        FilterError: a list, whose exact type is not known here.
    """
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case Int64():
            return "int64"
        case int():
            return "int"
        case float():
            return "float64"
        case str() | SecretValue():
            return "string"
        case Map():
            return "map[string]interface {}"
        case dict():
            return "map[string]string"
    raise FilterError("the type of a list is not known exactly")


def get_kind(value: object) -> str:
    """Return the kind of a value: `slice` and `map` for all lists and maps."""
    if isinstance(value, list | tuple):
        return "slice"
    if isinstance(value, dict):
        return "map"
    return "invalid" if value is None else get_type(value)


def is_equal(left: object, right: object) -> bool:
    """Return whether two values are equal and of one type (`reflect.DeepEqual`).

    Raises:
        FilterError: both are lists, or both maps.
    """
    kind = get_kind(left)
    if kind in ("slice", "map") and kind == get_kind(right):
        raise FilterError("two lists or maps are equal in Go only where their types are, which are not known here")
    return kind == get_kind(right) and left == right
