"""Events become deliveries on the queue, and what is no change is told and counted."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.delivery.report import MAX_LISTED
from keyferry.errors import Unreachable
from keyferry.mapping.catalog import build_catalog
from keyferry.pipeline.route import plan_deliveries, route
from tests.unit.fake_queues import FakeQueue
from tests.unit.samples import cluster, envelope, mapping
from tests.unit.stack import ROOT

CATALOG = build_catalog(
    [mapping("a", clusters=["prod-eu", "prod-us"]), mapping("b", clusters=["prod-us"])],
    [cluster("prod-eu"), cluster("prod-us")],
)


EVENT = {
    "event_id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
    "event_time": "2026-11-24T12:00:00.000+00:00",
    "account": "111122223333",
    "region": "eu-west-1",
    "names": ["prod/payments/db"],
}
"""What each line has of an event of the one secret."""


def moved(name: str = "prod/payments/db", label: str = "AWSCURRENT") -> dict[str, Any]:
    detail = {"name": name, "labelUpdated": label, "versionId": "version-2"}
    return envelope("Secret Label Updated", "aws.secretsmanager", detail)


def test_a_change_sends_one_delivery_for_each_mapping_and_cluster() -> None:
    queue = FakeQueue()
    routed = route(moved(), CATALOG, queue.send)
    assert [each.group for each in queue.sent] == ["a/prod-eu", "a/prod-us", "b/prod-us"]
    assert {version for each in queue.sent for version in each.versions.values()} == {"version-2"}
    assert routed.deliveries == tuple(queue.sent)
    assert routed.metrics() == {"ChangesSeen": 1, "ChangesUnmapped": 0}
    assert routed.log_fields() == {
        **EVENT,
        "change": "updated",
        "store": "secretsmanager",
        "label": "AWSCURRENT",
        "version": "version-2",
        "deliveries": ["a/prod-eu", "a/prod-us", "b/prod-us"],
        "count": 3,
    }


def test_a_change_that_no_mapping_names_is_a_counted_no_op() -> None:
    queue = FakeQueue()
    routed = route(moved("other"), CATALOG, queue.send)
    assert queue.sent == []
    assert routed.metrics() == {"ChangesSeen": 1, "ChangesUnmapped": 1}


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (None, "not an event"),
        (envelope("x", "aws.ec2", {}), "other source"),
        (envelope("x", "aws.ssm", {}), "no change"),
    ],
)
def test_what_is_no_change_sends_nothing_and_says_why(event: object, reason: str) -> None:
    queue = FakeQueue()
    routed = route(event, CATALOG, queue.send)
    assert queue.sent == []
    assert routed.metrics() == {"ChangesIgnored": 1}
    assert routed.log_fields()["ignored"] == reason


def test_which_event_is_ignored_is_told_with_what_it_is_about() -> None:
    fields = route(moved(label="AWSPENDING"), CATALOG, FakeQueue().send).log_fields()
    assert fields == EVENT | {"ignored": "no change", "detail": "Secret Label Updated: AWSPENDING"}
    call = envelope("AWS API Call via CloudTrail", "aws.secretsmanager", {"eventName": "DeleteSecret"})
    call["detail"] |= {"errorCode": "AccessDenied", "requestParameters": {"secretId": "prod/payments/db"}}
    assert route(call, CATALOG, FakeQueue().send).log_fields()["names"] == ["prod/payments/db"]
    parameter = envelope("Parameter Store Change", "aws.ssm", {"name": "/db", "operation": "Create", "exception": "x"})
    assert route(parameter, CATALOG, FakeQueue().send).log_fields()["names"] == ["db"]
    assert route(None, CATALOG, FakeQueue().send).log_fields().keys() == {"ignored", "detail"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sources": {"db": {"secretsManager": "prod/payments/db", "label": "BLUE"}}}, "it reads the label BLUE, and"),
        ({"clusters": {"matchLabels": {"env": "none"}}}, "it has no cluster"),
        (
            {"sources": {"db": {"secretsManager": "${cluster}/${namespace}/db"}}, "namespaces": ["payments"]},
            "it does not go to payments in prod",
        ),
    ],
)
def test_a_source_that_the_event_names_and_that_gets_no_delivery_is_told_with_the_reason(
    changes: dict[str, Any], why: str
) -> None:
    catalog = build_catalog([mapping("a", **changes)], [cluster("prod-eu")])
    fields = route(moved(), catalog, FakeQueue().send).log_fields()
    assert fields["count"] == 0
    [rejected] = fields["rejected"]
    assert (rejected["mapping"], rejected["source"], rejected["not"].startswith(why)) == ("a", "db", True)


def test_what_is_said_of_an_ignored_event_is_short() -> None:
    assert len(route(envelope("x" * 10_000, "aws.ssm", {}), CATALOG, FakeQueue().send).log_fields()["detail"]) == 200


def test_a_failed_rotation_delivers_nothing_and_is_counted() -> None:
    detail = {"eventName": "RotationFailed", "additionalEventData": {"SecretId": "prod/payments/db"}}
    queue = FakeQueue()
    routed = route(envelope("AWS Service Event via CloudTrail", "aws.secretsmanager", detail), CATALOG, queue.send)
    assert queue.sent == []
    assert routed.metrics() == {"ChangesSeen": 1, "ChangesUnmapped": 0, "RotationsFailed": 1}
    fields = routed.log_fields()
    assert fields["change"] == "rotation failed"
    why = "a failed rotation leaves the current value as it was"
    assert fields["rejected"] == [{"mapping": name, "source": "db", "not": why} for name in "ab"]


def test_a_line_lists_some_deliveries_and_counts_all() -> None:
    many = build_catalog([mapping(f"m{number:03}") for number in range(120)], [cluster("prod-eu")])
    fields = plan_deliveries(moved(), many).log_fields()
    assert (len(fields["deliveries"]), fields["count"]) == (MAX_LISTED, 120)


def test_a_delivery_that_cannot_be_sent_fails_the_event() -> None:
    with pytest.raises(Unreachable):
        route(moved(), CATALOG, FakeQueue(failure=Unreachable("no answer")).send)


def test_explaining_sends_nothing_and_finds_the_same() -> None:
    assert plan_deliveries(moved(), CATALOG) == route(moved(), CATALOG, FakeQueue().send)


@given(
    st.dictionaries(
        st.sampled_from(["name", "labelUpdated", "versionId", "eventName", "requestParameters"]),
        st.none() | st.text() | st.sampled_from(["prod/payments/db", "AWSCURRENT"]),
    )
)
def test_no_event_of_ours_makes_it_fail(detail: dict[str, Any]) -> None:
    route(moved() | {"detail": moved()["detail"] | detail}, CATALOG, FakeQueue().send)


@pytest.mark.parametrize(
    ("sample", "by"),
    [
        ("put-secret-value-from-the-console", "arn:aws:iam::111122223333:user/ana"),
        ("rotation-failed", "secretsmanager.amazonaws.com"),
        ("secret-label-updated", None),
        ("parameter-updated", None),
    ],
)
def test_who_made_the_call_is_logged_where_the_event_names_somebody(sample: str, by: str | None) -> None:
    event = json.loads((ROOT / f"events/{sample}.json").read_text())
    assert plan_deliveries(event, CATALOG).log_fields().get("by") == by


@pytest.mark.parametrize("identity", ["ana", {"arn": 7}, {"arn": "a\x1b[31m"}, {"arn": "a" * 3000}, {}])
def test_an_identity_of_another_form_is_nobody(identity: object) -> None:
    event = json.loads((ROOT / "events/put-secret-value-from-the-console.json").read_text())
    event["detail"]["userIdentity"] = identity
    fields = plan_deliveries(event, CATALOG).log_fields()
    assert (fields["change"], "by" in fields) == ("updated", False)
