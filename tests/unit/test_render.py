"""A mapping and the values of its sources make the bytes of the Secret, or an error that holds none of them."""

import json
import re
from typing import Any

import pytest

from keyferry.budget import Budget
from keyferry.errors import SourceUnusable
from keyferry.model import SourceValue
from keyferry.render.render import render
from keyferry.render.templates import list_variables
from tests.unit.samples import PLACE, mapping, rendered, value

CANARY = "canary-S3cr3t"


def made(entry: dict[str, Any], **sources: SourceValue) -> bytes:
    """Return what one key is made of."""
    named = {alias: {"secretsManager": alias} for alias in sources}
    return rendered(mapping(sources=named, data={"key": entry}), sources)["key"].reveal()


def refused(entry: dict[str, str], **sources: SourceValue) -> str:
    with pytest.raises(SourceUnusable) as raised:
        made(entry, **sources)
    seen = None if raised.value.__suppress_context__ else raised.value.__context__
    assert seen is None, "the library's error, which can quote a value, would be printed"
    assert "canary" not in str(raised.value)
    return str(raised.value)


def by_path(path: str, content: str | bytes) -> bytes:
    return made({"from": "db", "path": path}, db=value(content))


def filled(template: str, content: str | bytes, **more: SourceValue) -> str:
    return made({"template": template}, db=value(content), **more).decode()


# Whole values


@pytest.mark.parametrize("content", ["text", "", '{"a": 1.50 }', bytes(range(256)), b"\xff\x00"])
def test_a_whole_value_arrives_byte_for_byte(content: str | bytes) -> None:
    assert made({"from": "db"}, db=value(content)) == (content.encode() if isinstance(content, str) else content)


def test_each_key_is_made_by_its_own_entry() -> None:
    data = {"user": {"from": "db", "path": "u"}, "all": {"from": "db"}, "url": {"template": "{{ db.u }}@{{ tls }}"}}
    sources = {"db": {"secretsManager": "db"}, "tls": {"parameterStore": "/tls"}}
    found = rendered(mapping(sources=sources, data=data), {"db": value('{"u": "me"}'), "tls": value("host")})
    assert {key: content.reveal() for key, content in found.items()} == {
        "user": b"me",
        "all": b'{"u": "me"}',
        "url": b"me@host",
    }


# What is not there, and what is encoded


@pytest.mark.parametrize("content", ['{"a": null}', "{}", '{"a": []}'], ids=["null", "missing", "nothing under it"])
def test_what_a_path_does_not_find_has_a_default_or_is_left_out(content: str) -> None:
    path = "a[0]" if "[" in content else "a"
    assert made({"from": "db", "path": path, "default": "5432"}, db=value(content)) == b"5432"
    data: dict[str, Any] = {"port": {"from": "db", "path": path, "optional": True}, "all": {"from": "db"}}
    assert rendered(mapping(data=data), {"db": value(content)}).keys() == {"all"}
    assert "finds nothing" in refused({"from": "db", "path": path}, db=value(content))


def test_what_a_path_finds_is_taken_though_there_is_a_default() -> None:
    assert made({"from": "db", "path": "a", "default": "x"}, db=value('{"a": ""}')) == b""
    assert made({"from": "db", "path": "a", "optional": True}, db=value('{"a": false}')) == b"false"


def test_what_is_no_secret_stands_in_the_mapping() -> None:
    assert made({"value": "lïve"}, db=value("{}")) == "lïve".encode()


@pytest.mark.parametrize(
    ("how", "encoded", "expected"),
    [
        ("base64", "aGVsbG8=", b"hello"),
        ("base64", "aGVs\nbG8=\r\n", b"hello"),
        ("base64url", "PDw_Pz8-Pg==", b"<<???>>"),
        ("auto", "PDw_Pz8-Pg==", b"<<???>>"),
        ("auto", "PDw/Pz8+Pg==", b"<<???>>"),
        ("auto", "not encoded!", b"not encoded!"),
        ("base64", "", b""),
        ("base64", "/w==", b"\xff"),
    ],
)
def test_what_is_encoded_is_decoded(how: str, encoded: str, expected: bytes) -> None:
    assert made({"from": "db", "decode": how}, db=value(encoded)) == expected
    document = json.dumps({"a": encoded})
    assert made({"from": "db", "path": "a", "decode": how}, db=value(document)) == expected


