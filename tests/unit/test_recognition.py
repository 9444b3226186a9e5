"""A text that was taken for JSON is told for what it is, or where and why it is no JSON, and never quoted."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.formats import jsontext
from keyferry.formats.recognition import recognize


@pytest.mark.parametrize(
    ("text", "kind", "filters"),
    [
        ("", "empty", ""),
        (" \n", "empty", ""),
        ("canary", "text", ""),
        ("x" * 70_000, "text", ""),
        ("0123", "text", ""),
        ("//host/share", "text", ""),
        ("5432", "text", ""),
        ('{"a": 1}', "text that holds JSON", "fromjson"),
        ('\ufeff{"a": 1}', "text that holds JSON", "fromjson"),
        ("[1]\n", "text that holds JSON", "fromjson"),
        ('"[1]"', "JSON that holds JSON as text", "fromjson | fromjson"),
        ("eyJhIjogMX0=", "JSON in base64", "b64decode | fromjson"),
        ("eyJh\r\nIjogMX0=\n", "JSON in base64", "b64decode | fromjson"),
        ("[a.b]\r\nc=d\n", "text of sections, as INI or TOML have it", ""),
        ("A=1", "text of lines NAME=value", "fromdotenv"),
        ("A=1\nB=\n", "text of lines NAME=value", "fromdotenv"),
        ("# words\nexport A='x y'\n", "text of lines NAME=value", "fromdotenv"),
        ("YWJj=", "text", ""),
        ("YWJjZA==\n", "text", ""),
        ("a: b", "text that looks like YAML", "fromyaml"),
        ("- a\n- b\n", "text that looks like YAML", "fromyaml"),
        ("a: 1\na: 2\n", "text that looks like YAML", "fromyaml"),
        ("- - -", "text that looks like YAML", "fromyaml"),
        ("-x", "text", ""),
        ("- a: b", "text that looks like YAML", "fromyaml"),
        ("# words\n{a: b}", "text that looks like YAML", "fromyaml"),
        ("a: " + "x" * 20_000, "text", ""),
        ("a: [", "text", ""),
        ("postgres://u:p@h/db", "text", ""),
    ],
)
def test_a_text_is_told_for_what_it_is(text: str, kind: str, filters: str) -> None:
    seen = recognize(text)
    assert (seen.kind, seen.filters, seen.mistake) == (kind, filters, "")


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ('{"a": "canary",}', "line 1, character 15: a comma before the end of an object or a list"),
        ('["canary",\n]', "line 1, character 10: a comma before the end of an object or a list"),
        (
            '{"a":\n"can\nary"}',
            r"line 2, character 5: a line end, a tab or the like within a text; JSON has \n, \t or \u0000",
        ),
        (r'{"a": "canary\d"}', r"line 1, character 14: a backslash that begins no escape; JSON has \\ for it"),
        ('{"a": "canary}', "line 1, character 7: a text that has no end; a double quote is missing"),
        ('{"a": "canary"', "line 1, character 15: it ends too early"),
        ("{", "line 1, character 2: it ends too early"),
        ('{"a": "canary"} // words', "line 1, character 17: a comment, which JSON does not have"),
        ('// words\n{"a": "canary"}', "line 1, character 1: a comment, which JSON does not have"),
        ('/* words */ {"a": "canary"}', "line 1, character 1: a comment, which JSON does not have"),
        ('{"a": 1, # canary\n"b": 2}', "line 1, character 10: a comment, which JSON does not have"),
        ("{'a': 'canary'}", "line 1, character 2: names and texts of JSON are in double quotes"),
        ("{\u201ca\u201d: 1}", "line 1, character 2: names and texts of JSON are in double quotes"),
        ("[True]", "line 1, character 2: JSON has true, false and null in small letters"),
        ("[0123]", "line 1, character 3: a number begins with 0; as text it is in double quotes"),
        ('{"a": 1} {"b": 2}', "line 1, character 10: something follows behind the end"),
        (
            '{"a": "can"ary"}',
            r"line 1, character 12: a comma is missing, or a double quote within a text is not written \"",
        ),
        ("[1 2]", r"line 1, character 4: a comma is missing, or a double quote within a text is not written \""),
        ('{"a" 1}', "line 1, character 6: a colon is missing"),
        ("{canary: 1}", "line 1, character 2: a name in double quotes is missing"),
        ('{"a": canary}', "line 1, character 7: a value is missing; text is in double quotes"),
        ('{"a": NaN}', "it has NaN or Infinity, which JSON does not have; write it in double quotes"),
        ('{"a": "canary", "a": 1}', "a key is there twice"),
        ("[" * 60_000, "it is nested too deeply"),
    ],
)
def test_a_text_that_begins_as_json_says_where_it_is_none_and_why(text: str, mistake: str) -> None:
    seen = recognize(text)
    assert (seen.kind, seen.filters) == ("not JSON, though it begins so", "")
    assert seen.mistake.startswith(mistake)
    assert "canary" not in seen.mistake


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
).map(json.dumps)


@pytest.mark.unwatched
@given(DOCUMENTS, st.data())
def test_whatever_is_cut_or_put_into_json_is_told(document: str, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(document)))
    end = data.draw(st.integers(begin, len(document)))
    part = data.draw(st.text(st.sampled_from("{}[],:'\"\\/#*0aTN\n\t \u201c\ud800"), max_size=3))
    text = document[:begin] + part + document[end:]
    seen = recognize(text)
    assert seen.kind
    try:
        jsontext.parse(text.encode())
    except ValueError:
        assert bool(seen.mistake) == (seen.kind == "not JSON, though it begins so")
    else:
        assert not seen.mistake
