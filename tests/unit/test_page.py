"""The page of `keyferry status --output html` as text; what a browser makes of it, `make test-page` says."""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from keyferry.cli import main
from keyferry.cli.commands.look import status as command
from keyferry.cli.page.content import STATES, build_content
from keyferry.cli.page.render import render_page
from keyferry.cli.states import RIGHT
from tests.page.sample import MEAN, NOW, build_mean_row, build_rows
from tests.unit.shown import FakeStack, deploy

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


def test_totals_are_there_without_the_script_the_worst_state_first() -> None:
    rows = [build_row(), *[build_row(state="failed")] * 1_200, build_row(state="stale")]
    page = render_page(rows, "keyferry", NOW)
    totals = re.findall(r'data-state="([^"]*)" aria-pressed="\w+"><b>([\d,]+)</b> ([^<]+)</button>', page)
    assert totals == [
        ("", "1,202", "targets"),
        ("failed", "1,200", "failed"),
        ("stale", "1", "stale"),
        ("right", "1", "right"),
    ]
    assert "<b>1</b> target</button>" in render_page([build_row()], "", NOW)


def test_the_page_says_whom_it_is_of_and_when_it_was_looked_at() -> None:
    page = render_page([], "keyferry", NOW)
    assert "<title>Keyferry status of keyferry</title>" in page
    assert '<h1>Keyferry status <span class="stack">keyferry</span></h1>' in page
    assert '<time datetime="2026-11-29T12:00:00+00:00">2026-11-29 12:00 UTC</time>' in page
    assert "need JavaScript" in page
    assert "it shows how things were when it was made" in page
    assert '<meta name="referrer" content="no-referrer">' in page
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    alone = render_page([], "", NOW)
    assert "<title>Keyferry status</title>" in alone
    assert "<h1>Keyferry status</h1>" in alone


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


def build_row(name: str = "db", **more: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    """Return a target, with the same text in all its names."""
    known = {"mapping": name, "cluster": name, "namespace": name, "secret": name, "state": "right"}
    return known | {"sources": [{"store": "ssm", "name": name}]} | more


def test_the_data_are_what_status_says_of_each_target() -> None:
    held = {"store": "secretsmanager", "name": "prod/db", "region": "eu-west-1", "held": "0123456789 (AWSCURRENT)"}
    failed = build_row(
        cluster="prod-eu",
        namespace="payments",
        state="failed",
        why="new version of db",
        error="Conflict: stop helm",
        at="mappings/db.yaml:3",
        failed="2026-11-29T11:58:00+00:00",
        nextTry="2026-11-29T12:03:00+00:00",
        since="2026-11-29T11:00:00+00:00",
        owner={"team": "payments", "contact": "#payments"},
        restart=["Deployment/api"],
        sources=[held | {"wanted": "9876543210 (AWSCURRENT)", "changed": "2026-11-28T12:00:00+00:00"}],
    )
    gone = build_row(state="gone", why="the Secret is missing", restart="none", owner={"team": "shop"})
    assert build_content([failed, gone, build_row(why="by hand")], "keyferry", NOW) == {
        "stack": "keyferry",
        "time": "2026-11-29T12:00:00+00:00",
        "states": STATES,
        "clusters": ["prod-eu", "db"],
        "mappings": [
            ("db", "db", "payments (#payments)", ("Deployment/api",)),
            ("db", "db", "shop", "none"),
            ("db", "db", "", None),
        ],
        "sources": [("secretsmanager", "prod/db", "eu-west-1"), ("ssm", "db", "")],
        "causes": [
            {
                "text": "Conflict: stop helm",
                "at": "mappings/db.yaml:3",
                "failed": "2026-11-29T11:58:00+00:00",
                "nextTry": "2026-11-29T12:03:00+00:00",
            },
            {"text": "the Secret is missing", "at": "", "failed": "", "nextTry": ""},
        ],
        "rows": [
            [0, 0, "payments", 1, "2026-11-29T11:00:00+00:00", 0, [[0, "01234567", "98765432"]]],
            [1, 1, "db", 2, "", 1, [[1, ""]]],
            [2, 1, "db", 7, "", -1, [[1, ""]]],
        ],
        "expiries": [["value", "prod/db", "last changed", "2026-11-28T12:00:00+00:00", 1, ["prod-eu/payments/db"]]],
    }


def test_a_next_try_that_is_past_is_left_out_and_when_it_failed_is_told() -> None:
    times = {"failed": "2026-11-28T21:00:00+00:00", "nextTry": "2026-11-28T21:05:00+00:00"}
    [cause] = build_content([build_row(state="failed", error="Forbidden: no", **times)], "", NOW)["causes"]
    assert (cause["failed"], cause["nextTry"]) == (times["failed"], "")


def test_every_certificate_and_rotation_is_there_and_of_its_secrets_three() -> None:
    rotation = {"store": "secretsmanager", "name": "prod/db", "rotation": {"on": False}}
    missing = {"store": "secretsmanager", "name": "prod/gone", "missing": True}
    rows = [build_row(namespace=f"n{number}", sources=[rotation, missing]) for number in range(5)]
    late = build_row(certificateExpires="2036-11-29T12:00:00+00:00")
    assert build_content([*rows, late], "", NOW)["expiries"] == [
        ["certificate", "db/db/db", "expires", "2036-11-29T12:00:00+00:00", 0, []],
        ["rotation", "prod/db", "off", "", 5, ["db/n0/db", "db/n1/db", "db/n2/db"]],
    ]


def test_no_text_of_the_data_has_what_is_not_printable() -> None:
    bad = "a\x1b[31m\u202eb"
    owner, rotation = {"team": bad, "contact": bad}, {"rotation": {"on": False}}
    source = {"store": "secretsmanager", "name": bad, "held": bad, "wanted": f"x{bad}"}
    row = build_row(bad, state="failed", error=bad, at=bad, owner=owner, restart=[bad], sources=[source | rotation])
    content = build_content([row], bad, NOW)
    text = json.dumps(content)
    assert (r"\u001b" in text, r"\u202e" in text) == (False, False)


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
    row["sources"].append({"store": "parameterStore", "name": "/b", "held": "3@2026-11-01", "wanted": "4@2026-11-02"})
    row["sources"].append({"store": "parameterStore", "name": "/b", "held": "3@2026-11-01"})
    assert build_content([row], "", NOW)["rows"][0][6] == [
        [0, "01234567"],
        [0, "01234567", "9876"],
        [1, ""],
        [2, "3", "4"],
        [2, "3"],
    ]


def run(*args: str) -> Any:  # noqa: ANN401
    return CliRunner().invoke(main, ["--mappings", str(EXAMPLES), "status", *args])


def test_the_command_writes_the_page_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "open_session", lambda _region: None)
    deploy(monkeypatch, "status", FakeStack(build_rows(20)))
    done = run("--output", "html")
    assert done.exit_code == 1  # not all of them are right
    assert done.stderr == ""
    assert done.stdout.startswith("<!doctype html>")
    assert done.stdout.endswith("</html>\n")
    content = read_content(done.stdout)
    assert (content["stack"], len(content["rows"])) == ("keyferry", 20)


def test_a_page_of_states_is_not_made_offline() -> None:
    done = run("--offline", "--output", "html")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--output html shows states, and --offline knows none: leave one of them out" in done.stderr


def test_a_page_is_not_watched() -> None:
    done = run("--watch", "--output", "html")
    assert done.exit_code == 2
    assert "a page shows how things were when it was made" in done.stderr