def test_what_is_no_text_is_not_decoded() -> None:
    document = '{"port": 5432, "flag": true, "text": "aGVsbG8="}'
    assert made({"from": "db", "path": "port", "decode": "auto"}, db=value(document)) == b"5432"
    assert many(document, decode="auto") == {"port": b"5432", "flag": b"true", "text": b"hello"}
    said = refused({"from": "db", "path": "flag", "decode": "base64"}, db=value(document))
    assert said.endswith("source db is true or false, and decode takes text")
    assert not_many('{"port": 5432}', decode="base64url").endswith("key port is a number, and decode takes text")


@pytest.mark.parametrize(
    ("how", "content", "reason"),
    [
        ("base64", "canary!", ""),
        ("base64", "canary-", ""),
        ("base64url", "canary!", ""),
        ("base64", "a-b_", ": it is base64url, with - and _"),
        ("base64url", "a+b/", ": it is base64, with + and /"),
        ("base64", "aGVsbG8", ": the = at its end are missing"),
        ("base64", "aGVsbA\n", ": the = at its end are missing"),
        ("base64url", "PDw_Pz8-Pg", ": the = at its end are missing"),
        ("base64", "aGVs bG8=", ": it has blanks or tabs in it"),
        ("base64", "  aGVs\n  bG8=\n", ": it has blanks or tabs in it"),
    ],
)
def test_what_is_not_encoded_so_is_refused_with_what_it_is(how: str, content: str, reason: str) -> None:
    said = refused({"from": "db", "decode": how}, db=value(content))
    assert said.endswith(f"source db is not {how}, as decode says{reason}")
    if how == "base64":
        assert refused({"template": "{{ db | b64decode }}"}, db=value(content)).endswith(
            f"template: not base64{reason}"
        )


# Many keys at once


def many(content: str | bytes, *, data: dict[str, dict[str, str]] | None = None, **more: Any) -> dict[str, bytes]:  # noqa: ANN401
    """Return what a source's keys become."""
    wanted = mapping(data=data or {}, dataFrom=[{"from": "db", **more}])
    return {key: found.reveal() for key, found in rendered(wanted, {"db": value(content)}).items()}


def not_many(content: str | bytes, **more: Any) -> str:  # noqa: ANN401
    with pytest.raises(SourceUnusable) as raised:
        many(content, **more)
    assert "canary" not in str(raised.value)
    assert str(raised.value).encode()
    return str(raised.value)


def test_every_key_of_an_object_becomes_one() -> None:
    assert many('{"B": "x", "a": 1.50, "nested": {"ü": [true]}, "empty": ""}') == {
        "B": b"x",
        "a": b"1.50",
        "nested": '{"ü":[true]}'.encode(),
        "empty": b"",
    }
    assert many('{"in": {"a": "1"}}', path='"in"') == {"a": b"1"}
    assert many('{"a": "aGVsbG8="}', decode="base64") == {"a": b"hello"}


def test_later_ones_win_and_data_wins_over_all() -> None:
    sources = {alias: {"secretsManager": alias} for alias in ("db", "other")}
    data = {"c": {"value": "data"}, "d": {"from": "db", "path": "gone", "optional": True}}
    wanted = mapping(sources=sources, data=data, dataFrom=[{"from": "db"}, {"from": "other"}])
    found = rendered(wanted, {"db": value('{"a": "1", "b": "1", "c": "1", "d": "1"}'), "other": value('{"b": "2"}')})
    assert {key: each.reveal() for key, each in found.items()} == {"a": b"1", "b": b"2", "c": b"data"}


