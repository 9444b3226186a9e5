"""What `keyferry expiring` says of certificates, rotations and values."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from keyferry.cli import main
from keyferry.cli.commands.look import expiring as command
from keyferry.cli.duration import Duration
from keyferry.cli.expiry import list_expiries

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def day(days: int) -> str:
    """Return the time so many days from now."""
    return (NOW + timedelta(days=days)).isoformat()


def row(namespace: str, source: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a row as `report` answers with it."""
    known = {"mapping": "db", "cluster": "eu", "namespace": namespace, "secret": "db", "state": "right"}
    return {
        **known,
        "sources": [{"alias": "db", "store": "secretsmanager", "name": "prod/db", **(source or {})}],
        **more,
    }


def told(*rows: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return what is told, in order."""
    expiries = list_expiries(rows, NOW, timedelta(days=30))
    return [(each.what, each.name, each.state, f"{each.time:%m-%d}" if each.time else "") for each in expiries]


def test_certificates_that_end_in_time_are_told_by_date() -> None:
    ends = {"a": 29, "b": 31, "c": -1, "d": 30}
    assert told(*(row(name, certificateExpires=day(days)) for name, days in ends.items()), row("e")) == [
        ("certificate", "eu/c/db", "has expired", "11-23"),
        ("certificate", "eu/a/db", "expires", "12-23"),
        ("certificate", "eu/d/db", "expires", "12-24"),
    ]


@pytest.mark.parametrize(
    ("rotation", "said"),
    [
        ({"on": True, "next": day(1)}, []),
        ({"on": True}, []),
        ({"on": True, "next": day(-1), "last": day(-31)}, [("rotation", "prod/db", "overdue", "11-23")]),
        ({"on": False, "last": day(-31)}, [("rotation", "prod/db", "off", "10-24")]),
        ({"on": False}, [("rotation", "prod/db", "off", "")]),
    ],
)
def test_a_rotation_that_is_overdue_or_off_is_told(rotation: dict[str, Any], said: list[Any]) -> None:
    assert told(row("a", {"rotation": rotation})) == said


def test_a_source_is_told_once_with_all_that_is_made_from_it_the_oldest_value_first() -> None:
    newer = {"name": "prod/new", "changed": day(-2)}
    rows = [row("b", {"changed": day(-9)}), row("a", {"changed": day(-9)}), row("c", newer)]
    expiries = list_expiries(rows, NOW, timedelta(days=30))
    assert [each.as_dict() for each in expiries] == [
        {
            "what": "value",
            "name": "prod/db",
            "state": "last changed",
            "time": day(-9),
            "targets": ["eu/a/db", "eu/b/db"],
        },
        {"what": "value", "name": "prod/new", "state": "last changed", "time": day(-2), "targets": ["eu/c/db"]},
    ]


def test_a_source_that_aws_does_not_list_does_not_drop_out() -> None:
    gone = row("a", {"missing": True})
    assert told(gone, row("b", {"name": "prod/new", "changed": day(-2)})) == [
        ("value", "prod/new", "last changed", "11-22"),
        ("value", "prod/db", "missing", ""),
    ]


def test_totals_end_the_table_and_what_was_never_rotated_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    off = {"rotation": {"on": False}, "changed": day(-9)}
    rotated = {"name": "prod/new", "rotation": {"on": False, "last": day(-31)}}
    page = {"rows": [row("a", off, certificateExpires=day(-1)), row("b", rotated), row("c", off)]}
    monkeypatch.setattr(command, "open_stack", lambda *_: type("Stack", (), {"ask": lambda *_: [page]})())
    lines = CliRunner().invoke(main, ["expiring"]).stdout.splitlines()
    assert lines[-1] == "1 certificate: 1 has expired; 2 rotations: 2 off; 1 value: 1 last changed"
    states = [line.split("  ")[2:] for line in lines if "rotated" in line]
    assert ["off, never rotated" in str(state) for state in states] == [False, True]
    assert "off, last rotated" in str(states[0])


def ask(monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]], *args: str) -> Result:
    """Run the command against a stack with these targets."""
    stack = type("Stack", (), {"ask": lambda *_: [{"rows": rows}]})()
    monkeypatch.setattr(command, "open_stack", lambda *_: stack)
    return CliRunner().invoke(main, ["expiring", *args])


def in_days(days: int) -> str:
    """Return the time so many days after the real one."""
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"certificateExpires": in_days(29)}, 1),
        ({"certificateExpires": in_days(-1)}, 1),
        ({"certificateExpires": in_days(31)}, 0),
        ({"source": {"rotation": {"on": True, "next": in_days(-1)}}}, 1),
        ({"source": {"rotation": {"on": False}}}, 0),
        ({"source": {"changed": in_days(-900)}}, 0),
    ],
)
def test_what_ends_within_thirty_days_or_is_overdue_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], code: int
) -> None:
    assert ask(monkeypatch, [row("a", **more)]).exit_code == code


def test_how_soon_a_certificate_expires_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row("a", certificateExpires=in_days(50))]
    assert [ask(monkeypatch, rows, "--within", text).exit_code for text in ("49d", "8w")] == [0, 1]


def test_the_json_has_what_the_table_has(monkeypatch: pytest.MonkeyPatch) -> None:
    expires = day(-9)
    answer = json.loads(ask(monkeypatch, [row("a", certificateExpires=expires)], "--output", "json").stdout)
    assert answer == {"expiries": [{"what": "certificate", "name": "eu/a/db", "state": "has expired", "time": expires}]}


def test_a_source_is_one_by_its_store_its_region_and_its_name_and_a_secret_is_named_once() -> None:
    sources = [{"alias": str(number), "store": "ssm", "name": "db", "changed": day(-9)} for number in range(2)]
    other = [{**sources[0], "store": "secretsmanager"}, {**sources[0], "region": "us-east-1"}]
    expiries = list_expiries([row("a") | {"sources": [*sources, *other]}], NOW, timedelta(days=30))
    assert [(each.name, each.targets) for each in expiries] == [("db", ("eu/a/db",))] * 3


@pytest.mark.parametrize(("text", "days"), [("30d", 30), ("4w", 28), ("48h", 2), ("1440m", 1)])
def test_a_time_span_is_a_number_with_a_unit(text: str, days: int) -> None:
    assert Duration().convert(text, None, None) == timedelta(days=days)


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "1.5d", "30 d", "30s", "999999w"])
def test_another_time_span_is_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"write a number with m \(minutes\), h, d or w, as 30d"):
        Duration().convert(text, None, None)


def test_what_is_not_known_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    away = {"rows": [row("", state="unknown", why="no answer"), row("a", state="unknown")]}
    stack = type("Stack", (), {"ask": lambda *_: [away]})()
    monkeypatch.setattr(command, "open_stack", lambda *_: stack)
    result = CliRunner().invoke(main, ["expiring"])
    assert (result.exit_code, result.stdout) == (0, "nothing\n")
    assert result.stderr == "warning: not known of 2 targets; `keyferry status` says why\n"
    named = CliRunner().invoke(main, ["--mappings", "teams", "expiring", "--stack", "staging"])
    assert "`keyferry --mappings teams status --stack staging` says why" in named.stderr
    assert "not known of 1 target;" in ask(monkeypatch, [row("", state="unknown")]).stderr
