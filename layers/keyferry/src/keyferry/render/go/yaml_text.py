"""YAML as sigs.k8s.io/yaml writes it, which is go-yaml's second version after JSON."""

import math
import re
from collections.abc import Iterator
from datetime import date
from functools import cmp_to_key
from itertools import combinations

import yaml
from yaml.emitter import Emitter

from keyferry.formats import goyaml
from keyferry.formats.go_numbers import take_digits, write_shortest
from keyferry.formats.goyaml import scalars
from keyferry.formats.jsontext import MAX_DEPTH
from keyferry.render.formatting import FilterError
from keyferry.render.go.values import Map, NilList

_SIXTY = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_DATE = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(.*)", re.DOTALL)
_UNSURE = re.compile("[^\n -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]|^<<\\Z")
"""What go-yaml writes otherwise than PyYAML, or may take for a number."""
_LETTER = re.compile(r"(?<![^\s\[{,:-])[yYnN](?![^\s\]},:])")
"""What may be a letter that YAML 1.1 has for true and false."""
_NO_MAPPING = "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal"
_LARGEST = 1 << 64
_MOST_KEYS = 100


def to_yaml(value: object) -> str:
    """Return a value as YAML."""
    if value == "":
        return '""'
    output = _Output()
    emitter = Emitter(output, allow_unicode=True, width=80)
    for event in (
        yaml.StreamStartEvent(),
        yaml.DocumentStartEvent(explicit=False),
        *_list_events(value),
        yaml.DocumentEndEvent(explicit=False),
        yaml.StreamEndEvent(),
    ):
        emitter.emit(event)
    text = "".join(output.parts).removesuffix("...\n")
    return text.removesuffix("\n")


class _Output:
    def __init__(self) -> None:
        self.parts: list[str] = []

    def write(self, text: str) -> None:
        self.parts.append(text)


def _list_events(value: object, depth: int = 0) -> Iterator[yaml.Event]:
    if depth > MAX_DEPTH:
        raise FilterError(f"nested more than {MAX_DEPTH} times")
    if isinstance(value, dict):
        yield yaml.MappingStartEvent(None, None, implicit=True, flow_style=not value)
        for key in _sort_keys(value):
            yield _write_text(key)
            yield from _list_events(value[key], depth + 1)
        yield yaml.MappingEndEvent()
    elif isinstance(value, list) and not isinstance(value, NilList):
        yield yaml.SequenceStartEvent(None, None, implicit=True, flow_style=not value)
        for item in value:
            yield from _list_events(item, depth + 1)
        yield yaml.SequenceEndEvent()
    else:
        yield _write_scalar(value)


def _sort_keys(members: dict[str, object]) -> list[str]:
    """Return keys in the order of go-yaml, which has none for some."""
    keys = sorted(members, key=cmp_to_key(compare_keys))
    if len(keys) > _MOST_KEYS or any(compare_keys(low, high) > 0 for low, high in combinations(keys, 2)):
        raise FilterError("it gets keys that Go has in no certain order, or too many of them")
    return keys


def _write_scalar(value: object) -> yaml.ScalarEvent:
    match value:
        case str():
            return _write_text(value)
        case None | NilList():
            return _build_plain("null")
        case bool():
            return _build_plain("true" if value else "false")
        case int():
            return _build_plain(str(int(value)))
        case float():
            return _build_plain(_write_number(value))
    raise FilterError("YAML has no binary values here")


def _build_plain(text: str) -> yaml.ScalarEvent:
    return yaml.ScalarEvent(None, None, (True, False), text)


def _write_number(number: float) -> str:
    if not math.isfinite(number):
        raise FilterError("it gets a number that is infinite or none")
    digits = take_digits(number)
    if number.is_integer() and abs(number) < _LARGEST:
        return f"{digits:f}" if number else "0"
    return write_shortest(digits)


def _write_text(text: str) -> yaml.ScalarEvent:
    """Return the event of a text, in the style that go-yaml gives it."""
    if _UNSURE.search(text):
        raise FilterError("it gets signs that are written otherwise")
    style = "|" if "\n" in text else None if is_plain(text) else '"'
    return yaml.ScalarEvent(None, None, (True, True), text, style=style)


def is_plain(text: str) -> bool:
    """Return whether YAML takes a text for text, where it stands without quotes."""
    if not isinstance(scalars.resolve(text), str) or _SIXTY.fullmatch(text):
        return False
    day = _DATE.fullmatch(text)
    if day is None:
        return True
    if day[4]:
        raise FilterError("it gets what may be a time")
    try:
        date(int(day[1]), int(day[2]), int(day[3]))
    except ValueError:
        return True
    return False


def compare_keys(left: str, right: str) -> int:
    """Return a number below, at or above zero: the order of go-yaml, in which numbers within texts count as such."""
    for place, (a, b) in enumerate(zip(left, right, strict=False)):
        if a == b:
            continue
        if a.isalpha() and b.isalpha():
            return -1 if a < b else 1
        if a.isalpha() or b.isalpha():
            return -1 if b.isalpha() else 1
        return _compare_numbers(left, right, place)
    return len(left) - len(right)


def _compare_numbers(left: str, right: str, place: int) -> int:
    first = "1" if "0" in (left[place], right[place]) and left[:place].rstrip("0")[-1:].isdigit() else "0"
    runs = [re.match("[0-9]*", text[place:])[0] for text in (left, right)]  # type: ignore[index]
    numbers = [int(first + run) for run in runs]
    if numbers[0] != numbers[1]:
        return numbers[0] - numbers[1]
    return len(runs[0]) - len(runs[1]) or (-1 if left[place] < right[place] else 1)


def from_yaml(text: str) -> Map:
    """Return a mapping of YAML; for another value, one with Go's complaint. What is no YAML is an error here."""
    if _LETTER.search(text):
        raise FilterError("it gets y or n alone, which is true or false for Go; write it in quotes")
    try:
        document, _ = goyaml.parse(text, 1)
    except goyaml.InvalidYaml:
        raise FilterError("it gets what is not YAML, or a key twice") from None
    if not isinstance(document, dict | None):
        return Map({"Error": f"{_NO_MAPPING} {_name_kind(document)} into Go value of type map[string]interface {{}}"})
    made = _to_json({} if document is None else document)
    assert isinstance(made, Map)  # noqa: S101  # as a mapping is one
    return made


def _name_kind(value: object) -> str:
    """Return what Go calls a value of JSON that is no object."""
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case list():
            return "array"
    return "string"


def _to_json(value: object) -> object:
    """Return a value of YAML as Go has it once it was JSON: with fractions for all numbers."""
    if isinstance(value, dict):
        return Map((key, _to_json(item)) for key, item in value.items())
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return value
