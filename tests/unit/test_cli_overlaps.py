"""Two mappings of one Secret are refused where that is known, and told of where it depends on namespaces' labels."""

from pathlib import Path

import pytest

from keyferry.cli.check import files
from keyferry.cli.check.problems import InvalidFiles
from tests.unit.test_files import CLUSTERS, MAPPING


def judged(folder: Path, one: str, other: str) -> tuple[str, str]:
    """Return the level of what is said of two mappings that choose namespaces so, and its text; neither if nothing."""
    (folder / "clusters.yaml").write_text(CLUSTERS)
    (folder / "a.yaml").write_text(MAPPING.replace("[payments]", one))
    other = MAPPING.replace("name: payments-db\nspec", "name: other\nspec").replace("[payments]", other)
    (folder / "b.yaml").write_text(other)
    try:
        problems = files.check(folder)[1]
    except InvalidFiles as error:
        problems = error.problems
    if not problems:
        return "", ""
    [found] = problems
    assert (Path(found.file).name, found.line, found.column) == ("b.yaml", 11, 11)
    assert found.message.startswith(f"mapping payments-db ({folder}/a.yaml:11) ")
    return found.level, found.message


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("[payments]", "[shop, payments]"),
        ("[payments]", "{names: [pay*]}"),
        ('{names: ["*-db", "pay*"]}', "[payments]"),
        ("[shop, {names: [pay*]}]", "[payments]"),
        ("{matchLabels: {team: a}}", "{matchLabels: {team: a}}"),
        ("{matchLabels: {team: a}}", "{matchLabels: {team: a, tier: web}}"),
        ("{matchLabels: {team: a}}", "{matchLabels: {team: a}, names: [pay*]}"),
        ("{matchLabels: {team: a}}", "{matchExpressions: [{key: team, operator: In, values: [a]}]}"),
        ("{names: [pay*]}", "{names: [payments-*], matchLabels: {team: a}}"),
        ("{names: [pay*], exclude: ['*-x']}", "{names: [pay*], exclude: ['*-x', 'y-*']}"),
        ('{names: ["*"]}', "{matchLabels: {team: a}}"),
    ],
)
def test_mappings_that_surely_write_one_secret_are_refused(tmp_path: Path, one: str, other: str) -> None:
    level, message = judged(tmp_path, one, other)
    assert level == "error"
    assert "writes Secret payments-db in" in message
    assert message.endswith("give one of them another name, or make one mapping of both")
    assert judged(tmp_path, other, one)[0] == "error"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{matchLabels: {team: a}}", "{matchLabels: {tier: web}}"),
        ("{matchLabels: {team: a}}", "[payments]"),
        ("{matchLabels: {team: a}, names: [pay*]}", "[payments]"),
        ("{names: [pay*]}", '{names: ["*-db"]}'),
        ("{names: [pay*], exclude: [pay-x]}", "{names: [pay-*]}"),
        ("{matchExpressions: [{key: t, operator: NotIn, values: [a]}]}", "{matchLabels: {t: b}}"),
        (
            "{matchExpressions: [{key: t, operator: NotIn, values: [a]}]}",
            "{matchExpressions: [{key: t, operator: DoesNotExist}]}",
        ),
    ],
)
def test_mappings_that_may_write_one_secret_are_told_of(tmp_path: Path, one: str, other: str) -> None:
    level, message = judged(tmp_path, one, other)
    assert level == "warning"
    assert "can write Secret payments-db too, in namespaces of cluster prod-eu that both choose." in message
    assert judged(tmp_path, other, one)[0] == "warning"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("[payments]", "[shop]"),
        ("[payments]", "{names: [shop*]}"),
        ("[payments]", "{matchLabels: {team: a}, exclude: [pay*]}"),
        ("{names: [pay*]}", "{names: [shop*]}"),
        ("{names: [pay-*]}", "{names: [pay*], exclude: [pay-*]}"),
        ("{matchLabels: {team: a}}", "{matchLabels: {team: b}}"),
        ("{matchLabels: {t: a}}", "{matchExpressions: [{key: t, operator: NotIn, values: [a, b]}]}"),
        ("{matchLabels: {t: a}}", "{matchExpressions: [{key: t, operator: In, values: [b, c]}]}"),
        ("{matchLabels: {t: a}}", "{matchExpressions: [{key: t, operator: DoesNotExist}]}"),
        (
            "{matchExpressions: [{key: t, operator: Exists}]}",
            "{matchExpressions: [{key: t, operator: DoesNotExist}]}",
        ),
    ],
)
def test_mappings_that_never_meet_are_right(tmp_path: Path, one: str, other: str) -> None:
    assert judged(tmp_path, one, other) == judged(tmp_path, other, one) == ("", "")


def test_a_mapping_does_not_meet_itself(tmp_path: Path) -> None:
    (tmp_path / "clusters.yaml").write_text(CLUSTERS)
    chosen = "[payments, payments, {names: [pay*]}, {matchLabels: {team: a}}]"
    (tmp_path / "a.yaml").write_text(MAPPING.replace("[payments]", chosen))
    assert files.check(tmp_path)[1] == []
