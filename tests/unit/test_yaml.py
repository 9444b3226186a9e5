"""The one dialect of YAML: what is text and what a number, and that every reader reads the same of what is written."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from keyferry.formats import jsontext, yamltext

OTHERS: dict[str, Callable[[str], Any]] = {
    "YAML 1.1 by PyYAML": yaml.safe_load,
    "YAML 1.2 by ruamel.yaml": lambda text: YAML(typ="safe", pure=True).load(text),
}
"""Readers that are not ours."""


@pytest.mark.parametrize(
    ("kind", "spelled"),
    [
        (type(None), ["~", "null", "Null", "NULL", ""]),
        (bool, ["true", "True", "TRUE", "false", "False", "FALSE"]),
        (str, ["yes", "No", "ON", "off", "y", "N", "nULL", "tRUE", "12:30", "1:20.5", "2026-01-01", "1_000", "0b1"]),
        (str, ["=", "-0x1F", "+0o7", "0o8", "0xg", ".", "-.", "1e", "1.2.3", "+.nan", ".iNF", "\u0661", "-", "e5"]),
        (int, ["0", "-7", "12345678901234567890123"]),
        (jsontext.Number, ["+5", "0777", "-007", "0o17", "0x1F", "1.50", ".5", "-.5", "5.", "1e3", "+1.E-3", "-0"]),
        (jsontext.Number, [".inf", "-.Inf", "+.INF", ".nan", ".NaN", ".NAN"]),
    ],
)
def test_what_stands_without_quotes_is_what_the_core_schema_says(kind: type, spelled: list[str]) -> None:
    values = [yamltext.parse(f"[{{a: {each}}}]")[0]["a"] for each in spelled]
    assert [type(value) for value in values] == [kind] * len(spelled)
    if kind in {str, jsontext.Number}:
        assert [jsontext.to_text(value) for value in values] == spelled
    assert [yamltext.parse(f"[{style}{each}{style}]") for each in spelled for style in "'\""] == [
        [each] for each in spelled for _ in range(2)
    ]


@pytest.mark.parametrize(
    ("spelled", "number"),
    [
        *(("+5", "5"), ("0777", "777"), ("-007", "-7"), ("0o17", "15"), ("0x1F", "31"), ("00", "0"), ("0x0", "0")),
        *((".5", "0.5"), ("-.50", "-0.50"), ("5.", "5"), ("+1.E-3", "1E-3"), ("00.10", "0.10"), ("1.50", "1.50")),
    ],
)
def test_a_number_arrives_as_it_was_written_and_in_json_and_yaml_as_both_spell_it(spelled: str, number: str) -> None:
    value = yamltext.parse(spelled)
    assert jsontext.to_text(value) == spelled
    assert jsontext.to_text([value]) == f"[{number}]"
    assert yamltext.text(value) == number
    assert float(value) == float(number)


@pytest.mark.parametrize("spelled", [".inf", "-.Inf", "+.INF", ".nan", ".NAN"])
def test_what_is_no_number_of_json_is_one_of_yaml_alone(spelled: str) -> None:
    value = yamltext.parse(spelled)
    assert jsontext.to_text(value) == yamltext.text(value) == spelled
    with pytest.raises(TypeError):
        jsontext.to_text([value])


def test_a_number_of_any_length_keeps_its_text() -> None:
    assert yamltext.text(yamltext.parse("9" * 5000)) == "9" * 5000
    with pytest.raises(ValueError, match=r"^not YAML in line 1; or not plain"):
        yamltext.parse("0x" + "f" * 5000)


@pytest.mark.parametrize("spelled", ["y", "Y", "n", "N", "yes", "No", "ON", "off"])
def test_what_means_yes_or_no_in_yaml_1_1_is_written_in_quotes(spelled: str) -> None:
    """Its specification has the single letters too, which PyYAML does not read so, but others do."""
    assert yamltext.text({spelled: [spelled]}) == f"'{spelled}':\n- '{spelled}'"


TEXTS = st.text() | st.sampled_from(
    [
        *(
            "",
            "~",
            "null",
            "NULL",
            "yes",
            "no",
            "On",
            "off",
            "y",
            "N",
            "true",
            "False",
            "=",
            "<<",
            "-",
            "?",
            ":",
            "- a",
        ),
        *("12:30", "1:20:30.5", "2026-01-01", "2026-01-01 10:00:00", "0777", "0o17", "0x1F", "0b1", "1_000", "08"),
        *(
            "1e3",
            "1.5e3",
            "+1",
            "-.5",
            ".5",
            "1.",
            "-0",
            ".inf",
            "-.INF",
            ".nan",
            "+.NaN",
            "_",
            "-_1",
            "+_",
            "0_",
            "._",
        ),
        *(
            "a: b",
            "a #b",
            "#a",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "{a",
            "[a",
            "a,",
            "'a",
            '"a',
            "|",
            ">",
            "---",
            "...",
        ),
        *("a...", "a\n", "a\n\n", "\na", " a", "a ", "a\n b", " a\nb", "\t", "a\tb", "\x85", "a\n\x85b", "a\u2028b"),
        *("\ufeffa", "a\r\nb", "\x7f", "\ue000", "\U0001f511", "-----BEGIN\nabc=\n-----END\n", "\\", "\\n", "'\n'"),
    ]
)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.unwatched
@pytest.mark.parametrize("form", [{}, {"flow": True}, {"width": 20}])
@settings(max_examples=200, deadline=None)
@given(DATA)
def test_every_reader_reads_what_was_written(form: dict[str, Any], value: object) -> None:
    written = yamltext.text(value, **form)
    assert json.dumps(json.loads(jsontext.to_text([yamltext.parse(written)]))) == json.dumps([value])
    for name, read in OTHERS.items():
        assert json.dumps(read(written)) == json.dumps(value), name


@pytest.mark.parametrize("spelled", ["1.50", "-0.0", "-0", "12345678901234567890123", "1.5e+3", "1e5"])
def test_a_number_is_written_as_it_is_in_the_source(spelled: str) -> None:
    held = jsontext.parse(f'{{"a": {spelled}, "b": "{spelled}"}}'.encode())
    written = yamltext.text(held)
    assert written == f"a: {spelled}\nb: '{spelled}'"
    assert jsontext.to_text(yamltext.parse(written)) == f'{{"a":{spelled},"b":"{spelled}"}}'
    for name, read in OTHERS.items():
        # In YAML 1.1, 1e5 is text wherever it stands. A number arrives as it was written all the same.
        expected = spelled if "e5" in spelled and "1.1" in name else json.loads(spelled)
        assert read(written) == {"a": expected, "b": spelled}, name


@pytest.mark.parametrize(
    ("text", "position"),
    [("a:\n  b: [x, y]\n", (2, 10)), ("ü: {ü: [\n  '', y]}", (2, 7)), ("# x\r\na:\r\n  b: [x, y]", (3, 10))],
)
def test_each_part_knows_its_line_and_column(text: str, position: tuple[int, int]) -> None:
    positions = yamltext.Positions()
    (node,) = yamltext.compose(text)
    yamltext.construct(node, positions)
    (path,) = (path for path in positions.values if path[-1:] == (1,))
    assert positions.values[path] == position
    assert set(positions.keys) == {path[:1], path[:2]}
