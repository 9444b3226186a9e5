"""Calls of AWS that hang: no work outlasts its function, and what is left comes back."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest

from keyferry.aws.pace import Pace
from keyferry.aws.sqs import DeliveryQueue
from keyferry.deadline import Deadline
from keyferry.delivery.report import Outcome, Report
from keyferry.errors import OutOfTime, Throttled, Unreachable
from keyferry.mapping.catalog import build_catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Delivery
from keyferry.runtime.compiled import COMPILED_FILE
from keyferry.runtime.wiring import Runtime
from keyferry.testing import Calls, FakeClock, FakeCluster
from tests.unit.fake_queues import FakeSqs
from tests.unit.handlers import FakeAws, context, event, failed, load_handler
from tests.unit.samples import cluster, delivery, envelope, mapping

RESERVE_SECONDS = 18
"""What functions/deliver keeps for calls that have begun, and for settling the message."""
CALL_SECONDS = 8
"""How much of that is for calls that have begun: after that a delivery apart counts as dead."""
CHAIN = ["arn:aws:iam::444455556666:role/hub", "arn:aws:iam::777788889999:role/spoke"]
SECRET, PARAMETER = {"secretsManager": "prod/db"}, {"parameterStore": "/prod/db"}
LISTS: dict[str, Callable[[int], str]] = {
    "ListSecrets": lambda number: json.dumps({"SecretList": [], "NextToken": f"page-{number}"}),
    "DescribeParameters": lambda number: json.dumps({"Parameters": [], "NextToken": f"page-{number}"}),
}
SESSION = boto3.Session("AKIAEXAMPLE", "canary-key", region_name="eu-west-1")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> FakeAws:
    """AWS, whose time is that of the clock, and a cluster that answers at once."""
    fake = FakeAws(wait=clock.jump, answers=LISTS)
    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", fake.send)
    monkeypatch.setattr(Pace, "wait", lambda *_args: None)  # which waits by another clock
    known = FakeCluster("payments").client(Calls())
    monkeypatch.setattr(Runtime, "connect", lambda *_args: known)
    return fake


def reading(source: dict[str, Any]) -> SecretMapping:
    """Return a mapping with one source."""
    content: dict[str, Any] = {"dataFrom": [{"from": "db"}], "data": {}} if "find" in source else {}
    return mapping(sources={"db": source}, **content)


@pytest.mark.parametrize(
    ("source", "silent", "requests"),
    [
        (SECRET, "secretsmanager", ["GetSecretValue"]),
        (PARAMETER, "ssm", ["GetParameter"]),
        (SECRET | {"role": CHAIN}, "sts", ["AssumeRole"]),
        (SECRET | {"failover": ["us-east-1", "eu-central-1"]}, "secretsmanager", ["GetSecretValue"]),
    ],
    ids=["a secret", "a parameter", "a chain of roles", "failover"],
)
def test_after_the_deadline_a_call_that_hung_is_not_tried_again_nor_is_another_begun(
    source: dict[str, Any], silent: str, requests: Sequence[str], aws: FakeAws, clock: FakeClock
) -> None:
    aws.silent = {silent}
    runtime = Runtime(
        {"AWS_LAMBDA_FUNCTION_NAME": "keyferry-deliver"},
        build_catalog([reading(source)], [cluster("prod-eu")]),
        SESSION,
    )
    report = runtime.deliver(delivery(), clock.deadline(3))
    assert [type(error) for error in report.errors] == [OutOfTime]
    assert aws.requests == requests
    assert clock.now < 3 + CALL_SECONDS


@pytest.mark.parametrize("store", ["secretsManager", "parameterStore"])
def test_a_find_with_pages_without_end_ends_at_the_deadline(store: str, aws: FakeAws, clock: FakeClock) -> None:
    source = {"find": store, "path": "/prod"}
    runtime = Runtime({}, build_catalog([reading(source)], [cluster("prod-eu")]), SESSION)
    report = runtime.deliver(delivery(), clock.deadline(20))
    assert [type(error) for error in report.errors] == [OutOfTime]
    assert len(aws.requests) == 40  # each takes half a second
    assert clock.now <= 20


@pytest.mark.parametrize("source", [SECRET, PARAMETER, SECRET | {"role": CHAIN}])
def test_with_time_left_a_service_that_hangs_is_tried_twice_and_takes_less_than_the_reserve(
    source: dict[str, Any], aws: FakeAws, clock: FakeClock
) -> None:
    aws.silent = {"secretsmanager", "ssm", "sts"}
    runtime = Runtime({}, build_catalog([reading(source)], [cluster("prod-eu")]), SESSION)
    report = runtime.deliver(delivery(), clock.deadline(100))
    assert [type(error) for error in report.errors] == [Unreachable]
    assert (len(aws.requests), clock.now < RESERVE_SECONDS) == (2, True)


def test_a_new_work_has_a_deadline_of_its_own(aws: FakeAws, clock: FakeClock) -> None:
    runtime = Runtime({}, build_catalog([reading(SECRET)], [cluster("prod-eu")]), SESSION)
    aws.silent = {"secretsmanager"}
    for seconds, kind in ((3, OutOfTime), (100, Unreachable), (3, OutOfTime)):
        assert [type(error) for error in runtime.deliver(delivery(), clock.deadline(seconds)).errors] == [kind]


def compiled(folder: Path, *mappings: SecretMapping, clusters: int = 1) -> str:
    """Write the compiled mappings, and return their folder."""
    places = [cluster("prod-eu"), *(cluster(f"c{number}") for number in range(1, clusters))]
    text = build_catalog(mappings, places).model_dump_json(by_alias=True, exclude_defaults=True)
    (folder / COMPILED_FILE).write_text(text)
    return str(folder)


@pytest.mark.parametrize(
    ("source", "silent"),
    [
        (SECRET, "secretsmanager"),
        (PARAMETER, "ssm"),
        (SECRET | {"role": CHAIN}, "sts"),
        ({"find": "secretsManager", "path": "/prod"}, ""),
    ],
    ids=["a secret", "a parameter", "a chain of roles", "pages without end"],
)
def test_deliver_hides_the_message_whose_call_hung_and_it_comes_back(
    source: dict[str, Any], silent: str, aws: FakeAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    aws.silent, aws.wait = {silent}, lambda seconds: time.sleep(seconds / 20)
    handler = load_handler("deliver", monkeypatch, KEYFERRY_MAPPINGS=compiled(tmp_path, reading(source)))
    answer = handler(event(delivery().to_json()), context(RESERVE_SECONDS + 0.2))
    assert failed(answer) == ["m0"]
    assert len(aws.requests) < 12
    assert aws.requests[-1] == "ChangeMessageVisibility"  # also after the deadline


def test_a_delivery_that_comes_back_and_hangs_again_is_no_death_of_the_function(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    aws.silent, aws.wait = {"secretsmanager"}, lambda seconds: time.sleep(seconds / 20)
    handler = load_handler("deliver", monkeypatch, KEYFERRY_MAPPINGS=compiled(tmp_path, reading(SECRET)))
    answer = handler(event(delivery().to_json(), attempt=2), context(RESERVE_SECONDS + 0.2))
    assert failed(answer) == ["m0"]
    assert aws.requests == ["ChangeMessageVisibility"]  # of this process: the delivery ran in one of its own


@pytest.mark.parametrize(("late", "told"), [(1.0, ["PutEvents"]), (4.0, [])])
def test_what_was_written_when_the_time_ran_out_is_told_as_long_as_that_delays_no_settlement(
    late: float, told: list[str], aws: FakeAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A try of PutEvents takes 4.5 seconds at most: connecting 1.5, reading 3."""

    def deliver(runtime: Runtime, asked: Delivery, deadline: Deadline, **_: object) -> Report:
        runtime.limit(deadline)
        return Report(asked, (Outcome("payments", "updated"),), error=OutOfTime())

    aws.answers = {"PutEvents": lambda _: '{"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}'}
    monkeypatch.setattr(Runtime, "deliver", deliver)
    handler = load_handler("deliver", monkeypatch, KEYFERRY_MAPPINGS=compiled(tmp_path, reading(SECRET)))
    assert failed(handler(event(delivery().to_json()), context(RESERVE_SECONDS - late))) == ["m0"]
    assert aws.requests == [*told, "ChangeMessageVisibility"]


