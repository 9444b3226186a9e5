"""JSON keeps the text of its numbers, from the source into the Secret."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.formats import jsontext

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize(
    "written",
    [
        "1.50",
        "0.10",
        "1e400",
        "-1E-7",
        "12345678901234567890",
        "0.12345678901234567890",
        "3",
        "-0",
        "9" * 5000,
        "true",
        "null",
    ],
    ids=lambda text: text[:30],
)
@pytest.mark.parametrize("form", ["{}", "[{}]", '{{"a":{{"b":[{}]}}}}'])
def test_a_number_keeps_its_text_at_any_depth(form: str, written: str) -> None:
    whole = form.format(written)
    assert jsontext.to_text(jsontext.parse(whole.encode())) == whole


def test_a_string_is_written_as_it_is_and_quoted_inside_a_document() -> None:
    assert jsontext.to_text('sa"y ü') == 'sa"y ü'
    assert jsontext.to_text(['sa"y ü', {"ü": None}]) == '["sa\\"y ü",{"ü":null}]'
    assert jsontext.to_text(("a", 1)) == '["a",1]'


@given(JSON)
def test_what_is_read_and_written_is_the_same_document(held: Any) -> None:  # noqa: ANN401
    text = json.dumps(held)
    written = jsontext.to_text(jsontext.parse(text.encode()))
    assert written == held if isinstance(held, str) else json.loads(written) == held


@pytest.mark.parametrize(
    "content", [b"canary-1", b'{"a": canary-2}', b"\xff\xfe", b"[" * 100_000, b"", b"NaN", b"[-Infinity]"]
)
def test_what_is_not_json_is_refused_without_a_word_of_it(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not JSON$") as raised:
        jsontext.parse(content)
    assert raised.value.__suppress_context__


def test_keys_are_text() -> None:
    held = {1: "a", False: "b", None: "c", jsontext.Number("1.50"): "d", "ü": "e"}
    assert jsontext.to_text(held) == '{"1":"a","false":"b","null":"c","1.50":"d","ü":"e"}'


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(TypeError):
        jsontext.to_text(object())
