"""The guides as a whole: each is in the navigation and on the first page, and messages lead to where they are."""

import inspect
import re

import pytest
import yaml

from keyferry import errors, guides
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


GENERAL = {errors.KeyferryError, errors.DeliverAgain, errors.NeedsRepair}
"""Which are never raised themselves."""
CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.KeyferryError) and kind not in GENERAL
]


def list_sections(page: str) -> list[str]:
    """Return the headings of a page."""
    return re.findall(r"^#+ (.*)$", (DOCS / page).read_text(), re.MULTILINE)


def slug(heading: str) -> str:
    """Return the anchor that the site gives a heading."""
    return re.sub(r"[^\w\s-]", "", heading).strip().lower().replace(" ", "-")


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_leads_to_a_section_that_says_what_to_do(kind: type[errors.KeyferryError]) -> None:
    page = (DOCS / "operate/troubleshooting.md").read_text()
    [section] = re.findall(rf"^### {kind.__name__}\n(.*?)(?=^##)", page, re.MULTILINE | re.DOTALL)
    assert "**What to do:**" in section or "| what to do |" in section
    assert guides.link_error(kind.__name__) == f"{guides.SITE}/operate/troubleshooting/#{slug(kind.__name__)}"


def test_every_section_by_the_name_of_an_error_is_of_one_that_there_is() -> None:
    page = (DOCS / "operate/troubleshooting.md").read_text()
    part = page.partition("## By the name of the error")[2].partition("\n## ")[0]
    assert re.findall(r"^### (.*)$", part, re.MULTILINE) == sorted((kind.__name__ for kind in CLASSES), key=str.lower)


def list_links_of_the_code() -> list[tuple[str, str]]:
    """Return page and section of each address that a message leads to, as the code asks for them."""
    package = ROOT / "layers/keyferry/src/keyferry"
    asked = "\n".join(path.read_text() for path in package.rglob("*.py") if path.name != "guides.py")
    return re.findall(r"""\blink\(["']([\w/-]+)["'](?:, ["']([\w-]+)["'])?\)""", asked)


@pytest.mark.parametrize(("page", "section"), list_links_of_the_code())
def test_every_address_of_a_message_is_of_a_section_that_is_there(page: str, section: str) -> None:
    [file] = [name for name in (f"{page}.md", f"{page}/index.md") if name in GUIDES]
    assert not section or section in map(slug, list_sections(file))


def test_no_module_has_an_address_of_the_site_of_its_own() -> None:
    package = ROOT / "layers/keyferry/src/keyferry"
    own = [path.name for path in package.rglob("*.py") if f"{guides.SITE}" in path.read_text()]
    assert own == ["guides.py"]


def test_every_check_of_doctor_is_in_the_table_of_what_it_looks_at() -> None:
    doctor = ROOT / "layers/keyferry/src/keyferry/cli/doctor"
    code = "\n".join(path.read_text() for path in doctor.rglob("*.py"))
    checks = set(re.findall(r'\b(?:Finding|Check)\(\s*"([a-z ]+)"', code))
    table = (DOCS / "operate/index.md").read_text().partition("| what | where from |")[2].partition("\n\n")[0]
    told = {name for row in table.splitlines()[2:] for name in row.split("|")[1].strip().split(", ")}
    assert len(checks) > 15
    assert checks <= told
    assert {name for name in told if not re.search(rf"\b{name}\b", code)} == set()


def test_the_readme_says_what_it_is_in_one_sentence_of_at_most_fifteen_words() -> None:
    _, sentence, _ = (ROOT / "README.md").read_text().split("\n\n", 2)
    assert sentence.endswith(".")
    assert sentence.count(".") == 1
    assert len(sentence.split()) <= 15
