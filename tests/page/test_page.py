"""The page of `keyferry status --output html` in a real browser: what it shows, by mouse, by keyboard, on a phone."""

from pathlib import Path
from typing import Any

import pytest

from tests.page.conftest import Desk
from tests.page.sample import MEAN, build_mean_row, build_rows

LARGE = 10_000
CONTRAST = (Path(__file__).parent / "contrast.js").read_text()
WIDTHS = (360, 1280)


def texts(page: Any, selector: str) -> list[str]:  # noqa: ANN401
    return [" ".join(str(text).split()) for text in page.locator(selector).all_inner_texts()]


def search(page: Any, text: str) -> None:  # noqa: ANN401
    page.get_by_role("searchbox").fill(text)
    page.keyboard.press("Enter")


def test_totals_are_there_and_what_is_not_right_comes_first_with_its_cause_and_the_next_try(desk: Desk) -> None:
    page = desk.open()
    assert texts(page, ".total") == ["60 targets", "2 failed", "1 stale", "57 right"]
    first, second, third = texts(page, "#wrong .card")
    assert first.startswith("✕ failed prod-us/payments-2/payments-db SourceUnusable: key password:")
    assert first.endswith("mappings/payments/db.yaml:12 · owner payments (#payments-oncall)")
    assert second.endswith("failed at 2026-11-29 11:58 UTC · Next try 2026-11-29 12:03 UTC.")
    assert third.startswith("↻ stale staging-eu/platform-3/platform-db new version of db")


def test_equal_causes_are_said_once_with_all_their_targets(desk: Desk) -> None:
    page = desk.open(build_rows(1_000))
    causes = texts(page, "#wrong .card p:first-of-type")
    assert len(causes) == len(set(causes)) == 7
    card = page.locator("#wrong .card").filter(has_text="finds nothing")
    assert "owner checkout (#checkout-oncall), payments (#payments-oncall)" in card.inner_text()
    card = page.locator("#wrong .card").filter(has_text="targets").first
    assert not card.locator("li").first.is_visible()
    card.locator("summary").click()
    assert card.locator("li").first.is_visible()


def test_where_nothing_is_wrong_it_says_so(desk: Desk) -> None:
    page = desk.open([row for row in build_rows() if row["state"] == "right"])
    assert texts(page, "#wrong .card") == ["Nothing is wrong."]


def test_without_targets_the_page_is_empty_and_says_that_nothing_is_wrong(desk: Desk) -> None:
    page = desk.open([])
    assert texts(page, ".total") == ["0 targets"]
    assert texts(page, "#wrong .card") == ["Nothing is wrong."]


def test_the_matrix_has_the_worst_state_of_each_mapping_on_each_cluster_and_shows_its_targets(desk: Desk) -> None:
    page = desk.open()
    heads = texts(page, "#matrix thead th")
    assert heads == ["mapping", "dev-eu", "prod-eu", "prod-us", "staging-eu"]
    assert texts(page, "#matrix tbody tr")[1] == "payments-db ✓ 5 ✓ 5 ✕ 1 of 5 ✓ 5"
    cell = page.get_by_role("button", name="payments-db on prod-us: 1 of 5 failed")
    cell.click()
    assert cell.get_attribute("aria-pressed") == "true"
    assert len(texts(page, "#targets tbody tr")) == 5
    assert page.get_by_role("status").inner_text() == "5 of 60 targets shown of payments-db on prod-us"
    cell.click()
    assert len(texts(page, "#targets tbody tr")) == 60


def test_a_search_goes_through_names_owners_sources_and_causes_and_says_how_many_it_has_found(desk: Desk) -> None:
    page = desk.open()
    for text, expected in (
        ("#CHECKOUT-oncall", 20),
        ("prod/platform/db", 20),
        ("finds nothing", 1),
        ("prod-us failed", 1),
    ):
        search(page, text)
        assert page.get_by_role("status").inner_text().startswith(f"{expected} of 60 targets shown")
        assert len(texts(page, "#targets tbody tr")) == expected
    search(page, "nothing is called so")
    assert texts(page, "#targets tbody tr") == []
    page.get_by_role("button", name="Clear").click()
    page.locator("#targets tbody tr").nth(59).wait_for()  # no function: the page lets nothing be evaluated
    assert len(texts(page, "#targets tbody tr")) == 60


def test_a_state_is_chosen_by_its_total(desk: Desk) -> None:
    page = desk.open()
    page.get_by_role("button", name="2 failed").click()
    assert [text.split()[2] for text in texts(page, "#targets tbody tr")] == ["failed", "failed"]


def test_certificates_and_rotations_are_listed_by_date_and_what_is_past_is_told_apart(desk: Desk) -> None:
    page = desk.open(build_rows(200))
    rows = page.locator("#expiry > div > .scroll tbody tr")
    dates = [str(row).split("\t")[-2].strip() for row in rows.all_inner_texts()]
    dated = [date for date in dates if date != "never"]
    assert dated == sorted(dated)
    assert dated
    assert page.locator("#expiry .badge.s-failed").first.inner_text() == "rotation overdue"
    assert "certificate expires" in texts(page, "#expiry .badge")


def test_the_drawing_goes_from_the_source_to_workloads_where_they_are_known_and_says_where_not(desk: Desk) -> None:
    page = desk.open()
    drawing = page.locator("#drawing svg")
    assert drawing.get_attribute("aria-label") == (
        "prod/payments/db to mapping payments-db to 20 Secrets called payments-db to Deployment/api, StatefulSet/worker"
    )
    said = drawing.locator("text").all_text_contents()
    assert {"prod/payments/db", "payments-db", "prod-us/payments-2", "and 8 more", "Deployment/api"} <= set(said)
    page.get_by_label("Mapping", exact=True).select_option("checkout-db")
    assert "whatever uses the Secret" in drawing.locator("text").all_text_contents()
    assert "only the cluster knows" in page.locator("#drawing .hint").inner_text()


