"""The built site in a real browser: it asks nobody but itself for anything, and no page is wider than a telephone."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SITE = Path(__file__).resolve().parents[2] / "site"
WIDTHS = (360, 1280)


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and says nothing of it."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401  # as the base has it
        """Write nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the site is served on loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(SITE))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_ask_nobody_else_complain_of_nothing_and_fit(browser: Any, address: str, width: int) -> None:  # noqa: ANN401
    context = browser.new_context(viewport={"width": width, "height": 800})
    page, asked, complaints = context.new_page(), set(), []
    page.on("request", lambda request: asked.add(request.url))
    page.on("console", lambda said: complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    wide = {}
    for file in sorted(SITE.rglob("index.html")):
        page.goto(f"{address}/{file.parent.relative_to(SITE)}/")
        if (found := page.evaluate("document.documentElement.scrollWidth")) > width:
            wide[str(file.parent.relative_to(SITE))] = found
    context.close()
    assert {url for url in asked if not url.startswith(f"{address}/")} == set()
    assert complaints == []
    assert wide == {}


def test_the_search_finds_an_error_by_its_name(browser: Any, address: str) -> None:  # noqa: ANN401
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(f"{address}/", wait_until="networkidle")
    page.keyboard.press("Control+k")
    page.keyboard.type("WrongCluster")
    page.get_by_text("EKS knows another cluster of that name").first.wait_for()
    context.close()
