"""Whatever a step of a template hands on is what it was given: alone, one after another, and for whoever reads it."""

import base64
import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from keyferry.budget import Budget
from keyferry.cli.check import files
from keyferry.render import templates
from tests.unit.samples import mapping, rendered, value
from tests.unit.test_exactness import DOCUMENTS, Node
from tests.unit.test_files import CLUSTERS, MAPPING
from tests.unit.test_line_ends import TEXTS

WHOLE = [
    *(
        "canary",
        "a\nb\n",
        "a\r\nb\r\n",
        "a\rb\r",
        "\n\n a\n\n",
        "\t a \t",
        "\ufeffa",
        "a\x00b",
        "a\u2028b\x85c\x0bd\x0c",
    ),
    *(
        "",
        " ",
        "\r",
        "0123",
        "1e3",
        "1.0",
        "12345678901234567890",
        "true",
        "null",
        '"a"',
        "[a]",
        "{a}",
        "<a href='b'>&",
    ),
    *("%s{0}%%", "$x ${y}", "\\n\\r", "ü€\U0001f511", "-----BEGIN X-----\r\nabc=\r\n-----END X-----\r\n"),
]
STEPS = {
    "written": "VALUE",
    "if": "{% if true %}VALUE{% endif %}",
    "else": "{% if false %}x{% else %}VALUE{% endif %}",
    "for": "{% for item in [1] %}VALUE{% endfor %}",
    "set block": "{% set block %}VALUE{% endset %}{{ block }}",
    "macro": "{% macro write() %}VALUE{% endmacro %}{{ write() }}",
    "argument of a macro": (
        "{% macro write(text) %}{{ text }}{% endmacro %}{% set given %}VALUE{% endset %}{{ write(given) }}"
    ),
    "call": "{% macro write() %}{{ caller() }}{% endmacro %}{% call write() %}VALUE{% endcall %}",
    "filter": "{% filter string %}VALUE{% endfilter %}",
    "filter b64": "{% filter b64decode %}{% filter b64encode %}VALUE{% endfilter %}{% endfilter %}",
    "with": "{% with %}VALUE{% endwith %}",
    "autoescape off": "{% autoescape false %}VALUE{% endautoescape %}",
    "block": "{% block part %}VALUE{% endblock %}",
}
"""Step → how it writes `VALUE`, a text of the template or an expression."""
EXPRESSIONS = [
    *("db", "db ~ ''", "'' + db", "'%s' % db", "'{}'.format(db)", "'%s' | format(db)", "[db] | join"),
    *(
        "db | string",
        "db | safe",
        "db | default('x')",
        "db if true else 'x'",
        "db[:]",
        "db | replace('', '')",
        "db.strip('')",
    ),
    *("[db] | first", "[db] | last", "[db] | map('string') | join", "{'a': db}.a", "({'a': db} | items | list)[0][1]"),
    *("db | indent(0)", "db.split('\\n') | join('\\n')", "'\\r'.join(db.split('\\r'))", "db.splitlines(true) | join"),
    *(
        "db | list | join",
        "db | reverse | reverse",
        "(db | safe) + ''",
        "db | safe | replace('', '')",
        "(db | safe)[:]",
    ),
    *("(db | b64encode) | b64decode", "db | tojson | fromjson", "db | quote | fromjson", "db | toyaml | fromyaml"),
    *("(db | safe) | toyaml | fromyaml", "{'a': db | safe} | tojson | fromjson | items | map('last') | join"),
    *("({'a': db} | toyaml | fromyaml).a", "([db] | tojson | fromjson)[0]", "db | trim('')", "db.encode().decode()"),
]


def fill(template: str, text: str = "") -> str:
    return templates.fill(template, {"db": text}, "here", Budget())


def escape(text: str) -> str:
    """Return a text as it stands in a template."""
    return f"{{% raw %}}{text}{{% endraw %}}"


@pytest.mark.parametrize("text", WHOLE)
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_each_step_writes_the_text_of_a_source_and_of_the_template_as_it_is(step: str, text: str) -> None:
    assert fill(step.replace("VALUE", "{{ db }}"), text) == text
    assert fill(step.replace("VALUE", escape(text))) == text


@pytest.mark.parametrize("text", WHOLE)
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_each_expression_that_changes_nothing_changes_nothing(expression: str, text: str) -> None:
    assert fill(f"{{{{ {expression} }}}}", text) == text


@given(st.lists(st.sampled_from(list(STEPS.values())), max_size=4), st.sampled_from(EXPRESSIONS), TEXTS)
def test_steps_one_after_another_change_nothing(steps: list[str], expression: str, text: str) -> None:
    template = f"\r\n{{{{ {expression} }}}}\n"
    for number, step in enumerate(steps):
        template = (
            step.replace("VALUE", template).replace("block part", f"block part{number}").replace("write", f"w{number}")
        )
    assert fill(template, text) == f"\r\n{text}\n"


