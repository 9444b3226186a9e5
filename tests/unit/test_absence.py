"""What a path, dataFrom or a template does not get is told with what there is instead, and the way to it."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.errors import SourceUnusable
from tests.unit.samples import mapping, rendered, value
from tests.unit.test_exactness import DOCUMENTS, Node

OBJECT = '{"username": "canary-user", "pass-word": "canary-1", "list": ["canary-2"], "none": null, "port": 5432}'
NESTED = json.dumps({"config": OBJECT, "items": '["canary-3"]', "yaml": "a: canary\nb: [c]\n", "plain": "canary-4"})
TWICE_THE_KEY = json.dumps({"config": '{"a": "canary", "a": ""}'})
TWICE = json.dumps(OBJECT)
YAML = "username: canary-app\npassword: canary-p@ss\n"
DOTENV = "# login\nexport USERNAME=canary-app\n\nPASSWORD=canary-p@ss\n"
ENCODED = base64.b64encode(OBJECT.encode()).decode()


PATH, WHOLE = ", and a path reads JSON alone", ": take it whole, without path"
NO_KEYS = ", which has no keys to take; take it in data, under a key of its own"
LINES = "text of lines NAME=value"
BROKEN = "not JSON, though it begins so: "


def way(expression: str) -> str:
    """Return how a message tells the way by a template."""
    return f'; make the key by a template, as template: "{{{{ {expression} }}}}"'


def way_of_keys(expression: str) -> str:
    return f", and dataFrom takes the keys of JSON alone{way(expression)}"


def refused(content: str | bytes, secret: dict[str, Any]) -> str:
    """Return why the Secret cannot be made, without what is before the source."""
    with pytest.raises(SourceUnusable) as raised:
        rendered(mapping(**({"data": {}} | secret)), {"db": value(content)})
    said = str(raised.value)
    assert "canary" not in said
    return said.removeprefix("mapping payments-db, ").partition(": ")[2]


def by_path(content: str | bytes, path: str) -> str:
    return refused(content, {"data": {"key": {"from": "db", "path": path}}}).removeprefix("source db")


def by_template(content: str | bytes, template: str) -> str:
    return refused(content, {"data": {"key": {"template": template}}}).removeprefix("line 1 of the template: ")


def by_data_from(content: str | bytes, **more: str) -> str:
    return refused(content, {"dataFrom": [{"from": "db", **more}]}).removeprefix("source db")


@pytest.mark.parametrize(
    ("content", "path", "said"),
    [
        (OBJECT, "user", "the value has no key user; did you mean username?"),
        (OBJECT, "password", "the value has no key password; did you mean pass-word?"),
        (OBJECT, "list.name", "list is a list of 1 item; take one of them, as 'list[0].name'"),
        (OBJECT, "list[3]", "list is a list of 1 item: the last is [0]"),
        (OBJECT, "port.number", "port is a number, which has no key number"),
        (OBJECT, "username[0]", "username is text, which has no item 0"),
        (OBJECT, "none", "none is null; give it a value, or say default or optional"),
        (OBJECT, "none.x", "none is null, which has no key x"),
        (OBJECT, "[0]", "the value has no item 0; it has 5 keys, and none like it"),
        (OBJECT, "nobody || nothing", "the value is an object of 5 keys"),
        (
            TWICE_THE_KEY,
            "config.a",
            "config is not JSON, though it begins so: a key is there twice",
        ),
        ("[]", "[0]", "the value is an empty list, which has no item 0"),
        ("[]", "a", "the value is an empty list, which has no key a"),
        ('{"a.b": "", "a": {}}', "a.b", "a has no key b; it has none"),
        ('{"a.b": {"c.d": ""}}', "a.b.c.d", 'has a key a.b, which is written in double quotes: \'"a.b"."c.d"\''),
        ('{"a.b": {"c": ""}}', "a.b.c", "the value has a key a.b, which is written in double quotes: '\"a.b\".c'"),
        ('{"x": {"a.b": ""}}', "x.a.b", "x has a key a.b, which is written in double quotes: 'x.\"a.b\"'"),
        ('{"x": {"0": ""}}', "x[0]", "x has a key 0, which is written in double quotes: 'x.\"0\"'"),
        (
            '{"PASSWORD": "", "a": "", "apiKey": ""}',
            "password",
            "the value has no key password; did you mean PASSWORD?",
        ),
        ('{"PASSWORD": "", "a": "", "apiKey": ""}', "API_KEY", "the value has no key API_KEY; did you mean apiKey?"),
        ("{}", "a", "the value has no key a; it has none"),
        ("[1, 2]", "x || y", "the value is a list of 2 items"),
        ("true", "a", "the value is true or false, which has no key a"),
        ("null", "@", "the value is null; give it a value, or say default or optional"),
        ('"canary"', "a", "the value is text, which has no key a"),
        (NESTED, "config.username", f"config is text that holds JSON{way('(db.config | fromjson).username')}"),
        (NESTED, "items[0]", f"items is text that holds JSON{way('(db.items | fromjson)[0]')}"),
        (NESTED, "yaml.a", f"yaml is text that looks like YAML{way('(db.yaml | fromyaml).a')}"),
        (TWICE, "username", f"the value is JSON that holds JSON as text{way('(db | fromjson | fromjson).username')}"),
        (
            json.dumps({f"key{number:02}": "" for number in range(12)}),
            "k",
            "no key k; it has 12 keys, and none like it",
        ),
        ('{"canary": 1}', "k", "no key k; it has 1 key, and none like it"),
        ('{"canary": 1}', "k || l", "the value is an object of 1 key"),
        (json.dumps({"a\nb" + "x" * 90: ""}), "b" + "x" * 90, "did you mean a\\x0ab" + "x" * 57 + "…?"),
    ],
)
def test_a_path_that_finds_nothing_says_what_there_is_where_it_ends(content: str, path: str, said: str) -> None:
    told = by_path(content, path)
    assert told.startswith(f": path {path} finds nothing: ")
    assert told.endswith(said) or f": {said}" in told


@pytest.mark.parametrize(
    ("content", "path", "said"),
    [
        (YAML, "password", f"text that looks like YAML{PATH}{way('(db | fromyaml).password')}"),
        (YAML, "a || b", way("(db | fromyaml).KEY")),
        (ENCODED, '"pass-word"', f"JSON in base64{PATH}{way("(db | b64decode | fromjson)['pass-word']")}"),
        (DOTENV, "PASSWORD", f"{LINES}{PATH}{way('(db | fromdotenv).PASSWORD')}"),
        ("canary", "a", f"text{PATH}{WHOLE}"),
        ("canary: " + "x" * 20_000, "a", f"text{PATH}{WHOLE}"),
        ("", "a", f"empty{PATH}{WHOLE}"),
        ("\r\n", "a", f"empty{PATH}{WHOLE}"),
        (
            '{"a": "canary",}',
            "a",
            f"{BROKEN}line 1, character 15: a comma before the end of an object or a list",
        ),
        ("canary: [", "a", f"text{PATH}{WHOLE}"),
        ("{'a': 'canary'}", "a", f"{BROKEN}line 1, character 2: names and texts of JSON are in double quotes"),
        ("[" * 60_000, "a", f"{BROKEN}it is nested too deeply"),
        (OBJECT.encode("utf-16"), "a", f"UTF-16 (store it as UTF-8){PATH}{WHOLE}"),
        (b"\xff\x00canary", "a", f"binary{PATH}{WHOLE}"),
    ],
)
def test_a_source_that_is_not_json_is_told_for_what_it_is(content: str | bytes, path: str, said: str) -> None:
    told = by_path(content, path)
    assert told.startswith(" is ")
    assert said in told


@pytest.mark.parametrize(
    ("content", "more", "said"),
    [
        (YAML, {}, f" is text that looks like YAML{way_of_keys('(db | fromyaml).KEY')}"),
        (DOTENV, {}, f" is {LINES}{way_of_keys('(db | fromdotenv).KEY')}"),
        ('{"a": "canary"', {}, f" is {BROKEN}line 1, character 15: it ends too early"),
        ("", {}, f" is empty{NO_KEYS}"),
        (TWICE, {}, f" is JSON that holds JSON as text{way_of_keys('(db | fromjson | fromjson).KEY')}"),
        (
            NESTED,
            {"path": "config"},
            f": path config finds text that holds JSON{way_of_keys('(db.config | fromjson).KEY')}",
        ),
        (NESTED, {"path": "confg"}, ": path confg finds nothing: the value has no key confg; did you mean config?"),
        (
            OBJECT,
            {"path": "list"},
            "path list finds a list of 1 item; take the keys of one of them, as path: 'list[0]'",
        ),
        ("[]", {}, f" is an empty list{NO_KEYS}"),
        ("5432", {}, f" is a number{NO_KEYS}"),
        ("null", {}, f" is null{NO_KEYS}"),
        ('"canary"', {}, f" is text{NO_KEYS}"),
        (OBJECT, {"path": "[username]"}, ": path [username] finds a list of 1 item; take the keys of one of them"),
    ],
)
def test_data_from_says_what_it_cannot_take_keys_of(content: str, more: dict[str, str], said: str) -> None:
    assert said in by_data_from(content, **more)


@pytest.mark.parametrize(
    ("content", "template", "said"),
    [
        (OBJECT, "{{ db.usernam }}", "db has no key usernam; did you mean username?"),
        (OBJECT, "{{ db['user'] | b64encode }}", "db has no key user; did you mean username?"),
        (OBJECT, "{{ db.username }}{{ db.pasword }}", "db has no key pasword; did you mean pass-word?"),
        (
            OBJECT,
            "{{ db.nobody | default('x') }}{{ db.nothing }}",
            "db has no key nothing; it has 5 keys, and none like it",
        ),
        (OBJECT, "{{ db.username.first }}", "db.username is text, which has no key first"),
        (OBJECT, "{{ db.username.title }}", "db.username is text, which has no key title"),
        (OBJECT, "{{ db.items }}", "db has no key items; it has 5 keys, and none like it"),
        (OBJECT, "{{ db.list.count }}", "db.list is a list of 1 item; take one of them, as db.list[0].count"),
        (OBJECT, "{{ db.list[2] }}", "db.list is a list of 1 item: the last is [0]"),
        (OBJECT, "{{ db.none }}", "db.none is null; give it a value, or write db.none | default('…', true)"),
        (OBJECT, "{{ db.none.x }}", "db.none is null, which has no key x"),
        (OBJECT, "{{ db.port.x }}", "db.port is a number, which has no key x"),
        (NESTED, "{{ db.config.username }}", "db.config is text that holds JSON; write (db.config | fromjson)."),
        (NESTED, "{{ (db.config | fromjson).usernam }}", "the object has no key usernam"),
        (NESTED, "{% set c = db.config | fromjson %}{{ c.usernam }}", "c has no key usernam"),
        (TWICE, "{{ db.username }}", "db is JSON that holds JSON as text; write (db | fromjson | fromjson).username"),
        (YAML, "{{ db.password }}", "db is text that looks like YAML; write (db | fromyaml).password"),
        (YAML, "{{ (db | fromyaml).pasword }}", "the object has no key pasword"),
        (DOTENV, "{{ db.PASSWORD }}", f"db is {LINES}; write (db | fromdotenv).PASSWORD"),
        (DOTENV, "{{ (db | fromdotenv).PASWORD }}", "the object has no key PASWORD"),
        ('{"a": canary', "{{ db.a }}", f"db is {BROKEN}line 1, character 7: a value is missing; text is in double"),
        ('{"a.b": ""}', "{{ db.a.b }}", "db has a key a.b, which is written db['a.b']"),
        ('{"1": ""}', "{{ db[1] }}", "db has a key 1, which is written db['1']"),
        (ENCODED, "{{ db.username }}", "db is JSON in base64; write (db | b64decode | fromjson).username"),
        ("canary", "{{ db.password }}", "db is text, which has no key password"),
        (b"\xffcanary", "{{ db.password }}", "db is binary, which has no key password"),
        ("[]", "{{ db | first }}", "takes an item of what has none; look whether there are any, by {% if %}"),
        ('[{"name": "canary"}]', "{% for u in db %}{{ u.nmae }}{% endfor %}", "u has no key nmae; did you mean name?"),
        (
            '[{"name": "canary"}]',
            "{{ db | map(attribute='nmae') | join }}",
            "the object has no key nmae; did you mean n",
        ),
        ('[{"name": "canary"}]', "{{ db.name }}", "db is a list of 1 item; take one of them, as db[0].name"),
        ("[null]", "{% for u in db %}{{ u }}{% endfor %}", "writes a value that is null; give it one, or"),
        # what a value gives is not named, nor are keys that can be values
        (OBJECT, "{{ db[db.username] }}", "looks up something that is not there, by a name that a value gives"),
        (OBJECT, "{{ {db.username: 1}.x }}", "the object has no key x"),
        (OBJECT, "{{ dict([(db.username, 1)]).x }}", "the object has no key x"),
        (OBJECT, "{{ db['a' ~ db.username] }}", "looks up something that is not there, by a name that a value gives"),
    ],
)
def test_a_template_says_which_name_is_not_there_and_the_nearest_that_is(
    content: str | bytes, template: str, said: str
) -> None:
    assert by_template(content, template).startswith(said)


@pytest.mark.parametrize(
    ("content", "template"),
    [
        ("canary-1: canary-2", "{{ (db | fromyaml).canar }}"),
        ("canary-1: canary-2", "{% set db = db | fromyaml %}{{ db.canar }}"),
        ("CANARY_1=canary-2", "{{ (db | fromdotenv).CANAR }}"),
        ('{"p": "eyJjYW5hcnktMSI6IDF9"}', "{{ (db.p | b64decode | fromjson).canar }}"),
        ("canary-1: 1\ncanary-1: 2", "{{ (db | fromyaml).a }}"),
        ("CANARY_1=1\nCANARY_1=2", "{{ (db | fromdotenv).a }}"),
        ('{"p": "{\\"canary-1\\": 1, \\"canary-1\\": 2}"}', "{{ (db.p | fromjson).a }}"),
        ('{"canary-1": 1, "canary-1": 2}', "{{ db.a }}"),
        ('{"tokens": {"canary-1": "customer"}}', "{{ db.tokens.x }}"),
        ('{"tokens": {"canary-1": "customer"}}', "{% for t in [db.tokens] %}{{ t.x }}{% endfor %}"),
    ],
)
def test_a_key_that_can_be_a_secret_is_not_named(content: str, template: str) -> None:
    assert "canary" not in refused(content, {"data": {"key": {"template": template}}}).lower()


@pytest.mark.parametrize("path", ["tokens.x", "tokens.x || y", "[0]"])
def test_a_path_that_finds_nothing_names_no_key_that_is_not_like_it(path: str) -> None:
    content = '{"tokens": {"canary-1": "customer"}, "canary-2": 1}'
    assert "canary" not in by_path(content, path) + by_data_from(content, path=path)


def test_the_line_says_which_of_two_is_meant() -> None:
    said = refused(OBJECT, {"data": {"key": {"template": "{{ db.a | default }}\n{{ db.none | default }}\n{{ db.b }}"}}})
    assert said.startswith("line 2 of the template: db.none is null")
    assert by_template('{"a": {}, "b": {}}', "{{ db.b.x | default }}{{ db.a.x }}").startswith("db.a has no key x")


@given(DOCUMENTS, st.data())
def test_any_step_too_far_is_told_with_the_keys_and_without_a_value(whole: Node, data: st.DataObject) -> None:
    path, part = data.draw(st.sampled_from(whole.paths()))
    step = data.draw(st.sampled_from([".missing", "[99]"]))
    with pytest.raises(SourceUnusable) as raised:
        rendered(mapping(data={"key": {"from": "db", "path": path + step}}), {"db": value(whole.written)})
    reason = str(raised.value).partition(" finds nothing: ")[2]
    assert reason
    if part.parts and part.written.startswith("{"):
        assert " has no " in reason
    with pytest.raises(SourceUnusable, match=r"line 1 of the template: ."):
        rendered(mapping(data={"key": {"template": "{{ db.missing_ }}"}}), {"db": value(whole.written)})
