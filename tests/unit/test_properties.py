"""A property of External Secrets makes the bytes that External Secrets makes, or an error that holds none of them."""

import json
from typing import Any

import pytest

from keyferry.errors import NothingFound, SourceUnusable
from keyferry.model import SourceValue
from tests.unit.samples import mapping, rendered, value


def made(name: str, content: str | bytes, **more: object) -> str:
    """Return what a key with a property holds."""
    data = {"key": {"from": "db", "property": name, **more}}
    found = rendered(mapping(data=data), {"db": value(content)})
    return found["key"].reveal().decode() if found else "left out"


def extracted(name: str, content: str | bytes, **more: object) -> dict[str, str]:
    """Return the keys that a `dataFrom` with a property makes."""
    data_from = [{"from": "db", "property": name, **more}]
    found = rendered(mapping(data={}, dataFrom=data_from), {"db": value(content)})
    return {key: content.reveal().decode() for key, content in found.items()}


def refused(name: str, content: str | bytes, **more: object) -> str:
    with pytest.raises(SourceUnusable) as raised:
        (extracted if more.pop("extracts", False) else made)(name, content, **more)
    assert "canary" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ('"a\\"b\\u00e9"', 'a"bé'),
        ("5432", "5432"),
        ("-0", "-0"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("1.50", "1.5"),
        ("1e3", "1000"),
        ("1E+22", "10000000000000000000000"),
        ("2.5e-7", "0.00000025"),
        ("1e400", "+Inf"),
        ("-1e400", "-Inf"),
        ("true", "true"),
        ("false", "false"),
        ("null", ""),
        ('{ "b" : 1.50 }', '{ "b" : 1.50 }'),
        ("[1, 2]", "[1, 2]"),
    ],
)
def test_a_property_is_written_as_external_secrets_writes_it(written: str, text: str) -> None:
    assert made("a", f'{{"x": 0, "a" : {written} }}') == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("user.name", "the key with the dot"),
        ("user.id", "7"),
        ("user\\.name", "the key with the dot"),
        ("list.1", "two"),
        ("list.#", "2"),
        ("people.#.n", '["ann", "bob"]'.replace(" ", "")),
        ('people.#(n=="bob").age', "31"),
        ("people.#(age>30)#.n", '["bob"]'),
        ("us*.id", "7"),
        ("user|id", "7"),
        ("user.@this.id", "7"),
    ],
)
def test_a_property_is_the_key_of_this_name_or_a_path_of_gjson(name: str, text: str) -> None:
    document = {
        "user.name": "the key with the dot",
        "user": {"name": "another one", "id": 7},
        "list": ["one", "two"],
        "people": [{"n": "ann", "age": 30}, {"n": "bob", "age": 31}],
    }
    assert made(name, json.dumps(document)) == text


def test_json_in_binary_is_read_and_so_is_json_with_a_byte_order_mark() -> None:
    assert made("a", b'\xef\xbb\xbf{"a": "b"}') == "b"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            '{"db_password": "canary-1"}',
            "property db_pasword finds nothing: the value has no key db_pasword; did you mean",
        ),
        ("canary-password", "and a property reads JSON alone: take it whole, without property"),
        ('{"db_pasword": "canary-1", "db_pasword": "canary-2"}', "an object has a key twice"),
        ('"canary-{"', "what is text, with a brace"),
        ('"canary"', "finds nothing"),
        (b"\xff\xfe", "UTF-16"),
    ],
)
def test_a_property_that_is_not_there_is_an_error(content: str | bytes, said: str) -> None:
    assert said in refused("db_pasword", content)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.tls.crt", '{"a": {"tls.crt": "canary"}}', "a has a key tls.crt, which is written with a backslash"),
        ("a.tls.crt", '{"a": {"tls.crt": "canary"}}', "before such signs: a.tls\\.crt"),
        ("a.name", '{"a": [{"name": "canary"}]}', "a is a list of 1 item; take one of them, as a.0.name"),
        ("a.1", '{"a": ["canary"]}', "a is a list of 1 item: the last is [0]"),
        ("a|b", '{"a": "canary"}', "property a|b finds nothing: the value is an object of 1 key"),
    ],
)
def test_what_is_meant_is_written_as_a_property(name: str, content: str, said: str) -> None:
    assert said in refused(name, content)


def test_default_and_optional_are_for_a_property_that_is_not_there_and_not_for_null() -> None:
    assert made("a", "{}", default="x") == "x"
    assert made("a", "{}", optional=True) == "left out"
    assert made("a", '{"a": null}', default="x") == ""


@pytest.mark.parametrize(
    ("written", "decode", "content"),
    [
        ('"aGk="', "base64", b"hi"),
        ("1234", "base64url", b"\xd7m\xf8"),
        ("null", "base64", b""),
        ("12345", "auto", b"12345"),
    ],
)
def test_a_property_is_decoded_whatever_it_is(written: str, decode: str, content: bytes) -> None:
    data = {"key": {"from": "db", "property": "a", "decode": decode}}
    assert rendered(mapping(data=data), {"db": value(f'{{"a": {written}}}')})["key"].reveal() == content