def test_keys_are_renamed_by_rules_in_order() -> None:
    rules = [{"stripPrefix": "x-"}, {"regexp": {"source": "-(.)", "target": "_$1"}}, {"case": "upper"}]
    assert many('{"x-db-host": "h"}', keys=rules) == {"DB_HOST": b"h"}
    assert many('{"a": "1"}', keys=[{"addPrefix": "db."}, {"template": "{{ key | replace('.', '-') }}"}]) == {
        "db-a": b"1"
    }


@pytest.mark.parametrize(
    ("content", "more", "said"),
    [
        ('["canary"]', {}, "source db is a list of 1 item; take the keys of one of them, as path: '[0]'"),
        ('{"a": "canary"}', {"path": "a"}, "path a finds text, which has no keys to take; take it in data, under"),
        (
            '{"a": "canary"}',
            {"path": "b"},
            "path b finds nothing: the value has no key b; it has 1 key, and none like it",
        ),
        ("canary", {}, "source db is text, which has no keys to take; take it in data, under a key of its own"),
        (b"\xffcanary", {}, "source db is binary, which has no keys to take; take it in data, under a key of its own"),
        (
            '{"a": "canary", "a": "canary-2"}',
            {},
            "source db: an object has a key twice, as its members 1 and 2; take one of them out",
        ),
        ('{"a": null, "b": "canary"}', {}, "key a is null; give it a value, or name a in data too: with default, or"),
        ('{"a/b": "canary"}', {}, "a/b becomes 'a/b', and keys of a Secret have letters, digits"),
        ('{"a": "canary", "A": "canary"}', {"keys": [{"case": "lower"}]}, "a and A both become a"),
        (
            '{"a": "canary"}',
            {"keys": [{"template": "{{ kye }}"}]},
            "key a: line 1 of the template: nothing is called kye; there is: key",
        ),
        ('{"a": "canary!"}', {"decode": "base64"}, "key a is not base64, as decode says"),
        ('{"a": "canary\\ud800"}', {}, "key a: half a character"),
        ('{"a\\ud800": "canary"}', {}, "a\\ud800 becomes 'a\\ud800', and keys"),
        ('{"a\\ud800": null}', {"invalidCharacters": "replace"}, "key a\\ud800 is null"),
        (
            '{"a\\ud800": "canary", "a\\udfff": "canary"}',
            {"invalidCharacters": "replace"},
            "a\\ud800 and a\\udfff",
        ),
        ('{"a\\ud800": 1, "a\\ud800": 2}', {}, "an object has a key twice, as its members 1 and 2"),
    ],
)
def test_keys_that_cannot_be_made_are_named(content: str | bytes, more: dict[str, Any], said: str) -> None:
    assert said in not_many(content, **more)


@pytest.mark.parametrize("entry", [{"from": "db", "path": "a"}, {"template": "{{ db.a }}"}])
def test_a_key_that_is_there_twice_is_refused_since_readers_differ_in_which_they_take(entry: dict[str, str]) -> None:
    assert "an object has a key twice, as its members 1 and 3; take one of them out" in refused(
        entry, db=value('{"a": "canary-1", "b": 1, "a": "canary-2"}')
    )


# Paths


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("text", "plain"),
        ("empty", ""),
        ("unicode", "pä😀ß"),
        ("price", "1.50"),
        ("twenty", "12345678901234567890"),
        ("huge", "1e400"),
        ("yes", "true"),
        ("nested", '{"a":[1.50,null,"ü"]}'),
        ("nested.a[0]", "1.50"),
        ('"dotted.key"', "dotted"),
        ("list[-1]", "2.5"),
        ("join('-', names)", "a-b"),
        ("to_string(price)", "1.50"),
        ("to_string(nested)", '{"a":[1.50,null,"ü"]}'),
        ("join('/', [unicode, to_string(price), to_string(yes), to_string(missing)])", "pä😀ß/1.50/true/null"),
    ],
)
def test_a_path_finds_text_as_it_is_and_everything_else_as_json(path: str, expected: str) -> None:
    document = """{"text": "plain", "empty": "", "unicode": "pä😀ß", "price": 1.50, "twenty": 12345678901234567890,
      "huge": 1e400, "yes": true, "nested": {"a": [1.50, null, "\\u00fc"]}, "dotted.key": "dotted",
      "list": [1.5, 2.5], "names": ["a", "b"]}"""
    assert by_path(path, document).decode() == expected


