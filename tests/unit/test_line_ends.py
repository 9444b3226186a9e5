"""What a template or a filter writes is what it was given: line ends of any kind, last lines, every character."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import TemplateSyntaxError

from keyferry.budget import Budget
from keyferry.render import templates
from keyferry.render.lexer import _STAND_INS
from keyferry.render.sandbox import ENVIRONMENT
from tests.unit.samples import mapping, rendered, value

KEY = "-----BEGIN X-----\r\ncanary\r\n\r\n-----END X-----\r\n"
ENDS = ["\n", "\r\n", "\r", "\n\n", "\u2028", "\x85", "\x0b", "\x0c", "\x1c", "\t", " "]
CHARACTERS = st.characters(exclude_categories=["Cs"])
TEXTS = st.lists(
    st.sampled_from([*ENDS, *ENDS, "a", "ü", "\x00", "\ufeff", "#", "'", '"', "\\", "-"]) | CHARACTERS
).map("".join)


def fill(template: str, text: str = "") -> str:
    return templates.fill(template, {"db": text}, "here", Budget())


@given(TEXTS.filter(lambda text: not any(sign in text + "{" for sign in ("{{", "{%", "{#"))))
@example("a\rb")
@example("\r\n[login]\r\n\r\n")
@example(_STAND_INS[:-1] + "\r")
def test_the_text_of_a_template_is_written_as_it_is(text: str) -> None:
    assert fill(text) == text
    assert fill(f"{{% raw %}}{text}{{% endraw %}}{text}{{{{ db }}}}{text}", "\r\n") == f"{text}{text}\r\n{text}"


@given(TEXTS)
@example(KEY)
def test_any_text_comes_through_each_filter_and_back(text: str) -> None:
    for way in (
        "b64encode | b64decode",
        "tojson | fromjson",
        "toyaml | fromyaml",
        "b64encode | tojson | toyaml | fromyaml | fromjson | b64decode",
        "string",
        "replace('', '')",
        "indent(0)",
    ):
        assert fill(f"{{{{ db | {way} }}}}", text) == text, way


@given(st.binary())
def test_any_bytes_come_through_base64_and_back(content: bytes) -> None:
    wanted = mapping(data={"key": {"template": "{{ db | b64encode | b64decode | b64encode }}"}, "all": {"from": "db"}})
    made = rendered(wanted, {"db": value(content)})
    assert made["all"].reveal() == content
    again = mapping(data={"key": {"from": "db", "decode": "base64"}})
    assert rendered(again, {"db": value(made["key"].reveal())})["key"].reveal() == content


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ db | replace('\r', '') }}", KEY.replace("\r", "")),
        ('{{ db | replace("\r\n", "\n") }}', KEY.replace("\r", "")),
        (r"{{ db | replace('\r\n', '\n') }}", KEY.replace("\r", "")),
        ("{{ db | replace('\n', '') }}", KEY.replace("\n", "")),
        ("{{ db\r\n  | replace('\r', '')\r\n}}", KEY.replace("\r", "")),
        ("a\r\n{{- 'b' -}}\r\nc", "abc"),
        ("{# \r\n #}\r\n{% if db %}\r\nx{% endif %}", "\r\n\r\nx"),
        ("{{ db | indent(2) }}", "-----BEGIN X-----\r\n  canary\r\n\r\n  -----END X-----\r\n"),
        ("{{ db | indent('> ', true, true) }}", "> " + KEY.replace("\n", "\n> ")),
        ("{{ 'a\u2028b\x85c' | indent }}", "a\u2028b\x85c"),
        ("{{ db | wordwrap(17) }}", KEY),
        ("{{ 'aaaa bb\r\n\u2028cc\n' | wordwrap(4) }}", "aaaa\nbb\r\n\u2028cc\n"),
        ("{{ 'abcdef' | wordwrap(2, true, '\r\n') }}", "ab\r\ncd\r\nef"),
    ],
)
def test_line_ends_are_those_that_are_written(template: str, expected: str) -> None:
    assert fill(template, KEY) == expected


def test_a_line_is_counted_by_its_line_feed() -> None:
    with pytest.raises(templates.InvalidTemplate, match=r"^line 3 of the template"):
        templates.list_variables("\r\na\rb\n{{ db | zzz }}")


def test_a_template_in_which_nothing_can_stand_for_a_carriage_return_is_refused() -> None:
    assert fill(_STAND_INS) == _STAND_INS
    with pytest.raises(TemplateSyntaxError, match="too many kinds of line ends"):
        ENVIRONMENT.parse(_STAND_INS + "\r")


def test_keys_of_a_document_keep_their_order_and_numbers_their_text() -> None:
    document = '{"z":1.0,"a":1e3,"b":12345678901234567890,"y":-0}'
    assert fill("{{ db | fromjson | tojson }}", document) == document
    many = json.dumps({f"key{number}": number for number in range(20, 0, -1)}, separators=(",", ":"))
    assert fill("{{ db | fromjson | toyaml | fromyaml | tojson }}", many) == many