def test_a_text_that_is_in_no_base64_is_refused() -> None:
    assert "not base64" in refused("a", '{"a": "canary!"}', decode="base64")


def test_the_members_of_an_object_keep_what_is_written() -> None:
    content = '{"s": "a\\"b", "n": 1.50, "e": 1e3, "t": true, "z": null, "o": { "x" : 1.50 }, "l": [1, 2] }'
    members = {"s": 'a"b', "n": "1.50", "e": "1e3", "t": "true", "z": "", "o": '{ "x" : 1.50 }', "l": "[1, 2]"}
    assert extracted("@this", content) == members
    assert extracted("inner", f'{{"inner": {content}}}') == members
    assert extracted("text", json.dumps({"text": content})) == members, "JSON as text in JSON"


def test_the_members_are_decoded_and_renamed_as_others_are() -> None:
    found = extracted("a", '{"a": {"x": "aGk=", "y": null}}', decode="base64", keys=[{"addPrefix": "p_"}])
    assert found == {"p_x": "hi", "p_y": ""}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("@this", '"canary{}"', "property @this finds"),
        ("@this", "[1]", "property @this finds a list"),
        ("@this", '\ufeff{"a": "canary"}', "property @this finds a byte order mark before the object"),
        ("a", '{"a": "\ufeff{}"}', "property a finds a byte order mark before the object"),
        ("a", '{"a": [{}]}', "take the keys of one of them, as property: a.0"),
        ("a", '{"a": "canary"}', "property a finds text"),
        ("a", '{"a": null}', "property a finds"),
        ("b", '{"a": "canary"}', "property b finds nothing: the value has no key b"),
        ("a", '{"a": "{\\"canary\\": 1, \\"canary\\": 2}"}', "an object has a key twice"),
    ],
)
def test_what_is_no_object_has_no_members(name: str, content: str, said: str) -> None:
    assert said in refused(name, content, extracts=True)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "a property is no empty text"),
        ("a.@keys", "has the modifier @keys, and @this alone is read here"),
        ("a|@pretty:{}", "has the modifier @pretty"),
        ("{a,b}", "makes a new object of several paths"),
        ("a.[b,c]", "makes a list of several paths"),
        ("a.#(b.@keys=1)", "has the modifier @keys"),
        ("!true", "has a fixed value by !"),
        ("..#", "reads lines of JSON"),
        ("a.#(b=1", "has a query without an end"),
        ("x" * 16_385, "16,384 characters at most"),
    ],
)
def test_what_gjson_makes_by_itself_is_refused_beforehand(name: str, said: str) -> None:
    with pytest.raises(ValueError, match="validation error") as raised:
        mapping(data={"key": {"from": "db", "property": name}})
    assert said in str(raised.value)


# type


def test_a_path_that_has_to_be_text_is_refused_where_it_is_none() -> None:
    data = {"key": {"from": "db", "path": "a", "type": "string"}}
    assert rendered(mapping(data=data), {"db": value('{"a": "b"}')})["key"].reveal() == b"b"
    with pytest.raises(SourceUnusable, match="path a finds a number, and type says string"):
        rendered(mapping(data=data), {"db": value('{"a": 1}')})


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ('{"a": "x"}', "x"),
        ('{"a": 5432}', "5432"),
        ('{"a": 1.50}', "1.5"),
        ('{"a": 1e3}', "1000"),
        ('{"a": 123456789012345678901}', "123456789012345680000"),
        ('{"a": true}', "true"),
        ("{}", "null"),
        ('{"a": {"b": [1, 2], "a": "<x>"}}', '{"a":"\\u003cx\\u003e","b":[1,2]}'),
    ],
)
def test_what_becomes_text_for_that_is_written_as_go_writes_it(document: str, text: str) -> None:
    data = {"key": {"from": "db", "path": "to_string(a)", "type": "string"}}
    assert rendered(mapping(data=data), {"db": value(document)})["key"].reveal().decode() == text


def test_without_a_type_numbers_that_become_text_are_as_the_document_has_them() -> None:
    data = {"key": {"from": "db", "path": "to_string(a)"}}
    assert rendered(mapping(data=data), {"db": value('{"a": 1.50}')})["key"].reveal() == b"1.50"


# variables


def written(variables: dict[str, Any], data: dict[str, Any], **sources: SourceValue) -> dict[str, str]:
    """Return the keys that are made with some variables."""
    named = {alias: {"secretsManager": alias} for alias in sources}
    found = rendered(mapping(sources=named, data=data, variables=variables), sources)
    return {key: content.reveal().decode() for key, content in found.items()}