@pytest.mark.parametrize(
    ("path", "expected"), [("sum(@)", "4.0"), ("max(@)", "2.50"), ("[?@ > `2`] | [0]", "2.50"), ("abs([0])", "1.5")]
)
def test_numbers_can_be_calculated_with(path: str, expected: str) -> None:
    assert by_path(path, "[1.50, 2.50]").decode() == expected


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing", "the value has no key missing; it has 2 keys, and none like it"),
        ("null", "null is null; give it a value, or say default or optional"),
        ("text.deeper", "text is text, which has no key deeper"),
    ],
)
def test_a_path_that_finds_nothing_says_which_path_and_where_it_ends(path: str, reason: str) -> None:
    said = refused({"from": "db", "path": path}, db=value(f'{{"text": "{CANARY}", "null": null}}'))
    assert said == f"mapping payments-db, key key: source db: path {path} finds nothing: {reason}"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("abs(text)", ": abs takes number, and gets string"),
        ("sum(texts)", ": sum takes array of number, and gets string"),
        ("ceil(big)", " (OverflowError)"),
        ("&text", " (TypeError)"),
    ],
)
def test_a_path_that_fails_names_the_failure_and_never_the_value(path: str, kind: str) -> None:
    said = refused(
        {"from": "db", "path": path}, db=value(f'{{"text": "{CANARY}", "texts": ["{CANARY}"], "big": 1e999}}')
    )
    assert said == f"mapping payments-db, key key: source db: path {path} does not fit the value{kind}"


@pytest.mark.parametrize("content", [CANARY, f"<{CANARY}>", f"'{CANARY}'"])
def test_a_path_into_what_is_not_json_is_refused(content: str) -> None:
    assert "a path reads JSON alone: take it whole, without path" in refused(
        {"from": "db", "path": "a"}, db=value(content)
    )


@pytest.mark.parametrize("entry", [{"from": "db", "path": "password"}, {"template": "{{ db.password }}"}])
def test_half_a_character_is_refused_without_what_is_around_it(entry: dict[str, str]) -> None:
    with pytest.raises(SourceUnusable, match="half a character") as raised:
        rendered(mapping(data={"key": entry}), {"db": value('{"password": "canary\\ud800"}')})
    assert "canary" not in str(raised.value)
    assert "mapping payments-db, key key" in str(raised.value)


def test_a_path_into_a_binary_value_that_is_no_text_is_refused() -> None:
    said = refused({"from": "db", "path": "a"}, db=value(b'\xff{"a": "canary"}'))
    assert said.endswith("source db is binary, and a path reads JSON alone: take it whole, without path")


# Templates


def test_a_template_sees_documents_by_key_and_other_values_as_text() -> None:
    db, text, array = value('{"user": "me"}'), value("plain"), value("[1, 2]")
    assert made({"template": "{{ db.user }}/{{ text }}/{{ array }}"}, db=db, text=text, array=array) == (
        b"me/plain/[1, 2]"
    )


def test_a_password_that_looks_like_the_beginning_of_a_document_is_text() -> None:
    assert filled("{{ db }}", "{x5Q)") == "{x5Q)"


def test_a_template_writes_what_a_path_finds() -> None:
    document = '{"price": 1.50, "twenty": 12345678901234567890, "yes": true, "nested": {"a": [1.50, "ü"]}}'
    for key in ("price", "twenty", "yes", "nested"):
        assert filled(f"{{{{ db.{key} }}}}", document).encode() == by_path(key, document)


