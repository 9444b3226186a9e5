"""No mapping computes without end: what it may compute for one Secret is counted, and the rest is an error.

All bombs of `tests.unit.bombs` are rendered by tests/bounds, in a process with little memory and CPU time.
"""

import json
from collections.abc import Iterator

import pytest

from keyferry.budget import MAX_CHARACTERS, MAX_STEPS, Budget, OverBudget
from keyferry.errors import KeyferryError, Refused, SourceUnusable
from keyferry.formats.jsontext import MAX_DEPTH
from keyferry.model import SecretValue
from keyferry.render.lexer import MAX_TOKENS
from keyferry.render.sandbox import spend_result
from keyferry.wording import MAX_CHARACTERS as MAX_ERROR
from keyferry.wording import abridge
from tests.unit import bombs
from tests.unit.bombs import REASONS
from tests.unit.samples import mapping, rendered, value
from tests.unit.test_filters import filled, refused


@pytest.mark.parametrize(
    "name",
    [
        "again and again, views of values searched",
        pytest.param("again and again, nothing selected of text", marks=pytest.mark.unwatched),
        "a long attribute, map",
        pytest.param("empty lists", marks=pytest.mark.unwatched),
        "urlize with a long target",
        "urlize with schemes",
        "a number from base 16",
        "all by all",
        "compared by order",
        pytest.param("doubled by flattening", marks=pytest.mark.unwatched),
        pytest.param("doubled objects", marks=pytest.mark.unwatched),
        pytest.param("all visited", marks=pytest.mark.unwatched),
        "join",
        "longer than a Secret",
        "nested statements",
        "percent name",
        "percent of bytes",
        pytest.param("projections of projections", marks=pytest.mark.unwatched),
        pytest.param("slices of a list", marks=pytest.mark.unwatched),
        "striptags the method",
    ],
)
def test_a_bomb_does_not_need_a_process_of_its_own(name: str) -> None:
    assert any(reason in str(bombs.run(name)["said"]) for reason in REASONS)


def test_a_template_of_too_many_words_and_signs_is_refused_before_it_is_parsed() -> None:
    assert refused("{{1}}" * MAX_TOKENS).endswith("the template is too long: split it")


def test_a_document_that_is_nested_too_deeply_to_be_written_is_an_error() -> None:
    nested: object = 1
    for _ in range(MAX_DEPTH + 1):
        nested = [nested]
    sources = {"db": value(json.dumps({"a": nested}))}
    wanted = mapping(data={}, dataFrom=[{"from": "db"}])
    with pytest.raises(SourceUnusable, match=r"key a cannot be written: nested more than 100 times"):
        rendered(wanted, sources)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{% for i in range(90000) %}{% endfor %}ok", "ok"),
        (
            "{% for i in range(200) %}{% for j in range(200) %}{% if i == j %}x{% endif %}{% endfor %}{% endfor %}",
            "x" * 200,
        ),
        ("{{ ('x' * 1000000) | length }}", "1000000"),
        ("{{ 'x' | center(1000) | length }}", "1000"),
        ("{{ 'x'.ljust(1000) | length }}{{ 'x'.zfill(3) }}", "100000x"),
        ("{{ '%5d|%-5s|%%' % (1, 'a') }}", "    1|a    |%"),
        ("{{ '%*d' % (5, 1) }}", "    1"),
        ("{{ '{:>5}'.format('a') }}{{ '{a}'.format_map({'a': 1}) }}", "    a1"),
        ("{{ '%(a)s-%(b)d' | format(a='x', b=2) }}{{ '%s' | format('y') }}", "x-2y"),
        ("{{ 'a-b'.replace('-', '+') }}{{ 'a,b'.split(',') | join('|') }}{{ '+'.join(['a', 'b']) }}", "a+ba|ba+b"),
        ("{{ ' a '.strip() }}{{ 'a.b.c'.rsplit('.', 1)[0] }}{{ '\ta'.expandtabs(2) }}", "aa.b  a"),
        ("{{ 'ab'.translate({97: 'x'}) }}{{ 'ab'.encode().hex() }}{{ 'ab'.encode('utf-8').decode() }}", "xb6162ab"),
        ("{{ [[1], [2]] | sum(start=[]) }}{{ [1, 2] | sum }}{{ [{'a': 3}] | sum('a') }}", "[1,2]33"),
        ("{{ [1, 2, 3] | batch(2, 0) | list }}{{ 'abc' | batch(2) | list }}", '[[1,2],[3,0]][["a","b"],["c"]]'),
        (
            "{{ [3, 1] | sort }}{{ 'ba' | sort | join }}{{ {'b': 1} | dictsort }}{{ [1, 1] | unique | list }}",
            '[1,3]ab[["b",1]][1]',
        ),
        ("{{ 'a b c' | wordwrap(1) }}{{ 'a b' | wordwrap(1, wrapstring='-') }}", "a\nb\nca-b"),
        ("{{ 'a\nb' | indent(2) }}{{ 'a\nb' | indent('--') }}", "a\n  ba\n--b"),
        ("{{ 'a<b>c' | striptags }}{{ 'xax' | trim('x') }}{{ ' a ' | trim }}{{ 'a b' | wordcount }}", "acaa2"),
        ("{{ 1.25 | round(1) }}{{ [1, 2] | max }}{{ db.missing | default('d') }}{{ [1] | first }}", "1.22d1"),
        (
            "{{ 'a'.upper.__name__ is defined }}{{ 'a' is lower }}{{ 1 is eq 1 }}{{ [1, 2] | select('gt', 1) | list }}",
            None,
        ),
        (
            "{{ (1).to_bytes(2).hex() }}{{ [1, 2].index(2) }}{{ 'abc'[1:] }}{{ 'b' in 'abc' }}{{ [1] == [1] }}",
            "00011bctruetrue",
        ),
        ("{% macro m(t) %}<{{ t }}>{% endmacro %}{{ m('a') }}{% call m('b') %}{% endcall %}", None),
        ("{% for a in [1, [2]] recursive %}{{ loop(a) if a is sequence else a }}{% endfor %}", "12"),
        ("{% for i in range(9) if i is odd %}{{ i }}{% endfor %}{% set x %}y{% endset %}{{ x }}", "1357y"),
        (
            "{{ 7 // 2 }}{{ 7 % 4 }}{{ 7 - 1 }}{{ 8 / 2 }}{{ 'a' + 'b' }}{{ -1 * 2 }}{{ 'a' * -1 }}{{ 2 ** 3 }}",
            "3364.0ab-28",
        ),
        ("{{ db | b64decode | b64encode }}{{ {} | items | list }}{{ 'http://a.b' | urlize | length }}", None),
        ("{{ {'a': 1}[db.missing | default('a')] }}", "1"),
        ("{{ 'a http://a.b' | urlize(9, true, target='_blank', extra_schemes=['x:']) }}", None),
    ],
)
def test_what_is_usual_is_far_below_the_bounds(template: str, expected: str | None) -> None:
    made = _fill(template)
    assert expected is None or made == expected


