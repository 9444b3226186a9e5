"""Random JSON documents as text: small alphabets, so that paths meet keys, and the odd ones that parsers differ in."""

import json

from hypothesis import strategies as st

NAMES = ("a", "b", "user", "user.name", "tls.crt", "0", "1", "-", "a-b", "é", "", "a*", "a#", "x|y", 'q"', "b\\s", "@")
_TEXTS = ("", "x", "p@ss", "12", "1.50", "true", "null", "é😀", "a\nb", '"q"', "\\", "<&>", "\u2028", "[1]", '{"a":1}')
_NUMBERS = (
    "0",
    "-0",
    "1",
    "5432",
    "12345678",
    "1.50",
    "1e3",
    "1E+3",
    "-1.5e-7",
    "0.1",
    "1e21",
    "123456789012345678901",
)

texts = st.sampled_from(_TEXTS) | st.text(st.characters(codec="utf-8"), max_size=6)
_escaped = st.sampled_from(('"\\u0041\\/"', '"\\ud83d\\ude00"', '"\\b\\f\\t"', '"\\u00e9"'))
scalars = (
    st.sampled_from(("null", "true", "false")) | st.sampled_from(_NUMBERS) | texts.map(json.dumps) | _escaped
    | texts.map(lambda text: json.dumps(text, ensure_ascii=False)) | st.integers(-100, 10**19).map(str)
)  # fmt: skip
_blank = st.sampled_from(("", "", "", " ", "\n  ", "\t"))
names = st.sampled_from(NAMES)


def _write_list(parts: tuple[list[str], str]) -> str:
    return "[" + f",{parts[1]}".join(parts[0]) + f"{parts[1]}]"


def _write_object(parts: tuple[dict[str, str], str]) -> str:
    return "{" + ",".join(f"{parts[1]}{json.dumps(name)}:{parts[1]}{value}" for name, value in parts[0].items()) + "}"


values = st.recursive(
    scalars,
    lambda inner: (
        st.tuples(st.lists(inner, max_size=4), _blank).map(_write_list)
        | st.tuples(st.dictionaries(names, inner, max_size=5), _blank).map(_write_object)
    ),
    max_leaves=14,
)
objects = st.tuples(st.dictionaries(names, values, max_size=6), _blank).map(_write_object)
documents = objects | values
