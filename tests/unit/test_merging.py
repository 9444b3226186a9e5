"""Rules of keys merge JSON objects as `rewrite.merge` of External Secrets does."""

import json
from typing import Any

import pytest

from keyferry.errors import SourceUnusable
from keyferry.model import SecretValue, SourceValue
from tests.unit.samples import mapping, rendered, value

FIND = {"all": {"find": "secretsManager", "path": "app/"}}


def merged(rules: list[dict[str, Any]], **members: str | bytes) -> dict[str, str]:
    """Return the keys that rules make of what a source finds."""
    found = SourceValue(SecretValue(b""), "1", members={f"app/{key}": value(text) for key, text in members.items()})
    spec = mapping(sources=FIND, data={}, dataFrom=[{"from": "all", "keys": [{"stripPrefix": "app/"}, *rules]}])
    return {key: content.reveal().decode() for key, content in rendered(spec, {"all": found}).items()}


def refused(rules: list[dict[str, Any]], **members: str | bytes) -> str:
    with pytest.raises(SourceUnusable) as raised:
        merged(rules, **members)
    assert "canary" not in str(raised.value)
    return str(raised.value)


def test_the_keys_of_all_objects_take_the_place_of_theirs() -> None:
    assert merged([{"merge": {}}], one='{"a": "1"}', two='{"b": "2"}') == {"a": "1", "b": "2"}


def test_null_is_an_object_without_keys() -> None:
    assert merged([{"merge": {}}], one='{"a": "1"}', two=" null ") == {"a": "1"}


def test_rules_before_and_after_a_merge_rename_what_there_is_then() -> None:
    rules: list[dict[str, Any]] = [{"exclude": "^x"}, {"merge": {}}, {"addPrefix": "p_"}, {"case": "upper"}]
    assert merged(rules, one='{"a": "1"}', x="canary") == {"P_A": "1"}


def test_a_key_can_hold_all_of_it_beside_the_others() -> None:
    found = merged([{"merge": {"into": "all"}}], one='{"b": "<", "n": 1.50}', two='{"a": null}')
    assert found == {"one": '{"b": "<", "n": 1.50}', "two": '{"a": null}', "all": '{"a":null,"b":"<","n":1.5}'}


def test_values_are_written_as_go_writes_what_it_has_read() -> None:
    numbers, words = '{"n": 1.50, "e": 1e21, "big": 12345678901234567890}', '{"t": true, "f": false, "z": null}'
    assert merged([{"merge": {}}], one=numbers, two=words, three='{"o": {"b": "<", "a": [1e21, 1.0]}}') == {
        "n": "1.5",
        "e": "1000000000000000000000",
        "big": "12345678901234567000",
        "t": "true",
        "f": "false",
        "z": "",
        "o": '{"a":[1e+21,1],"b":"\\u003c"}',
    }


def test_of_equal_keys_the_later_one_wins_where_that_is_said() -> None:
    both = {"one": '{"a": "1"}', "two": '{"a": "2"}'}
    assert "a is in two and in one before it; say conflicts: overwrite" in refused([{"merge": {}}], **both)
    assert merged([{"merge": {"conflicts": "overwrite"}}], **both) == {"a": "2"}
    assert merged([{"merge": {"conflicts": "overwrite", "priority": ["one"]}}], **both) == {"a": "1"}


def test_a_key_of_the_priority_that_is_missing_is_an_error_or_none() -> None:
    assert "merge has no key lost" in refused([{"merge": {"priority": ["lost"]}}], one="{}")
    assert merged([{"merge": {"priority": ["lost"], "missing": "ignore"}}], one='{"a": "1"}') == {"a": "1"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("canary", "is no JSON object, and merge takes their keys"),
        ("[1]", "is no JSON object, and merge takes their keys"),
        (b"\xff", "is no JSON object, and merge takes their keys"),
        ('{"a": 1e999}', "has a number that is too large for merge"),
        (
            json.dumps({"a": 1}).replace("1", "[" * 150 + "]" * 150),
            "merge makes what cannot be written: nested more than",
        ),
    ],
)
def test_what_cannot_be_merged_is_an_error(content: str | bytes, said: str) -> None:
    assert said in refused([{"merge": {}}], one=content)


def test_parts_of_a_document_are_merged_too() -> None:
    spec = mapping(data={}, dataFrom=[{"from": "db", "keys": [{"merge": {}}]}])
    found = rendered(spec, {"db": value('{"one": {"a": 1.50}, "two": "{\\"b\\": 2}"}')})
    assert {key: content.reveal() for key, content in found.items()} == {"a": b"1.5", "b": b"2"}