@pytest.mark.unwatched
@pytest.mark.parametrize("part", [{"from": "db", "path": "%s"}, {"template": "{{ db.%s }}"}])
def test_a_document_is_parsed_once_for_all_keys_that_are_taken_from_it(part: dict[str, str]) -> None:
    settings = {f"SETTING_{number:04d}": "x" * 45 for number in range(1000)}  # as large as a secret can be
    data = {key: {name: text.replace("%s", key) for name, text in part.items()} for key in settings}
    assert len(rendered(mapping(data=data), {"db": value(json.dumps(settings))})) == 1000


def _fill(template: str) -> str:
    try:
        return filled(template)
    except KeyferryError as error:
        assert "computes too much" not in str(error)
        return ""


def test_a_budget_that_is_used_up_stays_so() -> None:
    budget = Budget(10)
    with pytest.raises(OverBudget):
        budget.spend(11)
    with pytest.raises(OverBudget):
        budget.spend(1)
    with pytest.raises(OverBudget):
        budget.spend_value("x")


@pytest.mark.parametrize(
    ("name", "most"),
    [
        pytest.param("nested loops", "loops", marks=pytest.mark.unwatched),
        pytest.param("output", "long texts or large lists", marks=pytest.mark.unwatched),
        pytest.param("doubled lists", "long texts or large lists", marks=pytest.mark.unwatched),
        ("squares", "large numbers"),
        pytest.param("bcrypt in a loop", "the filter bcrypt", marks=pytest.mark.unwatched),
        pytest.param("bcrypt by map", "the filter bcrypt", marks=pytest.mark.unwatched),
        ("center", "the filter center"),
        ("long keys, each letter", "the regular expressions of keys"),
        pytest.param("many small templates", "the length of its templates", marks=pytest.mark.unwatched),
    ],
)
def test_the_error_says_what_has_taken_most(name: str, most: str) -> None:
    said = str(bombs.run(name)["said"])
    assert said.endswith(f"computes too much, above all {most}; let it make less, or split it over several mappings")


def test_what_tips_the_balance_is_not_what_has_taken_most() -> None:
    budget = Budget(100)
    budget.spend(80, "loops")
    budget.spend(15)
    with pytest.raises(OverBudget, match="above all loops"):
        budget.spend(10, "the filter bcrypt")


def test_what_is_too_long_uses_up_the_budget() -> None:
    for spend in (Budget.spend_text, Budget.check_length):
        with pytest.raises(OverBudget):
            spend(Budget(), MAX_CHARACTERS + 1)
    with pytest.raises(OverBudget):
        Budget().spend_value("x" * (MAX_CHARACTERS + 1))
    budget = Budget()
    budget.spend_text(MAX_CHARACTERS)
    assert 0 < budget.steps < MAX_STEPS


def test_what_a_list_holds_twice_counts_twice() -> None:
    def price(value: object) -> int:
        budget = Budget()
        budget.spend_value(value)
        return MAX_STEPS - budget.steps

    part = ["x" * 160, {"key": {1, 2}}]
    assert price([part, part]) == 3 + 2 * price(part)
    assert price("ü" * 160) > price("u" * 160)
    assert price([1, None]) == 5


def test_items_are_counted_as_they_are_taken() -> None:
    def numbers() -> Iterator[int]:
        while True:
            yield 1

    with pytest.raises(OverBudget):
        for _ in Budget(100).count(numbers()):
            pass


def test_bytes_have_a_price() -> None:
    for content in (b"x" * 160, SecretValue(b"x" * 160)):
        budget = Budget()
        assert spend_result(budget, content) is content
        assert budget.steps == MAX_STEPS - 11


def test_bytes_can_be_decoded_and_written_in_hexadecimal_alone() -> None:
    assert "bytes have decode and hex here, and not center" in refused("{{ 'a'.encode().center(9) }}")
    assert "encode takes utf-8" in refused("{{ 'a'.encode('idna') }}")


def test_the_filter_format_takes_values_by_position_or_by_name() -> None:
    assert "by position or by name, not both" in refused("{{ '%s' | format(1, a=2) }}")


def test_a_long_error_loses_its_middle() -> None:
    text = "mapping x: " + "k" * 5000 + ": do this"
    assert str(Refused(text)) == abridge(text)
    assert len(str(Refused(text))) <= MAX_ERROR
    assert str(Refused(text)).startswith("mapping x: k") and str(Refused(text)).endswith("k: do this")
    assert str(Refused("short")) == "short"
