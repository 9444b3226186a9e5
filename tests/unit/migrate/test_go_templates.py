"""A Go template becomes Jinja that makes the same text, or is refused: compared with answers recorded from Go."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from keyferry.budget import Budget
from keyferry.cli.migrate.go_templates import (
    Untranslatable,
    find_plain_field,
    list_fields,
    translate,
    translate_key,
)
from keyferry.cli.migrate.go_templates.functions import OWN
from keyferry.cli.migrate.go_templates.refused import REFUSED
from keyferry.errors import SourceUnusable
from keyferry.model import SecretValue
from keyferry.render import templates
from keyferry.render.data.values import encode_text, get_text
from keyferry.render.go.function import FUNCTIONS

RECORDED = [
    yaml.safe_load(Path(__file__).with_name(f"{name}.yaml").read_text())
    for name in ("go_templates", "published_templates")
]
VALUES: dict[str, str] = RECORDED[0]["values"]


def fill(jinja: str, **values: object) -> str:
    """Return what a template of Jinja makes."""
    return templates.fill(jinja, values or {"variables": VALUES}, "here", Budget())


def select(kind: str) -> list[Any]:
    """Return the recorded templates of one kind with their values, as parameters of a test."""
    return [
        pytest.param(case["template"], recorded["values"], case[kind], id=case["template"])
        for recorded in RECORDED
        for case in recorded["templates"]
        if kind in case
    ]


@pytest.mark.parametrize(("template", "values", "text"), select("makes"))
def test_a_template_makes_what_go_makes(template: str, values: dict[str, str], text: str) -> None:
    assert fill(translate(template), variables=values) == text


@pytest.mark.parametrize(("template", "values", "error"), select("fails"))
def test_a_template_that_fails_in_go_makes_nothing(template: str, values: dict[str, str], error: str) -> None:
    with pytest.raises((Untranslatable, SourceUnusable)):
        pytest.fail(f"{fill(translate(template), variables=values)} in place of {error}")


@pytest.mark.parametrize(("template", "values", "reason"), select("refused"))
def test_what_cannot_be_made_exactly_is_refused(template: str, values: dict[str, str], reason: str) -> None:
    with pytest.raises((Untranslatable, SourceUnusable)) as refusal:
        fill(translate(template), variables=values)
    assert str(refusal.value).endswith(reason)


def test_simple_templates_become_what_a_person_would_write() -> None:
    written = translate('{{ .user }}:{{ .user | b64enc }} {{ index . "tls.crt" }}{{ if .tls }}x{{ end }}')
    assert written == (
        "{{ variables.user }}:{{ variables.user | b64encode }} {{ variables['tls.crt'] | default('') }}"
        "{% if variables.tls %}x{% endif %}"
    )


@pytest.mark.parametrize(
    "template",
    [
        *("{{ .user }}", "{{- .user -}}", " {{- $.user}}", "{{/* the user */}}{{ .user }}"),
        *("{{ .user | toString }}", "{{ toString .user }}", "{{ .user | print | toString }}"),
        '{{ printf "%s" .user }}',
    ],
)
def test_one_field_alone_is_found(template: str) -> None:
    assert find_plain_field(template) == "user"


@pytest.mark.parametrize(
    "template", ["{{ .user }} ", "{{ .user.name }}", "{{ . }}", "x", "{{ .user | trim }}", "{{ $x := .user }}"]
)
def test_what_is_more_than_one_field_is_none(template: str) -> None:
    assert find_plain_field(template) is None


@pytest.mark.parametrize(
    "template",
    [
        "{{ if .user }}{{ $x := .user }}{{ $x }}{{ end }}",
        "{{ $m := dict }}{{ range $k, $v := . }}{{ if $v }}{{ $_ := set $m $k $v }}{{ end }}{{ end }}{{ $m.user }}",
        "{{ range $k, $v := . }}{{ if $v }}{{ with $x := $v }}{{ $x }}{{ end }}{{ end }}{{ end }}",
    ],
)
def test_a_variable_of_a_branch_is_no_source(template: str) -> None:
    translated = translate(template)
    assert templates.list_variables(translated).keys() == {"variables"}
    assert fill(translated, variables={"user": "app"}) == "app"


def test_the_fields_of_a_template_are_listed() -> None:
    assert list_fields("{{ .a }}{{ with .b }}{{ $.c }}{{ . }}{{ end }}{{ (fromJson .d).e }}") == {"a", "b", "c", "d"}


def test_the_template_of_a_key_sees_the_key() -> None:
    assert fill(translate_key('{{ .value | upper | replace "-" "_" }}'), key="db-user") == "DB_USER"


@pytest.mark.parametrize(
    "template", ["{{ . }}", "{{ .other }}", "{{ with . }}x{{ end }}", "{{ $x := . }}", "{{ $ | cat .value }}"]
)
def test_the_template_of_a_key_sees_nothing_else(template: str) -> None:
    with pytest.raises(Untranslatable):
        translate_key(template)


def test_bytes_that_are_no_text_pass_a_template_as_they_are() -> None:
    made = fill(translate("{{ .key | b64dec }}-é{{ trunc 2 .name }}"), variables={"key": "/2E=", "name": "Wü"})
    assert encode_text(made, "here").reveal() == b"\xffa-\xc3\xa9W\xc3"
    assert (
        encode_text(fill("{{ variables.key }}", variables={"key": get_text(SecretValue(b"\xff"))}), "").reveal()
        == b"\xff"
    )


def test_half_a_character_of_a_source_is_still_refused() -> None:
    with pytest.raises(SourceUnusable, match="half a character"):
        encode_text(fill("{{ db }}", db="\udcff"), "here")


def test_the_guide_has_all_functions_and_what_becomes_of_them() -> None:
    guide = (Path(__file__).parents[3] / "docs/map/external-secrets.md").read_text()
    taken, _, refused = guide.partition("## Go templates")[2].partition("## ")[0].partition("| refused,")
    names = {kind: set(re.findall("`([a-z]\\w+)`", text)) for kind, text in (("taken", taken), ("refused", refused))}
    musts = {name for name in FUNCTIONS if name.startswith("must")}
    assert names["taken"] >= (FUNCTIONS.keys() | {"not"}) - musts - OWN
    assert names["refused"] >= REFUSED.keys()
    assert not names["taken"] & REFUSED.keys()


@pytest.mark.parametrize(
    "template",
    [
        "{{ .user " + "| trim " * 100 + "}}",
        "{{ " + "(" * 100 + ".user" + ")" * 100 + " }}",
        "{{ if .user }}" * 100 + "{{ end }}" * 100,
        "".join(f'{{{{ define "t{n}" }}}}{f'{{{{ template "t{n + 1}" . }}}}' * 2}{{{{ end }}}}' for n in range(40))
        + '{{ define "t40" }}x{{ end }}{{ template "t0" . }}',
    ],
    ids=["pipe", "parentheses", "branches", "templates"],
)
def test_a_template_that_makes_too_much_is_refused_at_once(template: str) -> None:
    with pytest.raises(Untranslatable, match="too"):
        translate(template)


def test_a_refusal_has_the_line() -> None:
    with pytest.raises(Untranslatable) as refusal:
        translate("a\nb {{ .user }}\n{{ .pass | shout }}")
    assert (refusal.value.line, refusal.value.reason) == (3, "shout is no function that External Secrets has")