def test_a_template_sees_variables_as_text_and_they_are_not_written() -> None:
    variables = {
        "data": {"port": {"from": "db", "property": "port"}, "list": {"from": "db", "property": "list"}},
        "dataFrom": [{"from": "db", "property": "@this"}],
    }
    template = "{{ variables.user }}:{{ variables.port }} {{ variables['tls.crt'] }} {{ variables.list | length }}"
    content = '{"user": "me", "port": 1.50, "tls.crt": "c", "list": [1, 2]}'
    assert written(variables, {"key": {"template": template}}, db=value(content)) == {"key": "me:1.5 c 6"}


def test_variables_are_ordered_as_keys_are() -> None:
    variables = {
        "dataFrom": [{"from": "one", "property": "@this"}, {"from": "two", "property": "@this"}],
        "data": {"c": {"from": "one", "property": "a"}},
    }
    template = "{{ variables.a }}{{ variables.b }}{{ variables.c }}"
    sources = {"one": value('{"a": 1, "b": 1, "c": 9}'), "two": value('{"b": 2}')}
    assert written(variables, {"key": {"template": template}}, **sources) == {"key": "121"}


def test_a_binary_variable_is_binary_for_a_template() -> None:
    variables = {"data": {"file": {"from": "db"}}}
    data = {"key": {"template": "{{ variables.file | b64encode }}"}}
    assert written(variables, data, db=value(b"\xff\x00")) == {"key": "/wA="}


def test_a_variable_that_cannot_be_made_is_an_error_though_no_template_names_it() -> None:
    variables = {"data": {"lost": {"from": "db", "property": "lost"}}}
    with pytest.raises(SourceUnusable, match="variable lost: source db: property lost finds nothing") as raised:
        written(variables, {"key": {"value": "x"}}, db=value("{}"))
    assert raised.value.part == "secret.variables.data.lost"


def test_a_variable_that_is_not_there_is_named() -> None:
    variables = {"data": {"user": {"from": "db", "property": "user"}}}
    with pytest.raises(SourceUnusable, match="variables has no key usr; did you mean user"):
        written(variables, {"key": {"template": "{{ variables.usr }}"}}, db=value('{"user": "canary"}'))


def test_labels_see_no_variables() -> None:
    with pytest.raises(SourceUnusable, match="nothing is called variables"):
        rendered(
            mapping(
                variables={"data": {"user": {"from": "db"}}},
                labels={"team": {"template": "{{ variables.user }}"}},
            ),
            {"db": value('{"password": "canary"}')},
        )


def test_a_source_cannot_be_called_as_variables_are() -> None:
    sources = {"variables": {"secretsManager": "db"}}
    mapping(sources=sources, data={"key": {"from": "variables"}})
    with pytest.raises(ValueError, match=r"variables is what templates call secret\.variables"):
        mapping(sources=sources, data={"key": {"from": "variables"}}, variables={"data": {"a": {"value": "x"}}})


# YAML that a template makes


def test_a_template_makes_keys_in_yaml() -> None:
    template = "user: {{ db.user }}\nurl: 'http://{{ db.user }}'\n"
    found = rendered(mapping(data={}, dataFrom=[{"template": template}]), {"db": value('{"user": "me"}')})
    assert {key: content.reveal() for key, content in found.items()} == {"user": b"me", "url": b"http://me"}


def test_what_is_no_yaml_of_texts_makes_no_keys() -> None:
    with pytest.raises(SourceUnusable, match="dataFrom 1: its template makes what is"):
        rendered(mapping(data={}, dataFrom=[{"template": "a: [canary]"}]), {"db": value("x")})


def test_what_a_template_makes_is_decoded_where_that_is_said() -> None:
    data = {"key": {"template": "{{ db | b64encode }}", "decode": "base64"}}
    assert rendered(mapping(data=data), {"db": value("x y")})["key"].reveal() == b"x y"
    found = rendered(mapping(data={}, dataFrom=[{"template": "a: eA==", "decode": "base64"}]), {"db": value("")})
    assert found["a"].reveal() == b"x"


def test_a_member_that_cannot_be_decoded_is_an_error_though_data_names_its_key() -> None:
    spec = mapping(data={"a": {"value": "x"}}, dataFrom=[{"from": "db", "property": "@this", "decode": "base64"}])
    with pytest.raises(SourceUnusable, match="key a is not base64"):
        rendered(spec, {"db": value('{"a": "canary!"}')})


@pytest.mark.parametrize("keys", [[], [{"exclude": "."}]])
def test_an_object_of_which_nothing_is_left_makes_no_secret(keys: list[dict[str, str]]) -> None:
    content = '{"a": "canary"}' if keys else "{}"
    extracted = mapping(data={}, dataFrom=[{"from": "db", "property": "@this", "keys": keys}])
    with pytest.raises(NothingFound, match="its sources have no key at all"):
        rendered(extracted, {"db": value(content)})


def test_variables_of_which_nothing_is_left_make_no_secret() -> None:
    variables = {"dataFrom": [{"from": "db", "property": "@this"}]}
    with pytest.raises(NothingFound, match="variables: its sources have no key at all"):
        rendered(mapping(data={"a": {"value": "x"}}, variables=variables), {"db": value("{}")})
