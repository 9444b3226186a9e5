"""The guides as a whole: each is in the navigation and on the first page, and messages lead to where they are."""

import yaml

from keyferry import guides
from tests.unit.stack import ROOT

SETTINGS = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
DOCS = ROOT / "docs"
GUIDES = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}


def list_pages_of(nav: list[object]) -> list[str]:
    """Return the files of a part of the navigation."""
    pages: list[str] = []
    for entry in nav:
        [named] = entry.values() if isinstance(entry, dict) else [entry]
        pages += list_pages_of(named) if isinstance(named, list) else [str(named)]
    return pages


def test_the_navigation_of_mkdocs_yml_has_every_guide_once() -> None:
    assert sorted(list_pages_of(SETTINGS["nav"])) == sorted(GUIDES)


def test_the_first_page_leads_to_every_guide_but_the_decisions() -> None:
    text = (DOCS / "index.md").read_text()
    left_out = {page for page in GUIDES if f"({page})" not in text}
    assert {page for page in left_out if not page.startswith("decisions/")} == {"index.md"}


def test_messages_lead_to_the_site_that_mkdocs_yml_publishes() -> None:
    assert SETTINGS["site_url"] == f"{guides.SITE}/"
