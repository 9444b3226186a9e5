"""A Go template makes, translated into Jinja, the text that Go makes of it; or it is refused."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from keyferry.budget import Budget
from keyferry.cli.migrate import go_templates
from keyferry.errors import SourceUnusable
from keyferry.model import SecretValue
from keyferry.render import templates as jinja
from tests.oracle import expressions, templates
from tests.oracle.ask import Oracle
from tests.oracle.conftest import COMPARED


@dataclass(frozen=True)
class Outcome:
    """What we make of a template: a text, a refusal at the conversion, or an error of the delivery."""

    text: str | None = None
    refusal: str = ""
    error: str = ""


def fill(template: str, values: Mapping[str, str]) -> Outcome:
    """Return what we make of a Go template."""
    try:
        translated = go_templates.translate(template)
    except go_templates.Untranslatable as refusal:
        return Outcome(refusal=str(refusal))
    try:
        variables = {name: _read(text) for name, text in values.items()}
        return Outcome(text=jinja.fill(translated, {"variables": variables}, "mapping m", Budget()))
    except SourceUnusable as error:
        return Outcome(error=str(error))


def _read(text: str) -> str | SecretValue:
    """Return a value as templates see it: one that is not UTF-8 stays as it is."""
    return (
        text if text.isascii() or not text.startswith("\udcff") else SecretValue(text.encode(errors="surrogateescape"))
    )


@given(template=st.one_of(templates.templates(), templates.actions(), templates.calls()), values=templates.values)
def test_a_template_makes_what_go_makes(oracle: Oracle, template: str, values: Mapping[str, str]) -> None:
    ours = fill(template, values)
    kind = "refused" if ours.refusal else "error of ours" if ours.text is None else "filled"
    COMPARED[f"templates, {kind}"] += 1
    if ours.text is not None:
        answer = oracle.ask("template", template=template, values=values)
        assert (answer.error, answer.text.decode()) == ("", ours.text)


_field = re.compile(r"\.(?:user|password|port|config|list|yaml|encoded|url|bytes|missing)\b|\(index \. \"[a-z.]+\"\)")


@given(template=st.one_of(templates.actions(), templates.calls()), key=expressions.keys)
def test_a_template_renames_a_key_as_go_does(oracle: Oracle, template: str, key: str) -> None:
    template = _field.sub(".value", template)
    try:
        translated = go_templates.translate_key(template)
        renamed = jinja.fill(translated, {"key": key}, "mapping m", Budget())
    except (go_templates.Untranslatable, SourceUnusable):
        COMPARED["templates of keys, refused or an error of ours"] += 1
        return
    answer = oracle.ask("transform", template=template, text=key)
    COMPARED["templates of keys"] += 1
    assert (answer.error, answer.text.decode()) == ("", renamed)
