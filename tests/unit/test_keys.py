"""Keys are renamed as External Secrets renames them, and come out valid and distinct, or not at all."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from keyferry.budget import Budget, OverBudget
from keyferry.formats.fields import CHECKED
from keyferry.mapping.keys import InvalidCharacters, KeyRule, Regexp, rename


def rule(**says: Any) -> KeyRule:  # noqa: ANN401
    return KeyRule.model_validate(says)


def never(_template: str, _key: str) -> str:
    raise AssertionError


def renamed(key: str, *rules: KeyRule, invalid: InvalidCharacters = "refuse") -> str:
    [(_, found)] = rename([key], rules, invalid, never, Budget())
    return found


@pytest.mark.parametrize(
    ("source", "target", "key", "expected"),
    [
        ("(.*)", "db_$1", "host", "db_host"),  # once: not a second time for the empty end
        ("^(.+)$", "cache-$1", "host", "cache-host"),
        ("team-a/(.*)", "$1", "team-a/db-pass", "db-pass"),
        ("/", "_", "a/b/c", "a_b_c"),
        ("(?P<first>.)(.)", "${first}-${2}", "ab", "a-b"),
        ("x*", "-", "baxac", "-b-a-a-c-"),
        ("b", "$$", "abc", "a$c"),
        ("(z)?a", "<$1>", "a", "<>"),
        ("none", "x", "abc", "abc"),
    ],
)
def test_a_regular_expression_replaces_as_in_external_secrets(
    source: str, target: str, key: str, expected: str
) -> None:
    assert Regexp(source=source, target=target).replace(key, Budget()) == expected


@pytest.mark.parametrize(
    ("says", "said"),
    [
        ({}, "needs exactly one of regexp, stripPrefix"),
        ({"case": "upper", "addPrefix": "x"}, "needs exactly one of regexp, stripPrefix"),
        ({"case": "title"}, "'lower' or 'upper'"),
        ({"stripPrefix": ""}, "at least 1 character"),
        ({"regexp": {"source": "(", "target": ""}}, "not a regular expression: missing )"),
        (
            {"regexp": {"source": "a(b)", "target": "$1x"}},
            "source has no group 1x, which target names; ${1}x is group 1",
        ),
        ({"regexp": {"source": "a", "target": "${name}"}}, "source has no group name"),
        ({"regexp": {"source": "a(b)", "target": "$2"}}, "source has no group 2"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(says: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as raised:
        rule(**says)
    assert said in str(raised.value)


def test_each_rule_is_one_step() -> None:
    assert renamed("x-Db", rule(stripPrefix="x-"), rule(case="lower"), rule(addPrefix="my.")) == "my.db"
    assert renamed("Db", rule(stripPrefix="x-"), rule(case="upper")) == "DB"


def test_a_rule_can_be_a_template_over_the_key() -> None:
    def fill(template: str, key: str) -> str:
        assert (template, key) == ("{{ key }}-1", "a")
        return "a-1"

    assert list(rename(["a"], [rule(template="{{ key }}-1")], "refuse", fill, Budget())) == [("a", "a-1")]


@pytest.mark.parametrize(
    ("invalid", "expected"), [("replace", "team-a_db_pa.ss_"), ("escape", "team-a_U002f_db_U0020_pa.ss_Uffe6_")]
)
def test_characters_that_no_key_may_have_are_replaced_or_escaped(invalid: InvalidCharacters, expected: str) -> None:
    assert renamed("team-a/db pa.ss￦", invalid=invalid) == expected


def test_letters_of_other_scripts_are_no_such_characters_as_in_external_secrets() -> None:
    with pytest.raises(ValueError, match=r"^é/b becomes 'é_b', and keys of a Secret have letters"):
        renamed("é/b", invalid="replace")


def test_keys_in_which_an_expression_is_found_are_left_out() -> None:
    rules = [rule(regexp={"source": "^x-.*", "target": ""}), rule(exclude="^$|secret")]
    assert list(rename(["a", "x-b", "x-c", "my-secret"], rules, "refuse", never, Budget())) == [("a", "a")]


def test_half_a_character_is_searched_by_no_expression() -> None:
    with pytest.raises(ValueError, match="has half a character"):
        renamed("\ud800", rule(exclude="a"))


@pytest.mark.parametrize("key", ["a/b", "", ".", "..", "..a", "a" * 254, "ü", "a\n"])
def test_a_key_that_cannot_be_is_refused_with_what_to_do(key: str) -> None:
    with pytest.raises(ValueError, match=r"rename it by the rules of keys, or say invalidCharacters: replace$"):
        renamed(key)


def test_two_keys_that_become_one_are_both_named() -> None:
    with pytest.raises(ValueError, match=r"^a/b and a b both become a_b; tell them apart by the rules of keys$"):
        list(rename(["a/b", "a b"], [], "replace", never, Budget()))


RULES = st.lists(
    st.one_of(
        st.sampled_from([rule(case="lower"), rule(case="upper"), rule(stripPrefix="a"), rule(addPrefix="/")]),
        st.builds(
            lambda source, target: rule(regexp={"source": source, "target": target}),
            st.sampled_from(["a", "(.)", "(.*)", "x*", "[^a]", "^(?P<n>.+)$"]),
            st.sampled_from(["", "$$", "-", "ü", "a/b"]),
        ),
    ),
    max_size=4,
)


@given(st.sets(st.text(max_size=8), max_size=6), RULES, st.sampled_from(["refuse", "replace", "escape"]))
def test_any_keys_and_any_rules_give_valid_and_distinct_keys_or_an_error(
    keys: set[str], rules: list[KeyRule], invalid: InvalidCharacters
) -> None:
    try:
        found = dict(rename(sorted(keys), rules, invalid, never, Budget()))
    except ValueError:
        return
    assert found.keys() == keys
    assert len(set(found.values())) == len(keys)
    allowed = set("-._abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    assert all(key and set(key) <= allowed and key != "." and not key.startswith("..") for key in found.values())


def test_what_was_checked_when_it_was_compiled_is_not_checked_again() -> None:
    rule = {"regexp": {"source": "(", "target": "$9"}}
    assert KeyRule.model_validate(rule, context={CHECKED: True}).regexp
    with pytest.raises(ValidationError, match="not a regular expression: missing"):
        KeyRule.model_validate(rule)
    with pytest.raises(ValidationError, match="half a character"):
        KeyRule.model_validate({"regexp": {"source": "\ud800", "target": ""}})


def test_a_key_with_half_a_character_meets_no_regular_expression() -> None:
    rule = KeyRule.model_validate({"regexp": {"source": "a", "target": "b"}})
    with pytest.raises(ValueError, match=r"key a\\ud800 has half a character"):
        rule.apply("a\ud800", never, Budget())
    assert rule.apply("aü", never, Budget()) == "bü"


def test_keys_that_grow_too_long_or_take_too_much_are_refused() -> None:
    twice = rule(regexp={"source": "(.+)", "target": "$1$1"})
    with pytest.raises(ValueError, match="becomes longer than 4,096 characters by the rules of keys"):
        renamed("host", *[twice] * 25)
    with pytest.raises(ValueError, match="becomes longer than 4,096"):
        renamed("host", *[rule(addPrefix="x" * 900)] * 5)
    assert renamed("x" * 4096, rule(regexp={"source": "x+", "target": "x"})) == "x", "what is long from the beginning"
    with pytest.raises(
        ValueError, match=r"^key x+ has 4,097 characters, and the rules of keys take 4,096 at most; give"
    ):
        renamed("x" * 4097, rule(regexp={"source": "x+", "target": "x"}))
    with pytest.raises(OverBudget):
        list(rename(map(str, range(1000)), [twice], "refuse", never, Budget(100)))