def test_numbers_keep_their_text_when_they_are_joined() -> None:
    assert filled("{{ db.price ~ '/' ~ (db.price | string) }}", '{"price": 1.50}') == "1.50/1.50"


# What a template does with a value, and what that makes of `flag` true, `price` 1.50, and `deep`.
WRITTEN = [
    ("{{ 'x=' ~ VALUE }}", "x=TEXT"),
    ("{{ VALUE ~ '' ~ (VALUE ~ '!') }}", "TEXTTEXT!"),
    ("{{ VALUE | trim }}", "TEXT"),
    ("{{ VALUE | string }}", "TEXT"),
    ("{{ VALUE | indent | safe }}", "TEXT"),
    ("{{ [VALUE, 'x'] | map('trim') | list | first }}", "TEXT"),
    ("{{ [VALUE, VALUE] | join('/') }}", "TEXT/TEXT"),
    ("{{ [{'a': VALUE}] | join('/', attribute='a') }}", "TEXT"),
    ("{{ ['a', 'b'] | join(VALUE) }}", "aTEXTb"),
    ("{{ '%s' | format(VALUE) }}", "TEXT"),
    ("{{ '%(a)s' | format(a=VALUE) }}", "TEXT"),
    ("{{ '%s' % VALUE }}", "TEXT"),
    ("{{ '%s/%s' % (VALUE, VALUE) }}", "TEXT/TEXT"),
    ("{{ '%(a)s' % {'a': VALUE} }}", "TEXT"),
    ("{{ '{}'.format(VALUE) }}", "TEXT"),
    ("{{ '{a!s:}'.format(a=VALUE) }}", "TEXT"),
    ("{{ '{0[a]}'.format({'a': VALUE}) }}", "TEXT"),
    ("{{ '{a}'.format_map({'a': VALUE}) }}", "TEXT"),
    ("{{ 'a' | replace('a', VALUE) }}", "TEXT"),
    ("{% filter trim %}{{ VALUE }}{% endfilter %}", "TEXT"),
    ("{% macro m(x) %}{{ x }}{% endmacro %}{{ m(VALUE) ~ '' }}", "TEXT"),
]
VALUES = {
    "db.flag": "true",
    "true": "true",
    "(1 == 2)": "false",
    "db.price": "1.50",
    "db.deep": '{"a":[1.50,null,false,"ü"],"b":{}}',
    "db.deep.a": '[1.50,null,false,"ü"]',
    "db.text": "it's",
}


@pytest.mark.parametrize(("value", "text"), VALUES.items())
@pytest.mark.parametrize(("template", "expected"), WRITTEN)
def test_a_value_is_written_the_same_by_whatever_writes_it(template: str, expected: str, value: str, text: str) -> None:
    content = """{"flag": true, "price": 1.50, "text": "it's", "deep": {"a": [1.50, null, false, "ü"], "b": {}}}"""
    assert filled(template.replace("VALUE", value), content) == expected.replace("TEXT", text)


@pytest.mark.parametrize("null", ["db.null", "none", "db.get('nothing')"])
@pytest.mark.parametrize("template", [template for template, _ in WRITTEN])
def test_null_is_an_error_wherever_it_is_written(template: str, null: str) -> None:
    said = refused({"template": template.replace("VALUE", null)}, db=value('{"null": null}'))
    reason = {
        "db.null": "db.null is null; give it a value, or write db.null | default('…', true)",
    }.get(null, "writes a value that is null; give it one, or write | default('…', true) behind it")
    assert said.endswith(f"line 1 of the template: {reason}")