def test_route_sends_what_it_can_of_ten_events_for_a_thousand_targets_and_the_others_come_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, aws: FakeAws
) -> None:
    wanted = [mapping(f"m{number:03}", clusters=[f"c{one}" for one in range(1, 11)]) for number in range(100)]
    folder = compiled(tmp_path, *wanted, clusters=11)
    handler = load_handler("route", monkeypatch, KEYFERRY_MAPPINGS=folder)
    sqs = FakeSqs(before=lambda: time.sleep(0.005))
    monkeypatch.setattr(Runtime, "queue", DeliveryQueue(sqs.client, "deliveries"))
    moved = {"name": "prod/payments/db", "labelUpdated": "AWSCURRENT", "versionId": "v2"}
    bodies = [
        json.dumps(envelope("Secret Label Updated", "aws.secretsmanager", moved) | {"id": f"event-{number}"})
        for number in range(10)
    ]

    first = failed(handler(event(*bodies), context(20.2)))
    assert first[-1] == "m9"  # came back
    assert aws.requests == ["ChangeMessageVisibility"] * len(first)
    assert len(sqs.kept.get("deliveries", [])) < 10_000

    assert failed(handler(event(*bodies), context(60))) == []
    assert len(sqs.kept["deliveries"]) == 10_000


def test_a_service_that_asks_to_slow_down_is_not_waited_for_after_the_deadline(
    aws: FakeAws, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", clock.sleep)
    runtime = Runtime({}, build_catalog([reading(SECRET)], [cluster("prod-eu")]), SESSION)
    aws.throttles = True
    for seconds, kind in ((0.5001, OutOfTime), (100, Throttled)):
        assert [type(error) for error in runtime.deliver(delivery(), clock.deadline(seconds)).errors] == [kind]
