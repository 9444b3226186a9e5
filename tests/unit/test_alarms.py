"""Alarms by owner and by cluster: each has its own, up to 50; all others share one."""

from typing import Any

import pytest

from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.pipeline.alerts.alarms import MAX_ALARMS, build_template, choose_dimension
from keyferry.pipeline.alerts.failures import Metric
from tests.unit.samples import cluster, mapping


def owned(*teams: str) -> Catalog:
    mappings = [mapping(f"m{number}", owner={"team": team}) for number, team in enumerate(teams)]
    return build_catalog(mappings, [cluster(), cluster("prod-us")])


def dimensions(template: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the dimensions of the alarms beside the service."""
    alarms = [alarm["Properties"] for alarm in template["Resources"].values()]
    return [(alarm["Dimensions"][1]["Name"], alarm["Dimensions"][1]["Value"]) for alarm in alarms]


def count(by: Catalog, noun: str, value: str) -> tuple[str, str]:
    name = "Failures" if noun == "owner" else "ClusterUnavailable"
    return choose_dimension(by, Metric(name, 1, (noun, value))).dimension


def test_each_owner_and_each_cluster_has_an_alarm_and_all_others_have_one() -> None:
    by = owned("payments", "search", "payments")
    wanted = [("owner", "payments"), ("owner", "search"), ("owner", "others")]
    wanted += [("cluster", name) for name in sorted(by.clusters)]
    assert dimensions(build_template(by)) == wanted
    assert [count(by, *dimension) for dimension in wanted] == wanted


def test_what_has_no_alarm_of_its_own_counts_for_the_others() -> None:
    by = owned("payments")
    assert count(by, "owner", "") == count(by, "owner", "unknown") == ("owner", "others")
    assert count(by, "cluster", "gone") == ("cluster", "others")


def test_the_51st_owner_counts_for_the_others() -> None:
    by = owned(*(f"team-{number:02}" for number in range(MAX_ALARMS + 1)))
    assert sum(noun == "owner" for noun, _ in dimensions(build_template(by))) == MAX_ALARMS + 1
    assert count(by, "owner", "team-49") == ("owner", "team-49")
    assert count(by, "owner", "team-50") == ("owner", "others")


@pytest.mark.parametrize("team", ["équipe", ": colon", "others", "${AWS::Region}"])
def test_any_name_of_a_team_makes_an_alarm_that_cloudwatch_takes(team: str) -> None:
    by = owned(team)
    for noun, value in dimensions(build_template(by)):
        assert value.isascii(), noun
        assert not value.startswith(":")
    for alarm in build_template(by)["Resources"].values():
        assert "${AWS" not in alarm["Properties"]["AlarmName"]["Fn::Sub"]
    assert count(by, "owner", team) in dimensions(build_template(by))


def test_a_cluster_that_is_called_like_the_others_has_an_alarm() -> None:
    by = build_catalog([mapping(clusters=["others"])], [cluster("others")])
    assert count(by, "cluster", "others") in dimensions(build_template(by))


def test_an_alarm_names_its_team_and_where_to_reach_it() -> None:
    by = build_catalog([mapping(owner={"team": "payments", "contact": "#payments-oncall"})], [cluster()])
    alarms = [alarm["Properties"] for alarm in build_template(by)["Resources"].values()]
    assert "payments (#payments-oncall)" in alarms[0]["AlarmDescription"]
