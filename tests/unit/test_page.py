"""The page of `keyferry status --output html` as text; what a browser makes of it, `make test-page` says."""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from keyferry.cli import main
from keyferry.cli.page.content import STATES, build_content
from keyferry.cli.page.render import render_page
from keyferry.cli.states import RIGHT
from tests.page.sample import MEAN, NOW, build_mean_row, build_rows

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/mappings"


def read_content(page: str) -> dict[str, Any]:
    """Return the data that a page holds."""
    [text] = re.findall(r'<script type="application/json" id="content">(.*?)</script>', page, re.DOTALL)
    return dict(json.loads(text))


def test_the_page_holds_everything_and_names_no_place_that_it_could_ask() -> None:
    page = render_page(build_rows(), "keyferry", NOW)
    assert re.findall(r'(?:src|href|action)="(?!#)[^"]*"', page) == []
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page
    assert "url(" not in page
    assert "@import" not in page


def test_its_policy_allows_its_own_style_and_script_alone() -> None:
    page = render_page(build_rows(), "keyferry", NOW)
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    [style], [script] = (re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL) for tag in ("style", "script"))
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    assert policy.replace("&#39;", "'").split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{hashes[0]}'",
        f"script-src 'sha256-{hashes[1]}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert ' style="' not in page


def test_no_name_becomes_markup() -> None:
    page = render_page([build_mean_row()], MEAN, NOW)
    assert page.count("</script>") == page.count("<script") == 2
    assert "<img" not in page
    assert read_content(page)["mappings"][0][0] == MEAN


def test_what_is_not_printable_is_escaped() -> None:
    [row] = build_rows(1)
    page = render_page([row | {"namespace": "a\x1b[31m\u202eb"}], "", NOW)
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert read_content(page)["rows"][0][2] == r"a\x1b[31m\x202eb"


def test_each_name_and_each_cause_is_there_once_and_a_target_is_a_short_line() -> None:
    rows = build_rows(2_000)
    content = build_content(rows, "keyferry", NOW)
    assert len(content["mappings"]) == 100
    assert len({json.dumps(each) for each in content["mappings"]}) == 100
    assert len(content["rows"]) == 2_000
    assert len(content["causes"]) < 50
    assert len(render_page(rows, "keyferry", NOW)) / 2_000 < 150  # bytes for each target


def test_every_state_has_its_place_the_wrong_ones_first() -> None:
    assert set(STATES[-len(RIGHT) :]) == set(RIGHT)
    assert {row["state"] for row in build_rows(2_000)} == set(STATES)


def test_a_state_of_a_newer_release_is_unknown_here() -> None:
    [row] = build_rows(1)
    [line] = build_content([row | {"state": "paused"}], "", NOW)["rows"]
    assert STATES[line[3]] == "unknown"


def test_versions_are_those_held_and_wanted_where_they_differ() -> None:
    [row] = build_rows(1)
    row["sources"] = [row["sources"][0] | {"held": "0123456789", "wanted": wanted} for wanted in ("0123456789", "9876")]
    row["sources"].append({"store": "parameterStore", "name": "/a"})
    assert build_content([row], "", NOW)["rows"][0][6] == [[0, "01234567"], [0, "01234567", "9876"], [1, ""]]


def run(*args: str) -> Any:  # noqa: ANN401
    return CliRunner().invoke(main, ["--mappings", str(EXAMPLES), "status", *args])


def test_the_command_writes_the_page_and_nothing_else() -> None:
    done = run("--offline", "--output", "html")
    assert done.exit_code == 0
    assert done.stderr == ""
    assert done.stdout.startswith("<!doctype html>")
    assert done.stdout.endswith("</html>\n")
    content = read_content(done.stdout)
    assert {state for _, _, _, state, *_ in content["rows"]} == {STATES.index("unknown")}
    assert {json.dumps(restart) for *_, restart in content["mappings"]} >= {'"auto"'}


def test_a_page_is_not_watched() -> None:
    done = run("--offline", "--watch", "--output", "html")
    assert done.exit_code == 2
    assert "a page shows how things were when it was made" in done.stderr
