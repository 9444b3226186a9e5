"""What is Go in a template, and names that Jinja would have in quotes, are told with the Jinja that is meant."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.cli.check import files
from keyferry.cli.check.problems import InvalidFiles
from keyferry.render import foreign_templates
from keyferry.render.sandbox import ENVIRONMENT
from keyferry.render.templates import InvalidTemplate, list_variables
from tests.unit.test_files import CLUSTERS, MAPPING

GUIDE = "(db is a source; see https://keyferry.dev/map/external-secrets/)"
SIGNS = "a key with other signs than letters, digits and _ is written"


def told(folder: Path, template: str) -> list[str]:
    """Return what `validate` says of a template."""
    (folder / "clusters.yaml").write_text(CLUSTERS)
    (folder / "x.j2").write_text(template)
    (folder / "a.yaml").write_text(MAPPING.replace("{from: db, path: password}", "{templateFile: x.j2}"))
    with pytest.raises(InvalidFiles) as raised:
        files.load(folder)
    return [str(problem).removeprefix(f"{folder}/") for problem in raised.value.problems]


GO = [
    ("{{ .password }}", "{{ db.password }}"),
    ("{{- .password -}}", "{{ db.password }}"),
    ("{{ $.Values.db.password | quote }}", "{{ db.Values.db.password | quote }}"),
    ("{{ .x | b64dec | toYaml }}", "{{ db.x | b64decode | toyaml }}"),
    ('{{ .x | default "y" }}', '{{ db.x | default("y") }}'),
    ("{{ .api-key }}", "{{ db['api-key'] }}"),
    ("{{ . }}", "{{ db }}"),
    ("{{ $ }}", "{{ db }}"),
    ("{{ . | toJson }}", "{{ db | tojson }}"),
    ("{{- $s := .contents | fromYaml }}PASSWORD={{ $s.password }}", "{% set s = db.contents | fromyaml %}"),
    ("{{ $s = .x }}", "{% set s = db.x %}"),
    ("{{ := .x }}", "{{ db.key }}"),
    ("{{ $ := }}", "{% set name = db.key %}"),
    ("{{ $x }}", "{{ x }}"),
    ('{{ printf "%s:%s" .user .password }}', '{{ "%s:%s" | format(db.user, db.password) }}'),
    ('{{ index .db "key" }}', '{{ db["key"] }}'),
    ('{{ index . "api-key" }}', '{{ db["api-key"] }}'),
    ("{{ if .x }}y{{ else }}z{{ end }}", "{% if db.x %}…{% else %}…{% endif %}"),
    ('{{ if eq .a "b" }}{{ end }}', '{% if db.a == "b" %}…{% else %}…{% endif %}'),
    ("{{ if and .a (not .b) }}{{ end }}", "{% if db.a and (not db.b) %}…{% else %}…{% endif %}"),
    ("{{ range .users }}{{ .name }}{{ end }}", "{% for item in db.users %}…{% endfor %}"),
    ("{{ range $u := .users }}{{ $u }}{{ end }}", "{% for u in db.users %}…{% endfor %}"),
    ("{{ range $k, $v := . }}{{ $k }}{{ end }}", "{% for k, v in db.items() %}…{% endfor %}"),
    ("{{ with .x }}{{ end }}", "{% if db.x %}…{% else %}…{% endif %}"),
    ("{{ else }}", "{% if db.key %}…{% else %}…{% endif %}"),
    ("{{ .db.password }}", "{{ db.password }}"),
    ("{{ (index .db.users 0).name | quote }}", "{{ (db.users[0]).name | quote }}"),
    ("{{ .x | b64dec | pkcs12key }}", "{{ db.x | b64decode | pkcs12_key }}"),
    ('{{ .x | filterPEM "PRIVATE KEY" }}', '{{ db.x | filter_pem("PRIVATE KEY") }}'),
    ("{{ pkcs12keyPass .pass .x }}", "{{ db.x | pkcs12_key(db.pass) }}"),
    ('{{ printf "%s:%s" (.a | b64dec) .b | b64enc }}', '{{ "%s:%s" | format((db.a | b64decode), db.b) | b64encode }}'),
    ('{{ db.x | replace("a", "b") | default "c" }}', '{{ db.x | replace("a", "b") | default("c") }}'),
    ('{{ db["x"] | default "y" }}', '{{ db["x"] | default("y") }}'),
    ('{{ print .a ":" .b }}', '{{ db.a ~ ":" ~ db.b }}'),
    ("{{ end }}", "{% if db.key %}…{% else %}…{% endif %}"),
    ("{{ b64dec .x }}", "{{ db.x | b64decode }}"),
    ("{{ toYaml .x | nindent 4 }}", "{{ db.x | toyaml | indent(4, true) }}"),
    ('{{ join "," .x }}', '{{ db.x | join(",") }}'),
    ("{{ trim $x }}", "{{ x | trim }}"),
    ("{{ fromJson (.x) }}", "{{ (db.x) | fromjson }}"),
    ("{{ now ( }}", "{{ db.key | now }}"),
    ("{{ eq .a .b }}", "{{ db.a == db.b }}"),
    ('{{ ne .a "b" }}', '{{ db.a != "b" }}'),
    ("{{ not .x }}", "{{ not db.x }}"),
    ("{{ (.x | fromJson).y }}", "{{ (db.x | fromjson).y }}"),
    ("{{ (fromJson .x).y }}", "{{ (db.x | fromjson).y }}"),
    ("{{ db.x | replace 'a' 'b' }}", "{{ db.x | replace('a', 'b') }}"),
    ('{{ db.x | upper | trimSuffix "x" }}', '{{ db.x | upper | trimsuffix("x") }}'),
    ("{{/* words */}}", "{# … #}"),
    ("{{ `x` }}", "{{ 'x' }}"),
    ("{{ `{{ x }}` }}", "{{ db.key }}"),
    ('{{ include "x" . }}', "the other template out here"),
]


@pytest.mark.parametrize(("template", "jinja"), GO)
def test_what_is_go_is_told_in_jinja_once_and_at_its_line(tmp_path: Path, template: str, jinja: str) -> None:
    [said] = told(tmp_path, f"{{{{ db.password }}}}\r\n\n{template}\n")
    assert said.startswith("x.j2:3:1: {{")
    assert said.endswith(f" is of Go's templates, and this is Jinja: write {jinja} {GUIDE}")


@pytest.mark.parametrize(("template", "jinja"), GO)
def test_what_is_proposed_for_go_is_jinja(template: str, jinja: str) -> None:
    del template
    if "{" in jinja and not any(name in jinja for name in ("trimsuffix", "now")):
        list_variables(jinja.replace("…", "x"))


def test_a_tag_over_several_lines_is_told_and_a_long_one_cut(tmp_path: Path) -> None:
    [said] = told(tmp_path, "{{\n  .password }}")
    assert said.startswith("x.j2:2:1: {{ .password }} is of Go's")
    [said] = told(tmp_path, "{{ .password | " + "quote | " * 20 + "quote }}")
    assert said.startswith("x.j2:1:1: {{ .password | quote | quote")
    assert "… is of Go's" in said
    [said] = told(tmp_path, "{{ .password | " + "quote | " * 200 + "quote }}")
    assert said == "x.j2:1:1: unexpected '.'"


@pytest.mark.parametrize("sign", ["(", "x(", ".a|", "[", "`", "$"])
def test_what_is_nested_deeply_is_told_too(sign: str) -> None:
    assert foreign_templates.describe_go(f"{{{{ .x {sign * (990 // len(sign))} }}}}", 1).endswith(GUIDE)


NAMES = [
    ("{{ db.api-key }}", f"{SIGNS} db['api-key']"),
    ("{{ db.api-key | b64encode }}", f"{SIGNS} db['api-key']"),
    ("{{ 'x' ~ db.api-key ~ 'y' }}", f"{SIGNS} db['api-key']"),
    ("{% if db.a-b-c %}x{% endif %}", f"{SIGNS} db['a-b-c']"),
    ("{{ db.users[0].key-id }}", f"{SIGNS} db.users[0]['key-id']"),
    ("{{ db.a/b }}", f"{SIGNS} db['a/b']"),
    ("{{ db.2fa }}", f"{SIGNS} db['2fa']"),
    ("{{ db.@type }}", f"{SIGNS} db['@type']"),
    ("{{ db.a:b }}", f"{SIGNS} db['a:b']"),
    ("{{ db.$ref }}", f"{SIGNS} db['$ref']"),
    ("{{ db.password! }}", f"{SIGNS} db['password!']"),
    ("{{ my-db.key ~ db.key }}", "a source is called without dashes, as my_db, not my-db"),
    ("{{ my-db.key }}", "a source is called without dashes, as my_db, not my-db"),
    ("{{ my-db }}", "a source is called without dashes, as my_db, not my-db"),
]


@pytest.mark.parametrize(("template", "said"), NAMES)
def test_a_name_with_other_signs_is_told_as_jinja_has_it(tmp_path: Path, template: str, said: str) -> None:
    assert told(tmp_path, f"\n{template}") == [f"x.j2:2:1: {said}"]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ pasword }}", "the template names pasword, and no source is called so"),
        ("{{ db.a - pasword }}", "the template names pasword, and no source"),
        ("{{ 'a.b-c' }}{{ pasword }}", "the template names pasword, and no source"),
        ("{{ db.port-1 }}{{ pasword }}", "the template names pasword, and no source"),
        ("{{ pasword | default('a') if db.x else db['a-b'] }}", "the template names pasword, and no source"),
        ("{{ }}", "Expected an expression, got 'end of print statement'"),
        ("{{ db.a if }}", "unexpected 'end of print statement'"),
        ("{% if %}", "Expected an expression"),
        ("{% .x %}", "tag name expected"),
    ],
)
def test_what_is_neither_is_told_as_before(tmp_path: Path, template: str, said: str) -> None:
    [problem] = told(tmp_path, template)
    assert problem.startswith(f"x.j2:1:1: {said}")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ('{{ db."api-key" }}', "a key in quotes stands in brackets: db['a-key']"),
        ("{{ db.api key }}", "a key with a blank is written in brackets: db['a key']"),
        ('{{ db["api-key }}', "a text has no end: a quote is missing"),
        ("{{ ${db.x} }}", "a name in braces has no $: {{ db.key }}"),
        ("{{{ db.x }}}", "two braces are enough: {{ db.key }}"),
        ("{{ db.x }", "{{ is not closed by }}"),
        ("{{ db.x", "{{ is not closed by }}"),
        ("{{ db->x }}", "a key stands behind a dot: db.key"),
        ("{{ db.x && '|' }}", "Jinja writes and, or, not in place of &&, ||, !"),
        ("{% if !db.x %}{% endif %}", "Jinja writes and, or, not in place of &&, ||, !"),
        ("{{ db.x ? 'a' : 'b' }}", "Jinja writes 'a' if db.key else 'b'"),
        ("{% if db.a = 'b' %}{% endif %}", "Jinja compares by =="),
        ("{% if db.a === 'b' %}{% endif %}", "Jinja compares by == and !="),
        ("{{ 1 if db.a !== 'b' }}", "Jinja compares by == and !="),
        ("{% if db.x then %}{% endif %}", "Jinja has no then: {% if db.key %}…{% endif %}"),
        ("{{ db..x }}", "one dot stands before a key: db.key"),
        ("{{ db?.x }}", "for what may be missing or null Jinja writes db.key | default('…', true)"),
        ("{{ db.x|default:'y' }}", "a filter has its arguments in parentheses: db.key | default('…')"),
        ("{{ db.x == null }}", "null is none in Jinja"),
        ("{{ toJson(db.x) }}", "a filter stands behind a bar: db.key | tojson"),
        ("{{ b64enc(db.x) ~ '' }}", "a filter stands behind a bar: db.key | b64encode"),
        ("{{ lookup(db.x) }}", "the template names lookup, and no source is called so; there is: cluster, db,"),
        (
            "{{ password }}",
            "the template names password, and no source is called so; a key of a source is written db.password",
        ),
        (
            "{{ password | b64encode }}",
            "the template names password, and no source is called so; a key of a source is written db.password",
        ),
        ("{{ DB.x }}", "the template names DB, and no source is called so; did you mean db?"),
        ("{{ 'a && b' }}{% endif %}", "Encountered unknown tag 'endif'."),
    ],
)
def test_what_is_of_other_languages_is_told_as_jinja_has_it(tmp_path: Path, template: str, said: str) -> None:
    [problem] = told(tmp_path, f"x\n{template}\n")
    assert problem.startswith(f"x.j2:2:1: {said}")


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ('{template: "x ${db.password}"}', "template"),
        ('{template: "{ db.password }"}', "template"),
        ('{template: "<%= db.password %>"}', "template"),
        ('{template: "$(db)"}', "template"),
        ('{value: "${db.password}"}', "value"),
    ],
)
def test_a_source_in_braces_of_other_languages_is_warned_of(tmp_path: Path, entry: str, field: str) -> None:
    text = MAPPING.replace("password: {from: db, path: password}", f"password: {entry}\n      other: {{from: db}}")
    (tmp_path / "clusters.yaml").write_text(CLUSTERS)
    (tmp_path / "a.yaml").write_text(text)
    _, [warning] = files.check(tmp_path)
    wanted = "db is not filled in here: that takes a template, and double braces, as {{ db.key }}"
    assert wanted in str(warning)
    (tmp_path / "a.yaml").write_text(text.replace("db.password", "HOME").replace("(db)", "(HOME)"))
    assert files.check(tmp_path)[1] == []


def test_braces_within_a_tag_begin_no_other() -> None:
    assert foreign_templates.describe_go("{{ 'a {{' }}{{ .x }}", 1).startswith("{{ .x }} is of Go's")


def test_the_name_with_dashes_is_the_one_that_is_meant() -> None:
    said = foreign_templates.describe_name("{{ one-a.key ~ one-b.key }}", 1, "b")
    assert said == "a source is called without dashes, as one_b, not one-b"


@given(
    st.lists(
        st.sampled_from(
            [
                "{{",
                "}}",
                "{%",
                "%}",
                "-",
                " ",
                ".",
                "$",
                "db",
                "key",
                "|",
                "(",
                ")",
                "if",
                "end",
                "\n",
                '"',
                "a-b",
                "`",
                "range",
            ]
        )
    ).map("".join),
    st.integers(1, 3),
)
def test_any_template_is_right_or_told_in_one_line(template: str, line: int) -> None:
    for said in (foreign_templates.describe_go(template, line), foreign_templates.describe_name(template, line, "a")):
        assert "\n" not in said
        if " write " in said:
            ENVIRONMENT.parse(said.partition(" write ")[2].removesuffix(GUIDE))
    try:
        list_variables(template)
    except InvalidTemplate as error:
        assert error.reason
