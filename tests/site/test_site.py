"""The built site: every link of it leads somewhere, every guide is in it, and no page loads anything from elsewhere."""

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "site"
SETTINGS = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
LOADED = frozenset({("link", "href"), ("object", "data"), ("use", "href"), ("use", "xlink:href")})
"""What a browser loads by itself, beside all that has a `src`: tag and attribute."""
SAYS_WHERE_IT_IS = frozenset({"canonical", "next", "prev", "alternate"})
"""The rel of links that no browser follows by itself."""


class Page(HTMLParser):
    """What one page names: its ids, what it links to, what it loads."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(file.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: text or "" for name, text in attrs}
        self.ids |= {attributes[name] for name in ("id", "name") if name in attributes}
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        if attributes.get("rel") not in SAYS_WHERE_IT_IS:
            self.loads += [text for name, text in attributes.items() if name == "src" or (tag, name) in LOADED]


@cache
def read(file: Path) -> Page:
    return Page(file)


def list_pages() -> list[Path]:
    return sorted(SITE.rglob("*.html"))


def find(page: Path, link: str) -> Path:
    """Return the file that a link of a page leads to."""
    path = urlsplit(urljoin(f"{SETTINGS['site_url']}{page.relative_to(SITE)}", link)).path
    file = SITE / unquote(path).lstrip("/")
    return file / "index.html" if file.is_dir() else file


@pytest.mark.parametrize("page", list_pages(), ids=lambda page: str(page.relative_to(SITE)))
def test_every_link_leads_to_a_section_that_is_there(page: Path) -> None:
    dead = []
    for link in read(page).links:
        own = link.removeprefix(SETTINGS["site_url"])
        if urlsplit(own).scheme or page.name == "404.html":
            continue
        target, section = urldefrag(own if own == link else f"/{own}")
        file = find(page, target) if target else page
        if not file.is_file() or (section and file.suffix == ".html" and unquote(section) not in read(file).ids):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("page", list_pages(), ids=lambda page: str(page.relative_to(SITE)))
def test_a_page_loads_nothing_from_elsewhere(page: Path) -> None:
    loads = [link for link in read(page).loads if not link.startswith("data:")]
    assert [link for link in loads if urlsplit(link).netloc or link.startswith("//")] == []
    assert [link for link in loads if not find(page, link).is_file()] == []


def test_no_style_loads_anything_from_elsewhere() -> None:
    styles = sorted(SITE.rglob("*.css"))
    assert styles
    loads = {link for file in styles for link in re.findall(r"url\(['\"]?([^)'\"]+)", file.read_text())}
    assert {link for link in loads if not link.startswith(("data:", "#"))} == set()


def test_every_guide_has_been_built() -> None:
    guides = [path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")]
    places = [guide.parent if guide.name == "index" else guide for guide in guides]
    assert [str(place) for place in places if not (SITE / place / "index.html").is_file()] == []
