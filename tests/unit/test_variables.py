"""What `validate` says of properties and variables, and what becomes of a variable whose label is gone."""

from pathlib import Path
from typing import Any

import pytest

from keyferry.cli.check import files
from keyferry.cli.check.trial import list_overspending
from tests.unit.samples import mapping
from tests.unit.test_files import MAPPING, load, told
from tests.unit.test_labels import labelled

ENTRY = "{from: db, path: password}"
FIND = MAPPING.replace("{secretsManager: prod/payments/db}", "{find: secretsManager, path: prod/}")


def with_variables(written: str, template: str = "{{ variables.user }}") -> str:
    return MAPPING.replace(
        f"    data:\n      password: {ENTRY}",
        f"    variables: {written}\n    data:\n      password: {{template: '{template}'}}",
    )


def test_templates_know_variables_where_there_are_some(tmp_path: Path) -> None:
    assert load(tmp_path, a=with_variables("{data: {user: {from: db, property: user}}}")).mappings
    [problem] = told(tmp_path, a=MAPPING.replace(ENTRY, '{template: "{{ variables.user }}"}'))
    assert "the template names variables, and no source is called so" in problem


def test_the_templates_of_variables_see_none(tmp_path: Path) -> None:
    [problem] = told(tmp_path, a=with_variables("{data: {user: {template: '{{ variables.user }}'}}}"))
    assert problem.startswith("a.yaml:12:")
    assert "the template names variables, and no source is called so" in problem


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{from: db, property: '@keys'}", "has the modifier @keys, and @this alone is read here"),
        ("{from: db, optional: true}", "default and optional go with path or property"),
        ("{from: db, property: a, type: string}", "type goes with path"),
    ],
)
def test_a_property_that_cannot_be_is_told_with_its_line(tmp_path: Path, written: str, said: str) -> None:
    [problem] = told(tmp_path, a=MAPPING.replace(ENTRY, written))
    assert problem.startswith("a.yaml:13:")
    assert said in problem


def test_a_property_makes_default_and_optional_right(tmp_path: Path) -> None:
    assert load(tmp_path, a=MAPPING.replace(ENTRY, "{from: db, property: a, optional: true}")).mappings


def test_what_a_find_finds_has_no_property(tmp_path: Path) -> None:
    [problem] = told(tmp_path, a=FIND.replace(ENTRY, "{from: db, property: a}"))
    assert problem.endswith('take them all by dataFrom, or one by a template, as {{ db["name"] }}')
    data_from = FIND.replace(f"    data:\n      password: {ENTRY}", "    dataFrom: [{from: db, property: a}]")
    [problem] = told(tmp_path, a=data_from)
    assert problem.startswith("a.yaml:12:")
    assert problem.endswith("each with a key: dataFrom takes them without a property")


def test_a_path_of_a_variable_is_looked_at_as_others_are(tmp_path: Path) -> None:
    written = '{data: {user: {from: db, path: "users[?name==\'x\']"}}, dataFrom: [{from: db, path: "[a]"}]}'
    load(tmp_path, a=with_variables(written))
    warned = [problem.message for problem in files.check(tmp_path)[1]]
    assert any("writes a list in JSON" in message for message in warned)
    assert any("makes a list of one value" in message for message in warned)


BOMB = {"template": "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}"}
LOOP = {"template": "{% for i in range(9999) %}{% for j in range(9999) %}{{ variables.a }}{% endfor %}{% endfor %}"}


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        ({"variables": {"data": {"a": BOMB}}}, ("variables", "data", "a", "template")),
        ({"variables": {"dataFrom": [BOMB]}}, ("variables", "dataFrom", 0)),
        ({"variables": {"data": {"a": {"value": "x"}}}, "data": {"k": LOOP}}, ("data", "k", "template")),
        ({"dataFrom": [LOOP], "variables": {"data": {"a": {"value": "x"}}}}, ("dataFrom", 0)),
        ({"data": {"k": {"from": "db", "property": "|".join(["@this"] * 900)}}}, ()),
    ],
)
def test_variables_and_what_they_are_used_for_are_tried_too(parts: dict[str, Any], path: tuple[str, ...]) -> None:
    found = [told for told, _ in list_overspending(mapping(**parts))]
    assert found == ([("spec", "secret", *path)] if path else [])


# A label that is gone


def test_a_variable_does_without_its_label_as_a_key_does() -> None:
    optional = {"from": "before", "property": "password", "optional": True}
    world = labelled(
        variables={"data": {"old": optional, "now": {"from": "db", "property": "password"}}},
        data={"both": {"template": "{{ variables.now }} {{ variables.old | default('none') }}"}},
    )
    assert not world.deliver().errors