@pytest.mark.parametrize("template", [template for template, _ in WRITTEN])
@pytest.mark.parametrize(
    "callable_", ["db.items", "range", "db.keys()", "db.text.upper", "tls", "(['a'] | map('trim'))"]
)
def test_what_is_no_value_is_written_nowhere(template: str, callable_: str) -> None:
    made = template.replace("VALUE", callable_)
    said = refused({"template": made}, db=value(f'{{"text": "{CANARY}"}}'), tls=value(b"\xffcanary"))
    assert "line 1 of the template" in said


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ db.null is none }}{{ db.flag is none }}", "truefalse"),
        ("{{ db.null | default('x', true) }}", "x"),
        ("{{ db.null or 'x' }}{{ db.nothing | default('y') }}", "xy"),
        ("{% if db.flag and not db.null and db.flag == true and db.flag is true %}yes{% endif %}", "yes"),
        (
            "{{ db.n + 1 }}/{{ db.n * 1.5 }}/{{ db.n % 2 }}/{{ '%03d' % db.n }}/{{ '%.1f' | format(db.n) }}",
            "4/4.5/1/003/3.0",
        ),
        ("{{ '{:04d}|{:>3}'.format(db.n, db.u) }}", "0003|  b"),
        ("{{ db.l | length }}{{ db.l | sort | join }}{{ db.l | max }}", "3abcc"),
        ("{% for k, v in db.o | dictsort %}{{ k }}={{ v }};{% endfor %}", "a=1;b=2;"),
        ("{% for k, v in db.o.items() %}{{ k }}{{ v }}{% endfor %}{% for k in db.o %}{{ k }}{% endfor %}", "b2a1ba"),
        (
            "{{ db.o | tojson }}{{ db.o | toyaml }}{{ {1: db.flag, true: 2} | tojson }}",
            '{"b":2,"a":1}b: 2\na: 1{"1":2}',
        ),
        ("{{ 'b' in db.l }}{{ db.l | replace('\"', '', 1) }}{{ '%s' % db.o }}", 'true[b","a","c"]{"b":2,"a":1}'),
        (
            "{{ '<' | e | upper }}{{ ('<b>' | safe) | e }}{{ 'a b' | wordcount }}{{ 'abc' | center(5) }}",
            "&LT;<b>2 abc ",
        ),
        (
            "<a{{ {'x': db.flag, 'y': db.null, 'z': db.nothing, 'o': db.l} | xmlattr }}>",
            '<a x="true" o="[&#34;b&#34;,&#34;a&#34;,&#34;c&#34;]">',
        ),
        ("{{ 'a' ~ {'x': [none, true]} ~ [1, 'b'] }}", 'a{"x":[null,true]}[1,"b"]'),
    ],
)
def test_what_a_template_can_ask_and_calculate_is_as_in_jinja(template: str, expected: str) -> None:
    content = '{"null": null, "flag": true, "n": 3, "u": "b", "l": ["b", "a", "c"], "o": {"b": 2, "a": 1}}'
    assert filled(template, content) == expected


def test_an_item_is_found_though_objects_have_a_method_of_its_name() -> None:
    methods = ["items", "keys", "values", "get", "copy", "update", "pop"]
    content = json.dumps({"o": {name: f"my {name}" for name in methods}})
    for name in methods:
        assert filled(f"{{{{ db.o.{name} }}}}/{{{{ db['o']['{name}'] }}}}", content) == f"my {name}/my {name}"
    assert filled("{{ db.values() | list | length }}{{ db.get('o') is mapping }}", content) == "1true"


def test_a_url_is_made_of_parts_of_which_none_can_end_another() -> None:
    document = '{"user": "m@e", "password": "a/b?c#d%e:f g+ü", "port": 5432}'
    template = "postgres://{{ db.user | urlencode }}:{{ db.password | urlencode }}@db:{{ db.port | urlencode }}/app"
    assert filled(template, document) == "postgres://m%40e:a%2Fb%3Fc%23d%25e%3Af%20g%2B%C3%BC@db:5432/app"


def test_text_is_not_changed_on_its_way_through_a_template() -> None:
    assert filled("{{ db.a }}\n", '{"a": "<&>\\"\'{{ x }}\\n"}') == "<&>\"'{{ x }}\n\n"


def test_bytes_that_are_text_can_be_used_in_a_template() -> None:
    assert filled("{{ db }}", b'{"a": 1}') == '{"a": 1}'


