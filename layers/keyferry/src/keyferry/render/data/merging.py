"""Make one JSON object of many, as `rewrite.merge` of External Secrets does."""

import math
from collections.abc import Iterable, Mapping

from keyferry.budget import Budget
from keyferry.errors import SourceUnusable
from keyferry.formats import jsontext
from keyferry.formats.gjson import format_number
from keyferry.mapping.keys import Merge
from keyferry.model import SecretValue
from keyferry.render.data import values


def merge(rule: Merge, members: Mapping[str, object], where: str, budget: Budget) -> dict[str, object]:
    """Return the members of all JSON objects that some keys hold; or these keys, and one more that holds all of it.

    Args:
        rule: which of the objects win, and what becomes of the result.
        members: key → text, a part of a JSON document, or the value of a source.
        where: the mapping and the part of it, for messages.
        budget: what reading the objects may take.

    Returns:
        Key → text.

    Raises:
        OverBudget: it takes more.
        SourceUnusable: a key of the priority is missing, what a key holds is no JSON object, or two have the same key.
    """
    merged: dict[str, object] = {}
    for key in _order(rule, members, where):
        held = _read(members[key], f"{where}, key {jsontext.escape_surrogates(key)}", budget)
        if rule.conflicts == "fail" and (both := sorted(held.keys() & merged.keys())):
            name = jsontext.escape_surrogates(both[0])
            raise SourceUnusable(f"{where}: {name} is in {key} and in one before it; say conflicts: overwrite")
        merged |= held
    if rule.into is not None:
        return {**members, rule.into: _write_json(merged, where, escapes=False)}
    return {key: _write(value, where) for key, value in merged.items()}


def _order(rule: Merge, members: Mapping[str, object], where: str) -> Iterable[str]:
    """Return the keys in the order in which their objects are taken: a later one wins."""
    missing = [key for key in rule.priority if key not in members]
    if missing and rule.missing == "fail":
        raise SourceUnusable(f"{where}: merge has no key {missing[0]}, which priority names; say missing: ignore")
    first = sorted(key for key in members if key not in rule.priority)
    return [*first, *(key for key in rule.priority if key in members)]


def _read(member: object, where: str, budget: Budget) -> dict[str, object]:
    """Return the object that a key holds, with the numbers that Go reads: fractions of 64 bits."""
    content = member if isinstance(member, SecretValue) else values.encode_json(member, where)
    budget.spend(len(content) // values.PARSED_BYTES_PER_STEP)
    try:
        document = jsontext.parse(content.reveal())
    except ValueError:
        raise SourceUnusable(f"{where} is no JSON object, and merge takes their keys") from None
    budget.spend_value(document, times=4)
    if document is None:  # an object without keys for Go
        return {}
    if not isinstance(document, dict):
        raise SourceUnusable(f"{where} is no JSON object, and merge takes their keys")
    return {key: _to_go(value, where) for key, value in document.items()}


def _to_go(value: object, where: str) -> object:
    match value:
        case bool():
            return value
        case int() | float():
            number = float(value)
            if math.isinf(number):
                raise SourceUnusable(f"{where} has a number that is too large for merge")
            return number
        case dict():
            return {key: _to_go(item, where) for key, item in value.items()}
        case list():
            return [_to_go(item, where) for item in value]
    return value


def _write(value: object, where: str) -> str:
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return format_number(value)
    return _write_json(value, where, escapes=True)


def _write_json(value: object, where: str, *, escapes: bool) -> str:
    # Imported here, since few mappings merge.
    from keyferry.render.formatting import FilterError  # noqa: PLC0415
    from keyferry.render.go import encodings  # noqa: PLC0415

    try:
        return (encodings.to_json if escapes else encodings.to_raw_json)(value)
    except FilterError as error:
        raise SourceUnusable(f"{where}: merge makes what cannot be written: {error}") from None
