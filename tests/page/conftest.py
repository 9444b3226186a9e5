"""A real browser for the page of `keyferry status --output html`: Chromium, as the system has it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from keyferry.cli.page.render import render_page
from keyferry.cli.states import Row
from tests.page.sample import NOW, build_rows

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
REMEDY = "install Chromium, on Debian by `apt-get install chromium`, or let CHROMIUM name the program"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium. As root, as containers have it, it runs without its sandbox: it only sees our own page."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.exit(f"no Chromium: {REMEDY}", returncode=1)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, chromium_sandbox=os.getuid() != 0)
        yield running
        running.close()


class Desk:
    """Opens pages, and takes down what they ask for and complain of."""

    def __init__(self, browser: Any, file: Path) -> None:  # noqa: ANN401
        self._browser, self._file = browser, file
        self.complaints: list[str] = []
        self.contexts: list[Any] = []

    def open(
        self, rows: list[Row] | None = None, *, width: int = 1280, dark: bool = False, scripts: bool = True
    ) -> Any:  # noqa: ANN401
        """Return the page of some rows, or of a small fleet."""
        page_text = render_page(build_rows() if rows is None else rows, "keyferry", NOW)
        self._file.write_text(page_text, encoding="utf-8")
        context = self._browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._note_request(request.url))
        page.goto(self._file.as_uri())
        return page

    def _note_request(self, url: str) -> None:
        if url != self._file.as_uri():
            self.complaints.append(url)


@pytest.fixture
def desk(browser: Any, tmp_path: Path) -> Iterator[Desk]:  # noqa: ANN401
    """Where pages are opened. A test fails in the end if one has asked for anything, or complained of anything."""
    desk = Desk(browser, tmp_path / "status.html")
    yield desk
    for context in desk.contexts:
        context.close()
    assert desk.complaints == []