def test_names_that_look_like_markup_are_shown_as_they_are_and_run_nothing(desk: Desk) -> None:
    page = desk.open([build_mean_row(), *build_rows()])
    assert page.title() == "Keyferry status of keyferry"
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2
    assert page.locator("#targets tbody th").first.inner_text() == MEAN
    for selector in ("#wrong .card", "#matrix tbody", "#expiry tbody", "#drawing select"):
        assert MEAN in page.locator(selector).first.text_content()
    page.get_by_label("Mapping", exact=True).select_option(MEAN)
    assert MEAN in page.locator("#drawing svg").get_attribute("aria-label")
    assert "49" not in page.locator("#targets tbody th").first.inner_text()


def test_the_policy_lets_the_page_run_and_ask_for_nothing_else(desk: Desk) -> None:
    page = desk.open()
    refused = page.evaluate(
        """() => new Promise((resolve) => {
          const refused = [];
          document.addEventListener("securitypolicyviolation", (event) => {
            refused.push(event.effectiveDirective);
            if (refused.length === 4) resolve(refused.sort());
          });
          const script = document.createElement("script");
          script.textContent = "document.title = 'mean'";
          const style = document.createElement("style");
          style.textContent = "body { display: none }";
          const image = document.createElement("img");
          image.src = "https://keyferry.invalid/x.png";
          document.body.append(script, style, image);
          fetch("https://keyferry.invalid/").catch(() => {});
        })"""
    )
    assert refused == ["connect-src", "img-src", "script-src-elem", "style-src-elem"]
    assert page.title() != "mean"
    assert len(desk.complaints) >= 4
    others = {each for each in desk.complaints if "Content Security Policy" not in each}
    assert others <= {"https://keyferry.invalid/x.png", "https://keyferry.invalid/"}  # asked for, and stopped
    desk.complaints.clear()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_screen(desk: Desk, width: int) -> None:
    page = desk.open([build_mean_row(), *build_rows(200)], width=width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    small = page.evaluate(
        "[...document.querySelectorAll('button, input, select')].filter((e) => e.getBoundingClientRect().height < 24)"
        ".length"
    )
    assert small == 0  # WCAG 2.2, 2.5.8: 24 px at least


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_text_has_the_contrast_that_wcag_asks_for(desk: Desk, width: int, *, dark: bool) -> None:
    page = desk.open(build_rows(1_000), width=width, dark=dark)
    page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    judged = page.evaluate(CONTRAST)
    assert judged["count"] > 500
    assert judged["low"] == []


def focused(page: Any) -> str:  # noqa: ANN401
    return str(page.evaluate("(document.activeElement.ariaLabel || document.activeElement.textContent).trim()"))


def test_the_keyboard_alone_reaches_everything_in_its_order_and_the_focus_is_seen(desk: Desk) -> None:
    page = desk.open()
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the targets"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    passed = []
    for _ in range(80):
        page.keyboard.press("Tab")
        here = page.evaluate(
            "(() => { const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();"
            " return [e.tagName, r.top + scrollY, s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2] })()"
        )
        if here[0] == "BODY":
            break
        passed.append(here)
    assert {tag for tag, *_ in passed} >= {"BUTTON", "INPUT", "DIV", "SUMMARY", "SELECT"}
    assert all(is_seen for *_, is_seen in passed)
    assert [top for _, top, _ in passed if top] == pytest.approx(sorted(top for _, top, _ in passed if top), abs=60)


def test_a_cell_is_chosen_by_the_keyboard_and_keeps_the_focus(desk: Desk) -> None:
    page = desk.open()
    page.get_by_role("button", name="payments-db on prod-us: 1 of 5 failed").focus()
    page.keyboard.press("Enter")
    assert len(texts(page, "#targets tbody tr")) == 5
    assert focused(page) == "payments-db on prod-us: 1 of 5 failed"


def test_headings_tables_and_fields_have_names(desk: Desk) -> None:
    page = desk.open()
    assert page.evaluate("document.documentElement.lang") == "en"
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((e) => Number(e.tagName[1]))")
    assert levels == [1, 2, 2, 2, 2, 2]
    unnamed = page.evaluate(
        "[...document.querySelectorAll('table')].filter((e) => !e.caption?.textContent).length"
        " + [...document.querySelectorAll('input, select')].filter((e) => !e.labels.length).length"
    )
    assert unnamed == 0


def test_ten_thousand_targets_are_folded_and_more_are_shown_on_demand(desk: Desk) -> None:
    page = desk.open(build_rows(LARGE, namespaces=25))
    assert texts(page, ".total")[0] == "10,000 targets"
    assert page.evaluate("document.querySelectorAll('*').length") < 6_000
    assert len(texts(page, "#targets tbody tr")) == 100
    page.get_by_role("button", name="Show 500 more of 10,000").click()
    assert len(texts(page, "#targets tbody tr")) == 600
    assert page.evaluate("document.activeElement.tagName") == "TR"
    search(page, "prod-us failed")
    assert 0 < len(texts(page, "#targets tbody tr")) < 100


def test_without_scripts_the_totals_are_there_and_it_is_said_what_is_missing(desk: Desk) -> None:
    page = desk.open(scripts=False)
    assert texts(page, ".total")[0] == "60 targets"
    assert "need JavaScript" in page.locator("noscript").inner_text()