def test_other_bytes_cannot() -> None:
    said = refused({"template": "{{ db }}"}, db=value(b"\xffcanary"))
    what = "a binary value is written by b64encode, or opened by pkcs12_key and pkcs12_cert"
    assert said == f"mapping payments-db, key key: line 1 of the template: {what}"


def test_other_bytes_can_be_encoded() -> None:
    assert filled("{{ db | b64encode }}", b"\xffcanary") == "/2NhbmFyeQ=="
    assert filled("{{ db | b64decode | b64encode }}", "/2NhbmFyeQ==") == "/2NhbmFyeQ=="


def test_a_source_that_a_template_does_not_name_may_be_binary() -> None:
    assert filled("{{ db }}", "text", tls=value(b"\xff")) == "text"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ db.u | b64encode }}", "bcO8Ij48"),
        ("{{ 'bcO8' | b64decode }}", "mü"),
        ("{{ db.u | tojson }}", '"mü\\"><"'),
        ("{{ db.n | tojson }}", '{"a":[1.50,true,null]}'),
        ("{{ db.n.a[0] | tojson }}", "1.50"),
        ("{{ db.u | quote }}", '"mü\\"><"'),
        ("{{ db.n.a[0] | quote }}", '"1.50"'),
        ('{{ "it\'s" | shellquote }}', "'it'\"'\"'s'"),
    ],
)
def test_values_are_encoded_for_where_they_go(template: str, expected: str) -> None:
    assert filled(template, '{"u": "mü\\"><", "n": {"a": [1.50, true, null]}}') == expected


def test_a_pull_secret_is_made_of_its_parts() -> None:
    template = """{"auths":{"reg.test:5000":{"auth":"{{ (db.user ~ ':' ~ db.pass) | b64encode }}"}}}"""
    assert filled(template, '{"user": "bot", "pass": "b0t/p"}') == '{"auths":{"reg.test:5000":{"auth":"Ym90OmIwdC9w"}}}'


