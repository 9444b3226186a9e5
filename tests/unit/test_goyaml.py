"""YAML is read as Kubernetes' library of Go reads it. `make oracle` asks that library, which has the same answers."""

import math

import pytest

from keyferry.formats import goyaml
from keyferry.formats.goyaml import InvalidYaml


@pytest.mark.parametrize(
    ("scalar", "text"),
    [
        ("app", "app"),
        ("yes", "true"),
        ("OFF", "false"),
        ("~", ""),
        ("null", ""),
        ("", ""),
        ("'yes'", "yes"),
        ('"0777"', "0777"),
        ("0777", "511"),
        ("0o17", "15"),
        ("0x1F", "31"),
        ("-0b11", "-3"),
        ("089", "89"),
        ("1_000", "1000"),
        ("+1", "1"),
        ("1.50", "1.5"),
        (".5", "0.5"),
        ("._5", "._5"),
        ("100000.0", "100000"),
        ("1e6", "1e+06"),
        ("0.00001", "1e-05"),
        ("1.23456789", "1.2345679"),
        ("18446744073709551615", "18446744073709551615"),
        ("18446744073709551616", "1.8446744e+19"),
        ("1e100", "+Inf"),
        ("-.inf", "-Inf"),
        (".nan", "NaN"),
        ("1e400", "1e400"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("1.2.3", "1.2.3"),
        ("-", None),
        ("|\n  a\n  b\n", "a\nb\n"),
        ("&a x", "x"),
    ],
)
def test_a_scalar_gets_the_text_that_go_gives_it(scalar: str, text: str | None) -> None:
    if text is None:
        with pytest.raises(ValueError, match=r"^not YAML of keys with a text each, in line 1$"):
            goyaml.parse_texts(f"key: {scalar}")
    else:
        assert goyaml.parse_texts(f"key: {scalar}") == {"key": text}


@pytest.mark.parametrize(
    ("key", "text"), [("yes", "true"), ("5", "5"), ("1.50", "1.5"), ("'5'", "5"), ("0x1F", "31"), ("a b", "a b")]
)
def test_a_key_gets_the_text_that_go_gives_it(key: str, text: str) -> None:
    assert goyaml.parse_texts(f"{key}: x") == {text: "x"}
    assert goyaml.parse(f"{key}: x", 1)[0] == {text: "x"}


@pytest.mark.parametrize("text", ["", "---\n", "null", "# nothing\n"])
def test_nothing_has_no_keys(text: str) -> None:
    assert goyaml.parse_texts(text) == {}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: b\n\tc: d", 2),
        ("a: b\na: c", 2),
        ("a: {b: c}", 1),
        ("a: [b]", 1),
        ("a: x\nb: !!binary aGk=", 2),
        ("<<: {a: b}", 1),
        ("? [a]\n: b", 1),
        ("- a", 1),
        ("canary", 1),
        ("~: x", 1),
        (".inf: x", 1),
        ("a: b\nc: \udcff", 2),
        ("a: b\n---\nc: d", 2),
    ],
)
def test_what_has_no_texts_is_refused_without_a_word_of_it(text: str, line: int) -> None:
    with pytest.raises(ValueError, match=rf"^not YAML of keys with a text each, in line {line}$"):
        goyaml.parse_texts(text)


@pytest.mark.parametrize("text", ["a: \x00", "[" * 100_000])
def test_what_is_hardly_yaml_at_all_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not YAML of keys with a text each$"):
        goyaml.parse_texts(text)


def test_a_document_has_the_types_of_json_and_the_line_of_each_part() -> None:
    text = "a: &shared {b: 0777, c: [yes, ~, 1.5]}\nd:\n  <<: [*shared, {c: 1, e: 2}]\n  b: x\n"
    value, lines = goyaml.parse(text, 10)
    assert value == {"a": {"b": 511, "c": [True, None, 1.5]}, "d": {"b": "x", "c": [True, None, 1.5], "e": 2}}
    assert (lines["a", "c", 1], lines["d", "b"]) == (10, 13)
    assert goyaml.parse("", 1)[0] is None
    assert goyaml.parse("a: |\n  b\n  c\n", 1)[1]["a", 1] == 3, "also of each line of a text that stands as it is"
    assert goyaml.parse("<<: {a: 1}", 1)[0] == {"a": 1}


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: b\n\tc: d", 11, "not YAML: "),
        ("a: \x00", 10, "a control character"),
        ("a: b\na: c", 11, "a is given twice"),
        ("a: b\nc: \ud800", 11, "half a character"),
        ("a:\n- !x y", 11, "a tag"),
        ("a:\n  {{ .Values.name }}: x", 11, "a key that is no text"),
        ("a: .inf", 10, "a number that is infinite"),
        ("~: x", 10, "the key ~; write it in quotes"),
        ("<<: 5", 10, "<< takes a mapping"),
        ("[" * 100_000, 10, "nested too deeply"),
        (
            "a: &a [x]\n" + "".join(f"{n}: &{n} [{', '.join([f'*{n - 1 if n else "a"}'] * 10)}]\n" for n in range(7)),
            10,
            "stands for",
        ),
    ],
)
def test_what_is_no_document_is_refused_with_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(InvalidYaml, match=f"^{said}") as refusal:
        goyaml.parse(text, 10)
    assert refusal.value.line == line


def test_numbers_that_are_infinite_or_none_are_text_alone() -> None:
    assert [goyaml.write_text(number) for number in (math.inf, -math.inf, math.nan)] == ["+Inf", "-Inf", "NaN"]
