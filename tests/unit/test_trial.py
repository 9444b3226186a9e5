"""`validate` renders each part of a mapping once with stand-ins, and tells what computes too much already so."""

import json

import pytest

from keyferry.cli.check.trial import list_overspending
from keyferry.mapping.mapping import SecretMapping
from tests.unit.bombs import BOMBS, build_mapping
from tests.unit.samples import mapping

HONEST = [
    {"template": "postgres://{{ db.username }}:{{ db.password | urlencode }}@db.internal/app"},
    {"template": "{% for name in db.names %}{{ name }},{% endfor %}"},
    {"template": "{% for i in range(1000) %}{{ i }} {% endfor %}"},
    {"template": "{{ db.missing.more }}"},
    {"template": "{{ db.password | bcrypt }}"},
    {"from": "db", "path": "users[?name == 'x'].password | [0]"},
    {"from": "db", "path": "length(@)"},
]


@pytest.mark.parametrize("entry", HONEST, ids=json.dumps)
def test_what_is_honest_is_let_through_whatever_the_stand_ins_make_of_it(entry: dict[str, str]) -> None:
    assert list(list_overspending(mapping(data={"key": entry}))) == []


@pytest.mark.parametrize(
    "name",
    ["nested loops", "concat 10^8", "bcrypt", "doubled by map", "keys, doubled keys", "keys, a loop in a label"],
)
def test_what_computes_too_much_whatever_it_is_given_is_told_with_its_place(name: str) -> None:
    [(path, message), *_] = list_overspending(SecretMapping.model_validate(build_mapping(BOMBS[name])))
    assert path[:2] == ("spec", "secret")
    assert "computes too much" in message or "becomes longer than" in message
    assert message.startswith("mapping bomb, ")


def test_a_part_that_makes_no_key_of_optional_sources_is_let_through() -> None:
    sources = {"db": {"secretsManager": "a", "optional": True}}
    label = {"template": "{{ db.name }}", "showsValues": True}
    secret = {"name": "a", "data": {"a": {"from": "db"}}, "labels": {"a": label}}
    assert list(list_overspending(mapping(sources=sources, secret=secret))) == []


@pytest.mark.unwatched
def test_a_part_is_tried_though_one_before_it_fails_on_the_stand_ins() -> None:
    bomb = {"template": "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}"}
    data = {"a": {"template": "{{ db.missing.more }}"}, "b": bomb, "c": bomb}
    paths = [path for path, _ in list_overspending(mapping(data=data))]
    assert paths == [("spec", "secret", "data", "b", "template")]


def test_all_parts_together_have_the_budget_of_one_secret() -> None:
    loop = {"template": "{% for i in range(90000) %}{{ i }}{% endfor %}"}
    assert list(list_overspending(mapping(data={"a": loop}))) == []
    [(path, message)] = list_overspending(mapping(data=dict.fromkeys("abcdefghij", loop)))
    assert path[:3] == ("spec", "secret", "data")
    assert "computes too much" in message
