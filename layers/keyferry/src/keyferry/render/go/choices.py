"""Go's comparisons, and sprig's defaults."""

from keyferry.model import SecretValue
from keyferry.render.formatting import FilterError
from keyferry.render.go.function import function
from keyferry.render.go.values import get_kind, get_type, is_equal


def _check_basic(left: object, right: object) -> None:
    """Check that two values can be compared: both are text, whole numbers, fractions or booleans."""
    kinds = [get_kind(value).replace("int64", "int") for value in (left, right)]
    if kinds[0] != kinds[1] or kinds[0] in ("slice", "map", "invalid"):
        raise FilterError(f"Go does not compare {kinds[0]} with {kinds[1]}")


@function("eq(any, any, ...any) bool", subject=0)
def equals(value: object, *others: object) -> bool:
    """Return whether a value is one of others."""
    for other in others:
        if value is None or other is None:
            if value is other:
                return True
            continue
        _check_basic(value, other)
        if value == other:
            return True
    return False


@function("ne(any, any) bool", subject=0)
def differs(left: object, right: object) -> bool:
    """Return whether two values differ."""
    return not equals(left, right)


def _is_less(left: object, right: object) -> bool:
    _check_basic(left, right)
    if isinstance(left, bool | SecretValue) or isinstance(right, SecretValue):
        raise FilterError("Go orders texts and numbers alone")
    return left < right  # type: ignore[operator,no-any-return]


@function("lt(any, any) bool", subject=0)
def is_less(left: object, right: object) -> bool:
    """Return whether a value is less than another."""
    return _is_less(left, right)


@function("le(any, any) bool", subject=0)
def is_less_or_equal(left: object, right: object) -> bool:
    """Return whether a value is less than another, or the same."""
    return not _is_less(right, left)


@function("gt(any, any) bool", subject=0)
def is_greater(left: object, right: object) -> bool:
    """Return whether a value is greater than another."""
    return _is_less(right, left)


@function("ge(any, any) bool", subject=0)
def is_greater_or_equal(left: object, right: object) -> bool:
    """Return whether a value is greater than another, or the same."""
    return is_less_or_equal(right, left)


@function("default(any, ...any) any")
def default(instead: object, *given: object) -> object:
    """Return a value, or another where that is empty."""
    return given[0] if given and given[0] else instead


@function("empty(any) bool")
def is_empty(value: object) -> bool:
    """Return whether a value is empty text, zero, false, nil, or a list or a map of nothing."""
    return not value


@function("coalesce(...any) any", subject=0)
def coalesce(*values: object) -> object:
    """Return the first value that is not empty."""
    return next((value for value in values if value), None)


@function("all(...any) bool", subject=0)
def are_all(*values: object) -> bool:
    """Return whether no value is empty."""
    return all(values)


@function("any(...any) bool", subject=0)
def is_any(*values: object) -> bool:
    """Return whether some value is not empty."""
    return any(values)


@function("ternary(any, any, bool) any")
def choose(yes: object, no: object, condition: bool) -> object:
    """Return one of two values."""
    return yes if condition else no


@function("and(any, ...any) any")
def take_all(*values: object) -> object:
    """Return the first value that is empty; the last one where none is."""
    return next((value for value in values if not value), values[-1])


@function("or(any, ...any) any")
def take_any(*values: object) -> object:
    """Return the first value that is not empty; the last one where all are."""
    return next((value for value in values if value), values[-1])


@function("deepEqual(any, any) bool", subject=0)
def is_deeply_equal(left: object, right: object) -> bool:
    """Return whether two values are equal, with all that they hold."""
    return is_equal(left, right)


@function("kindOf(any) string")
def get_kind_name(value: object) -> str:
    """Return the kind of a value: string, int, float64, bool, slice, map or invalid."""
    return get_kind(value)


@function("kindIs(string, any) bool")
def is_kind(kind: str, value: object) -> bool:
    """Return whether a value is of a kind."""
    return get_kind(value) == kind


@function("typeOf(any) string")
def get_type_name(value: object) -> str:
    """Return the type of a value in Go: string, int, int64, float64, bool, or that of a map."""
    return get_type(value)


@function("typeIs(string, any) bool", "typeIsLike(string, any) bool")
def is_type(name: str, value: object) -> bool:
    """Return whether a value is of a type."""
    is_list = isinstance(value, list | tuple) and not name.startswith("[")
    return not is_list and get_type(value) == name


@function("fail(string) string")
def fail(_message: str) -> str:
    """Fail. The message is not shown, since it can quote a value."""
    raise FilterError("fails by its own fail, whose message can hold a value")