def test_what_is_no_base64_says_so_without_a_value() -> None:
    assert "line 1 of the template: not base64" in refused({"template": "{{ db | b64decode }}"}, db=value("canary!"))


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ db | urlencod }}", "line 1 of the template: No filter named 'urlencod'. Did you mean urlencode?"),
        ("{{ db | zzz }}", "No filter named 'zzz'."),
        ("{{ db | urlencod if cluster else 1 }}", "No filter named 'urlencod'. Did you mean urlencode?"),
        ("{{ db is definde }}", "Did you mean defined?"),
        ("\n{% include 'x' %}", "line 2 of the template: a template stands alone, without other files"),
        ("{% import 'x' as y %}", "a template stands alone"),
        ("{% extends 'x' %}", "a template stands alone"),
        ("{{ [1, 2] | random }}", "No filter named 'random'."),
        ("{{ [1, 2] | pprint }}", "No filter named 'pprint'."),
        ("{{ db", "line 1 of the template: {{ is not closed by }}"),
    ],
)
def test_a_template_that_cannot_work_is_refused_with_what_would(template: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        list_variables(template)


@pytest.mark.parametrize("name", ["lipsum", "cycler", "joiner"])
def test_no_name_brings_chance_or_state_in(name: str) -> None:
    assert list_variables(f"{{{{ {name}() }}}}").keys() == {name}


@pytest.mark.parametrize(
    ("template", "line", "what"),
    [
        ("{{ nothing }}", 1, "nothing is called nothing; there is: cluster, namespace"),
        ("\n{{ db.nothing }}", 2, "db has no key nothing; it has 3 keys, and none like it"),
        ("a\nb\n{{ db.null }}", 3, "db.null is null; give it a value, or write db.null | default('…', true)"),
        ("{{ db.null | urlencode }}", 1, "db.null is null; give it a value, or write db.null | default('…', true)"),
        ("{{ db.nothing | urlencode }}", 1, "db has no key nothing; it has 3 keys, and none like it"),
        ("\n{% for x in db.nothing %}{% endfor %}", 2, "db has no key nothing; it has 3 keys, and none like it"),
        ("\n\n{{ db.text + 1 }}", 3, "fails (TypeError)"),
        ("\n{{ 1 / db.zero }}", 2, "fails (ZeroDivisionError)"),
        ("\n{{ db.text | dictsort }}", 2, "fails (AttributeError)"),
        ("\n{% include 'other' %}", 2, "a template stands alone, without other files"),
        ("{{ db.text | map('upper') }}", 1, "fails (TypeError)"),
        ("{{ db.text.upper }}", 1, "db.text is text, which has no key upper"),
        ("{% for i in range(999999) %}{% endfor %}", 1, "fails (OverflowError)"),
        ("\n{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", 2, "fails (RecursionError)"),
        ("{{ '%d' | format(db.text) }}", 1, "fails (TypeError)"),
        ("{{ db.text | no_such_one }}", 1, "No filter named 'no_such_one'."),
        ("\n{{ [1, 2] | random }}", 2, "No filter named 'random'."),  # the same values give the same bytes
        ("\n{% if %}", 2, "Expected an expression, got 'end of statement block'"),
    ],
)
def test_a_template_that_fails_says_on_which_line_and_no_value(template: str, line: int, what: str) -> None:
    said = refused({"template": template}, db=value(f'{{"text": "{CANARY}", "null": null, "zero": 0}}'))
    assert said == f"mapping payments-db, key key: line {line} of the template: {what}"


@pytest.mark.parametrize(
    "escape",
    [
        "{{ ''.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ db.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.environ }}",
        "{{ self._TemplateReference__context }}",
        "{{ '{0.__class__.__mro__}'.format(db) }}",
        "{{ db | attr('__class__') }}",
        "{{ (db.update({'a': 1})) }}",
        "{{ lipsum.__globals__ }}",
    ],
)
def test_a_template_cannot_reach_out_of_its_sandbox(escape: str) -> None:
    assert "line 1 of the template" in refused({"template": escape}, db=value(f'{{"a": "{CANARY}"}}'))


@pytest.mark.parametrize(
    "template",
    ["{{ 'x' * 10**9 }}", "{{ 10**10**100**100 }}", "{{ [1] * 2**30 }}", "{{ 2**30 * db.a }}", "{{ 2**-10000 }}"],
)
def test_a_few_characters_cannot_take_all_memory(template: str) -> None:
    assert list_variables(template).keys() <= {"db"}, "looking at it calculates nothing"
    assert "computes too much" in refused({"template": template}, db=value('{"a": "canary"}'))


def test_what_is_calculated_within_bounds_is_calculated() -> None:
    assert filled("{{ '-' * 3 }}{{ 2**10 }}{{ 3 * 4 }}{{ db.n * 2 }}{{ 2 * [1] }}", '{"n": 21}') == "---10241242[1,1]"


def test_a_filter_of_other_systems_is_told_what_it_is_called_here() -> None:
    for name, said in (("base64", "b64encode"), ("b64enc", "b64encode"), ("toJson", "tojson")):
        assert f"Did you mean {said}?" in refused({"template": f"{{{{ db | {name} }}}}"}, db=value("x"))


def test_a_template_whose_values_are_beyond_the_budget_is_told_with_mapping_and_key() -> None:
    wanted = mapping(data={"url": {"template": "{{ db.username }}"}})
    with pytest.raises(SourceUnusable, match=r"^mapping payments-db, key url: computes too much"):
        render(wanted, {"db": value('{"username": "canary"}')}, PLACE, Budget(0))


def test_namespace_is_that_of_the_secret_and_called_one_whose_values_change() -> None:
    template = "{% set n = namespace(sum=1) %}{% for i in [2, 3] %}{% set n.sum = n.sum + i %}{% endfor %}{{ n.sum }}"
    assert filled(template + " {{ namespace }}", "x") == f"6 {PLACE.namespace}"
