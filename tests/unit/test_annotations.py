"""docs/operate/annotations.md has every annotation and label under keyferry.dev that the code knows, and no other."""

import re
from pathlib import Path

from keyferry.delivery.observed import JOURNAL, NOTICES, OWN
from keyferry.identity import IDENTITY
from keyferry.model import MANAGED_BY
from tests.unit.stack import ROOT

PAGE = (ROOT / "docs/operate/annotations.md").read_text()
PACKAGE = ROOT / "layers/keyferry/src/keyferry"


def list_of_the_page() -> set[str]:
    return set(re.findall(r"`(keyferry\.dev/[a-z-]+)", PAGE))


def list_of_the_code() -> set[str]:
    """Return what is made of the domain in any module, whether or not something in there lists it."""
    texts = (path.read_text() for path in Path(PACKAGE).rglob("*.py"))
    return {f"keyferry.dev/{name}" for text in texts for name in re.findall(r'\{(?:PREFIX|DOMAIN)\}/([a-z-]+)"', text)}


def test_the_page_has_every_annotation_of_the_code_and_no_other() -> None:
    assert list_of_the_page() == list_of_the_code()
    assert list_of_the_code() >= set(OWN)


def test_the_page_has_the_journal_before_the_notices() -> None:
    rows = re.findall(r"^\| `(keyferry\.dev/[a-z-]+)` \|", PAGE, re.MULTILINE)[: len(OWN)]
    assert tuple(rows) == OWN
    assert OWN[: len(JOURNAL)] == JOURNAL
    assert OWN[-len(NOTICES) :] == NOTICES
    assert len(NOTICES) == 3
    assert f"`{NOTICES[0].partition('/')[2]}` and the two\nbelow it are notices" in PAGE
    assert (
        f"The first {dict(enumerate(('one', 'two', 'three', 'four', 'five', 'six', 'seven'), 1))[len(JOURNAL)]}" in PAGE
    )


def test_the_page_has_the_label_the_field_manager_and_the_stamp() -> None:
    assert f"`{MANAGED_BY}: keyferry`" in PAGE
    assert f"`{IDENTITY.field_manager('MAPPING')}`" in PAGE
    assert f"`{IDENTITY.stamp_key('SECRET')}`" in PAGE