@pytest.mark.parametrize("text", [text for text in WHOLE if "{" not in text])
def test_a_file_is_a_template_byte_for_byte(tmp_path: Path, text: str) -> None:
    (tmp_path / "clusters.yaml").write_text(CLUSTERS)
    (tmp_path / "a.yaml").write_text(MAPPING.replace("{from: db, path: password}", "{templateFile: x.j2}"))
    (tmp_path / "x.j2").write_bytes(f"\r\n{text}{{{{ db }}}}{text}\n".encode())
    [wanted] = files.load(tmp_path).mappings.values()
    made = rendered(wanted, {"db": value("canary\r\n")})
    assert made["password"].reveal() == f"\r\n{text}canary\r\n{text}\n".encode()


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        # a number that a template has itself
        ("{{ 1.10 }}/{{ 1e3 }}/{{ 12345678901234567890 }}/{{ 1.0 }}", "1.10/1e3/12345678901234567890/1.0"),
        ("{{ nothing | default(0.50) }}{{ [1.50, 00.5, 1_0.5] | tojson }}", "0.50[1.50,0.5,10.5]"),
        ("{{ 1.50 + 1 }}/{{ '%.3f' % 1.50 }}/{{ 1.50 == 1.5 }}/{{ {1.50: 1.50}[1.5] }}", "2.5/1.500/true/1.50"),
        # a text that a template has itself
        (r"{{ 'C:\ü\\ü\d' }}{{ '\u00e9\n' }}", "C:\\ü\\ü\\dé\n"),
        # what is marked as safe for HTML
        ("{{ db | e | replace('&lt;', '<') }}{{ (db | safe) + '<' }}{{ (db | e) ~ '<' }}", "<&gt;<><&lt;&gt;<"),
        ("{{ ('%s' | safe) % db }}{{ ['<', '>'] | join('&' | safe) }}{{ ('&' | safe).join(['<', '>']) }}", "<><&><&>"),
        ("{{ (db | safe).replace('<', '&') }}{{ db | e | e }}{{ db | safe | e }}", "&>&lt;&gt;<>"),
        (
            "{% autoescape true %}{{ db }}{{ db | safe }}{{ db | default('') | safe }}{% endautoescape %}",
            "&lt;&gt;<><>",
        ),
    ],
)
def test_numbers_and_texts_of_the_template_are_written_as_they_are(template: str, expected: str) -> None:
    assert fill(template, "<>") == expected


# Read by others


@given(TEXTS)
def test_text_in_double_quotes_is_read_back_by_json_yaml_and_toml(text: str) -> None:
    quoted = fill("key{{ SEPARATOR }}{{ db | quote }}".replace("{{ SEPARATOR }}", ": "), text)
    assert json.loads(quoted.removeprefix("key: ")) == text
    assert yaml.safe_load(quoted) == YAML(typ="safe", pure=True).load(quoted) == {"key": text}
    assert tomllib.loads(fill("key = {{ db | quote }}\n", text)) == {"key": text}


@settings(max_examples=50, deadline=None)
@given(TEXTS.filter(lambda text: "\0" not in text))
def test_text_quoted_for_a_shell_is_read_back_by_one(text: str) -> None:
    done = subprocess.run(["sh", "-c", fill("printf %s. {{ db | shellquote }}", text)], capture_output=True, check=True)
    assert done.stdout == f"{text}.".encode()


@given(TEXTS)
def test_encoded_text_is_read_back_by_others(text: str) -> None:
    assert unquote(fill("{{ db | urlencode }}", text)) == text
    assert base64.b64decode(fill("{{ db | b64encode }}", text)).decode() == text
    assert json.loads(fill("{{ db | tojson }}", text)) == text


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"])))
def test_escaped_text_is_read_back_from_xml(text: str) -> None:
    document = ET.fromstring(  # noqa: S314  # text of our own
        fill('<a b="{{ db | e }}">{{ db | e }}</a>', text)
    )
    assert (document.text or "", document.get("b")) == (text, text)


@given(TEXTS, st.integers(0, 4))
def test_yaml_that_is_indented_into_yaml_is_read_back(text: str, depth: int) -> None:
    indention = " " * (2 * depth + 2)
    written = fill(f"a:\n{indention}{{{{ {{'b': [db], 'c': db}} | toyaml | indent({len(indention)}) }}}}\nd: e\n", text)
    for read in (yaml.safe_load, YAML(typ="safe", pure=True).load):
        assert read(written) == {"a": {"b": [text], "c": text}, "d": "e"}


# Documents


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(DOCUMENTS)
def test_any_document_comes_through_each_filter_and_back(whole: Node) -> None:
    ways = {
        "db": whole.written,
        "db | b64encode | b64decode": whole.written,
        "db | string": whole.written,
        "db | tojson": whole.inside,
        "db | fromjson | tojson": whole.inside,
        "db | string | fromjson | tojson": whole.inside,
        "db | tojson | fromjson | tojson": whole.inside,
        "db | toyaml | fromyaml | tojson": whole.inside,
        "db | tojson | tojson | fromjson | fromjson | tojson": whole.inside,
        "db | tojson | toyaml | fromyaml": whole.inside,
        "{'a': db} | toyaml | fromyaml | items | map('last') | list | first | tojson": whole.inside,
    }
    data = {f"key{number}": {"template": f"{{{{ {way} }}}}"} for number, way in enumerate(ways)}
    made = rendered(mapping(data=data), {"db": value(whole.written)})
    assert [content.reveal().decode() for content in made.values()] == list(ways.values())


@pytest.mark.unwatched
@given(DOCUMENTS.filter(lambda whole: whole.written.startswith("{")))
def test_any_object_gives_each_of_its_keys_the_value_that_a_path_finds(whole: Node) -> None:
    held = {f"k{json.loads(key).encode().hex()}": part.arrives for key, part in whole.parts.items()}
    nulls: dict[str, Any] = {key: {"value": "named"} for key, arrives in held.items() if arrives is None}
    rules = [{"template": "k{{ key.encode().hex() }}"}]
    made = rendered(mapping(data=nulls, dataFrom=[{"from": "db", "keys": rules}]), {"db": value(whole.written)})
    assert {key: content.reveal().decode() for key, content in made.items()} == {
        key: "named" if arrives is None else arrives for key, arrives in held.items()
    }
