"""Paths of gjson find what gjson 1.18 finds; each expected text is what the library itself says."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.budget import Budget, OverBudget
from keyferry.formats import gjson
from keyferry.formats.gjson.matching import matches

DOCUMENT = """{
  "name": {"first": "Tom", "last": "Anderson"}, "age": 37, "children": ["Sara", "Alex", "Jack"], "fav.movie": "Deer",
  "a\\\\b": "backslash", "q\\"u": "quote", "": "nothing", "é": "\\u00e9\\ud83d\\ude00", "a*": "star", "#": "sharp",
  "1": "one",
  "friends": [
    {"first": "Dale", "last": "Murphy", "age": 44, "nets": ["ig", "fb"], "ok": true},
    {"first": "Roger", "last": "Craig", "age": 68, "nets": ["fb"], "ok": false},
    {"first": "Jane", "last": "Murphy", "age": 47.50, "nets": [], "ok": null}
  ],
  "mixed": ["x", 1, 1.50, true, false, null, {"a": 1}, [2], "T", "0"], "nested": [[1, 2], [3]], "end": 1e3
}
"""


def find(path: str, text: str = DOCUMENT) -> str | None:
    found = gjson.get(text, path)
    return found.text if found else None


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("name.last", "Anderson"),
        ("name", '{"first": "Tom", "last": "Anderson"}'),
        ("age", "37"),
        ("age.x", None),
        ("children", '["Sara", "Alex", "Jack"]'),
        ("children.1", "Alex"),
        ("children.01", "Alex"),
        ("children.3", None),
        ("children.-1", None),
        ("children.18446744073709551617", "Alex"),
        ("children.x", None),
        ("children.", None),
        ("1", "one"),
        ("fav\\.movie", "Deer"),
        ("fav.movie", None),
        ("a\\\\b", "backslash"),
        ('q"u', "quote"),
        ("", "nothing"),
        ("é", "é😀"),
        ("\\#", "sharp"),
        ("#", "sharp"),
        ("end", "1000"),
        ("end\\", "1000"),
    ],
)
def test_keys_and_indexes(path: str, text: str | None) -> None:
    assert find(path) == text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("child*.2", "Jack"),
        ("c?ildren.0", "Sara"),
        ("*.first", "Tom"),
        ("a\\*", "star"),
        ("a*", "37"),
        ("?", "é😀"),
        ("**end", "1000"),
        ("*\\*.first", "Tom"),
        ("f*.1.last", "Craig"),
        ("*x", None),
        ('n*.#(first%"x")#', "[]"),
        ("n*.#(=1)#", "[]"),
    ],
)
def test_patterns_of_keys(path: str, text: str | None) -> None:
    assert find(path) == text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("children.#", "3"),
        ("friends.#.first", '["Dale","Roger","Jane"]'),
        ("friends.#.nets.#", "[2,1,0]"),
        ("friends.#.x", "[]"),
        ("friends.#.nets|0", '["ig", "fb"]'),
        ("friends.#.nets|#", "3"),
        ("friends.#.first|@this.1", "Roger"),
        ("friends.#x", None),
        ("children.#|0", None),
        ("mixed.#.a", "[1]"),
        ("nested.#.0", "[1,3]"),
        ("nested.1|0", "3"),
        ("nested.0.@this.1", "2"),
        ("name.@that", None),
        ("name|last", "Anderson"),
        ("name.first|x", None),
        ("lost|x", None),
        ("fav\\.movie|x", None),
        ("friends.0.#|x", None),
    ],
)
def test_counts_lists_and_pipes(path: str, text: str | None) -> None:
    assert find(path) == text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ('friends.#(last=="Murphy").first', "Dale"),
        ('friends.#(last=="Murphy")#.first', '["Dale","Jane"]'),
        ('friends.#[last="Murphy"]#.first', '["Dale","Jane"]'),
        ('friends.#( last = "Murphy" )#.first|1', "Jane"),
        ('friends.#(last=="Murphy")|first', "Dale"),
        ("friends.#(age>44).first", "Roger"),
        ("friends.#(age>=44)#.first", '["Dale","Roger","Jane"]'),
        ("friends.#(age<47.5).first", "Dale"),
        ("friends.#(age<=47.5)#.age", "[44,47.50]"),
        ("friends.#(age!=44)#.age", "[68,47.50]"),
        ("friends.#(age=x)#.age", "[]"),
        ("friends.#(age>inf)#.age", "[]"),
        ("friends.#(age%4)#.age", "[]"),
        ('friends.#(first%"D*").last', "Murphy"),
        ('friends.#(first!%"D*").last', "Craig"),
        ('friends.#(nets.#(="fb"))#.first', '["Dale","Roger"]'),
        ("friends.#(nets.#>1)#.first", '["Dale"]'),
        ("friends.#(lost)#.first", "[]"),
        ("friends.#(ok)#.first", '["Dale","Roger","Jane"]'),
        ("friends.#(ok=true)#.first", '["Dale"]'),
        ("friends.#(ok!=true)#.first", '["Roger"]'),
        ("friends.#(ok>false)#.first", '["Dale"]'),
        ("friends.#(ok<true)#.first", '["Roger"]'),
        ("friends.#(ok>=x)#.first", '["Dale"]'),
        ("friends.#(ok<=x)#.first", '["Roger"]'),
        ("friends.#(ok=~true)#.first", '["Dale"]'),
        ("friends.#(ok=~false)#.first", '["Roger","Jane"]'),
        ("friends.#(ok=~null)#.first", '["Jane"]'),
        ("friends.#(lost=~null)#.first", '["Dale","Roger","Jane"]'),
        ("friends.#(ok!=~*)#.first", "[]"),
        ("friends.#(ok=~x)#.first", "[]"),
        ("friends.#(!ok)#.first", "[]"),
        ("friends.#(ok!x)#.first", '["Dale","Roger","Jane"]'),
        ("friends.#(first!)#.first", "[]"),
        ("friends.#(age=44).lost", None),
        ("friends.#(age=44)#.lost", "[]"),
        ("friends.#(age=1).first", None),
        ('friends.#(last=="\\u004durphy").first', "Dale"),
        ('friends.#(last=="Murphy").nets.#(="fb")', "fb"),
        ("mixed.#(>1)#", '["x",1.50,"T"]'),
        ('mixed.#(="x")', "x"),
        ("mixed.#(=~true)#", '[1,1.50,true,"T"]'),
        ("mixed.#(=~false)#", '[false,null,{"a": 1},[2],"0"]'),
        ("mixed.#(a=1)", '{"a": 1}'),
        ("mixed.#(0=2)", "[2]"),
        ("mixed.#(a=1)|a", "1"),
        ('friends.#(nets.#(="a\\"b|)"))#.first', "[]"),
        ("friends.#(fi\\rst)#.first", '["Dale","Roger","Jane"]'),
        ("friends.#(age=44)#.nets|0", '["ig", "fb"]'),
        ('friends.#(age=44)#.nets.#(="\\"|)")#|0', "[]"),
        ("friends.#(age=44)#.nets.#[=fb]|0", "fb"),
        ("friends.#(age=44)#.nets.#(=(f)b)|0", None),
        ("friends.#(age=44)#.nets.#(=\\))#|0", "[]"),
        ("friends.#(age=44)#.la\\st|0", "Murphy"),
        ("friends.#(age=44)#.nets.#|x", "[]"),
        ("friends.#(age=44)#.nets.#", "[2]"),
        ("friends.#(age=44)#.nets.", "[]"),
        ("mixed.#()#", '["x",1,1.50,true,false,null,"T","0"]'),
        ("mixed.#(>1)#|0", "x"),
        ("nested.#(0=1)#.1|0", "2"),
    ],
)
def test_queries(path: str, text: str | None) -> None:
    assert find(path) == text


@pytest.mark.parametrize(
    ("text", "kind", "as_text"),
    [
        (' "a" ', "string", "a"),
        (" 1.0 ", "number", "1"),
        ("null", "null", ""),
        ("true", "boolean", "true"),
        (' {"a": 1} ', "json", '{"a": 1} '),
    ],
)
def test_the_whole_document_is_found_by_this(text: str, kind: str, as_text: str) -> None:
    found = gjson.get(text, "@this")
    assert found is not None
    assert (found.kind, found.text) == (kind, as_text)


@pytest.mark.parametrize(
    ("path", "text"),
    [("a", "5"), ("a", '"b"'), ("a", "null"), ("a.b", '{"a": "b"}'), ("0", "{}"), ("a", "[]"), ("#", "[]")],
)
def test_what_has_no_parts_has_nothing_to_find(path: str, text: str) -> None:
    assert find(path, text) == ("0" if path == "#" else None)


def test_the_key_of_this_name_goes_before_a_path() -> None:
    text = '{"a": {"b": 1, "b.c": 2}, "a.b": 3}'
    assert [found.text for name in ("a.b", "a|b", "a.b\\.c") if (found := gjson.select(text, name))] == ["3", "1", "2"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("children|{a,b}", "makes a new object of several paths"),
        ("children|[a,b]", "makes a list of several paths"),
        ("lost|@keys", "has the modifier @keys"),
        ("friends.#.@keys", "has the modifier @keys"),
        ("friends.#(@ugly=1)", "has the modifier @ugly"),
        ("friends.#.!true", "has a fixed value by !"),
        ("@this:1", "has the modifier @this:1"),
        ("friends.#(age=0x1)", "compares with a hexadecimal number"),
        ('friends.#(first="\\u12")', "four digits"),
        ("friends.#(first", "has a query without an end"),
        ("friends.#(age=44)#.nets.#(=f|0", "has a query without an end"),
        ("@this." * 1200 + "a", "is nested too deeply"),
    ],
)
def test_what_gjson_makes_by_itself_is_no_other_result(path: str, said: str) -> None:
    with pytest.raises(gjson.Unsupported, match=said.replace("{", r"\{").replace("(", r"\(")):
        gjson.get(DOCUMENT, path)


def test_a_part_of_what_is_text_is_no_other_result() -> None:
    with pytest.raises(gjson.Unsupported, match="looks for a part of what is text"):
        gjson.get('{"a": "[1, 2]"}', "a|0")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a\\n\\t\\/\\\\", "a\n\t/\\"),
        ("\\u00e9\\ud83d\\ude00", "é😀"),
        ("\\ud83dx", "\ufffdx"),
        ("\\ud83d\\u0041x", "\ufffdx"),
        ("a\\x b", "a"),
        ("\\/\nb", "/"),
    ],
)
def test_what_a_query_compares_with_is_read_as_a_text_of_json(written: str, read: str) -> None:
    assert find(f'#(a="{written}").b', json.dumps([{"a": read, "b": 1}])) == "1"
    assert find(f'#(a="{written}").b', json.dumps([{"a": f"{read}?", "b": 1}])) is None


def test_members_have_the_text_that_go_gives_them() -> None:
    text = ' { "a" : "x\\u00e9" , "b":{ "c" : 1.50 } ,"d":[1 , 2], "e":null,"f":1e3,"g":false } '
    members = {"a": "xé", "b": '{ "c" : 1.50 }', "d": "[1 , 2]", "e": "", "f": "1e3", "g": "false"}
    assert gjson.list_members(text) == members
    assert gjson.list_members("{ }") == {}


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("a.b", ["a", "b"]),
        ("a\\.b.0", ["a.b", 0]),
        ("a*", None),
        ("a|b", None),
        ("a.#", None),
        ("@this", None),
    ],
)
def test_the_steps_of_a_path_that_has_nothing_else(path: str, steps: list[str | int] | None) -> None:
    assert gjson.list_steps(path) == steps


@pytest.mark.parametrize(
    ("text", "pattern", "is_so"),
    [
        ("", "*", True),
        ("abc", "a*c", True),
        ("abc", "a*b", False),
        ("abc", "*b*", True),
        ("abc", "***", True),
        ("abc", "a?c", True),
        ("abc", "????", False),
        ("abc", "abcd", False),
        ("a*c", "a\\*c", True),
        ("abc", "a\\*c", False),
        ("ab*", "*\\*", True),
        ("abx", "*\\*", False),
        ("ab?", "*\\?", True),
        ("ab\\", "*\\\\", True),
        ("ab", "ab\\", False),
        ("a", "*a*b", False),
        ("aXbXc", "a*b*c", True),
        ("aXbXc", "a*c*b*", False),
        ("", "*?*a", False),
        ("é😀", "?*?", True),
    ],
)
def test_patterns(text: str, pattern: str, is_so: bool) -> None:  # as parametrize gives it
    assert matches(text, pattern, Budget()) == is_so


def test_a_pattern_that_is_tried_too_often_does_not_match() -> None:
    assert not matches("", "*?*?*", Budget())


def test_a_search_has_a_budget() -> None:
    with pytest.raises(OverBudget):
        gjson.get(json.dumps(list(range(1000))), "#(>5)#", Budget(100))


NAMES = st.sampled_from(["a", "b", "a.b", "é", "0", "*", "#"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.text(alphabet='ab.é0*#|@?\\()="~!<>%{}[]: this', max_size=12))
def test_any_path_in_any_document_finds_something_that_is_json_or_nothing_or_is_refused(
    document: object, path: str
) -> None:
    try:
        gjson.check(path)
        found = gjson.select(json.dumps(document), path)
    except ValueError:
        return
    if found:
        json.loads(found.raw)
