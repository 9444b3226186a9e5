"""What only some mappings need is imported when one of them needs it: a cold start does not wait for it."""

import subprocess
import sys

import pytest

LARGE = {
    "jinja2",
    "re2",
    "cryptography",
    "bcrypt",
    "keyferry.render.pki.certificates",
    "keyferry.render.filters",
    "keyferry.formats.yamltext",
}
PLAIN = """
import sys
from keyferry.runtime import wiring
from keyferry.delivery import passes
from keyferry.pipeline import reconcile, route, settle
from tests.unit.samples import mapping, rendered, value
{more}
print("\\n".join(sys.modules))
"""
ONE_KEY = 'rendered(mapping(data={{"key": {entry}}}), {{"db": value(\'{{"a": "x"}}\')}})'


def imported(more: str = "") -> set[str]:
    """Return what is imported of `LARGE` by all that a function imports, and by what else it does."""
    code = PLAIN.format(more=more)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return LARGE & set(done.stdout.split())


def test_what_few_mappings_need_is_not_imported_for_the_others() -> None:
    assert imported(ONE_KEY.format(entry='{"from": "db", "path": "a"}')) == set()


@pytest.mark.parametrize(
    ("template", "needs"),
    [
        ("{{ db.a }}", {"jinja2", "keyferry.render.filters"}),
        ("{{ db.a | bcrypt }}", {"jinja2", "keyferry.render.filters", "bcrypt"}),
    ],
)
def test_a_template_imports_what_it_uses(template: str, needs: set[str]) -> None:
    assert imported(ONE_KEY.format(entry={"template": template})) == needs
