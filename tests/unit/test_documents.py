"""A source is seen by its keys or items, written as it is in AWS, and read as JSON also where it is binary."""

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keyferry.errors import SourceUnusable
from keyferry.model import SourceValue
from tests.unit.samples import mapping, rendered, value
from tests.unit.test_exactness import DOCUMENTS, Node

ARRAY = '[ "canary_a",\n"canary_b", {"pwd": 1.50} ]\n'
OBJECT = '{ "user":"app", "port": 5432 , "user-name": 1e3}\r\n'


def made(content: str | bytes, template: str) -> str:
    return rendered(mapping(data={"key": {"template": template}}), {"db": value(content)})["key"].reveal().decode()


@pytest.mark.parametrize(
    ("content", "template", "expected"),
    [
        (ARRAY, "{{ db[1] }}", "canary_b"),
        (ARRAY, "{{ db[-2] }}", "canary_b"),
        (ARRAY, "{{ db[2].pwd }}", "1.50"),
        (ARRAY, "{{ db | first }}", "canary_a"),
        (ARRAY, "{{ db | last | tojson }}", '{"pwd":1.50}'),
        (ARRAY, "{{ db | length }}", "3"),
        (ARRAY, "{% for item in db[:2] %}{{ item }};{% endfor %}", "canary_a;canary_b;"),
        (ARRAY, "{{ (db | fromjson)[1] }}", "canary_b"),
        (ARRAY, "{{ db }}", ARRAY),
        (ARRAY, "{{ db | tojson }}", '["canary_a","canary_b",{"pwd":1.50}]'),
        (ARRAY, "{{ {'db': db} | toyaml }}", "db:\n- canary_a\n- canary_b\n- pwd: 1.50"),
        (OBJECT, "{{ db }}", OBJECT),
        (OBJECT, "{{ db | string }}{{ db ~ '' }}{{ '%s' % db }}{{ '{}'.format(db) }}", OBJECT * 4),
        (OBJECT, "{{ db | replace('\r', '') }}", OBJECT.replace("\r", "")),
        (OBJECT, "{{ (db | fromjson)['user-name'] }}", "1e3"),
        (OBJECT, "{{ [db] }}", '[{"user":"app","port":5432,"user-name":1e3}]'),
        (OBJECT, "{{ db | toyaml }}", "user: app\nport: 5432\nuser-name: 1e3"),
        (OBJECT, "{{ db.text | default('none') }}{{ db._text is undefined }}", "nonetrue"),
        ('\ufeff{"user": "app"}', "{{ db.user }}{{ db }}", 'app\ufeff{"user": "app"}'),
        ("[abc]", "{{ db }}{{ db | length }}", "[abc]5"),
    ],
)
def test_a_document_has_its_parts_and_its_text(content: str, template: str, expected: str) -> None:
    assert made(content, template) == expected


@given(
    st.text()
    | st.sampled_from(["123456", "0012", "1e3", '"abc"', "{}", "[]", "null", "true", "[1, 2]", " { } ", '"{}"'])
    | DOCUMENTS.map(lambda node: node.written)
)
@example("\ufeff[ ]")
def test_any_value_is_written_as_it_is(content: str) -> None:
    if content != content.encode(errors="replace").decode():
        return  # half a character is in no value of AWS
    assert made(content, "{{ db }}") == content
    assert made(content, "{{ db | b64encode }}") == base64.b64encode(content.encode()).decode()
    assert rendered(mapping(data={"key": {"from": "db"}}), {"db": value(content)})["key"].reveal() == content.encode()


@given(DOCUMENTS)
def test_json_is_read_in_binary_as_in_text(whole: Node) -> None:
    path, part = whole.paths()[-1]
    data = {"key": {"from": "db", "path": path, "default": "canary-none"}, "all": {"template": "{{ db | tojson }}"}}
    for content in (whole.written, whole.written.encode(), b"\xef\xbb\xbf" + whole.written.encode()):
        content_made = rendered(mapping(data=data), {"db": value(content)})
        assert content_made["key"].reveal().decode() == ("canary-none" if part.arrives is None else part.arrives)
        assert content_made["all"].reveal().decode() == whole.inside


@pytest.mark.parametrize(
    "template",
    [
        "{{ db.list[0] }}",
        "{{ db.list | first }}",
        "{{ db.list | last }}",
        "{% for item in db.list %}x{% endfor %}",
        "{% for key in db.object %}x{% endfor %}",
        "{% for n in [0] %}{{ db.list[n] }}{% endfor %}",
    ],
)
def test_characters_of_json_within_a_text_are_not_taken_for_its_items(template: str) -> None:
    content = json.dumps({"list": '["canary"]', "object": '{"canary": 1}'})
    with pytest.raises(SourceUnusable) as raised:
        made(content, template)
    said = "takes single characters of a text that looks like JSON; for its items write (… | fromjson)"
    assert str(raised.value).endswith(f"line 1 of the template: {said}")
    assert made(content, template.replace("db.list", "(db.list | fromjson)").replace("object", "list | fromjson"))


def test_characters_of_another_text_can_be_taken() -> None:
    template = "{{ db[0] }}{{ db | first }}{{ db | last }}{% for c in db %}{{ c }}{% endfor %}{{ '[1]'[0:1] }}"
    assert made("abc", template) == "aacabc["


def test_keys_are_taken_of_json_in_binary() -> None:
    wanted = mapping(data={}, dataFrom=[{"from": "db"}])
    assert rendered(wanted, {"db": value(b'{"user": "app"}')})["user"].reveal() == b"app"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"from": "db", "path": "token", "default": "none"}, b"none"),
        ({"from": "db", "path": "token", "optional": True}, None),
        ({"value": "none"}, b"none"),
        ({"template": "{{ db.token or 'none' }}"}, b"none"),
    ],
)
@pytest.mark.parametrize("token", ["null", '"canary%"'])
def test_a_key_that_data_names_is_left_to_it(entry: dict[str, Any], expected: bytes | None, token: str) -> None:
    content = f'{{"user": "YXBw", "token": {token}}}'
    rules = [{"regexp": {"source": "^tok.*$", "target": "TOKEN"}}]
    wanted = mapping(data={"TOKEN": entry}, dataFrom=[{"from": "db", "keys": rules, "decode": "base64"}])
    data = rendered(wanted, {"db": value(content)})
    assert data["user"].reveal() == b"app"
    if token == "null":  # JSON's null
        assert ("TOKEN" in data and data["TOKEN"].reveal()) == (expected or False)


def test_a_find_is_seen_by_name_with_documents_as_members() -> None:
    members = {"a/list": value("[1, 2]"), "a/text": value("x"), "a/binary": value(b'{"k": "v"}')}
    found = SourceValue(value("").content, "version-1", members=members)
    template = "{{ db['a/list'][1] }}{{ db['a/list'] }}{{ db['a/text'] }}{{ db['a/binary'].k }}"
    wanted = mapping(sources={"db": {"find": "secretsManager", "path": "a/"}}, data={"key": {"template": template}})
    assert rendered(wanted, {"db": found})["key"].reveal() == b"2[1, 2]xv"
    wanted = mapping(
        sources={"db": {"find": "secretsManager", "path": "a/"}}, data={"key": {"template": "{{ db['a/txt'] }}"}}
    )
    with pytest.raises(SourceUnusable, match="db has no key a/txt; did you mean a/text"):
        rendered(wanted, {"db": found})
