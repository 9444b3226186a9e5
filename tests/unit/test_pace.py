"""Requests to services that count them for the whole account begin at a rate, pages and further tries too."""

from typing import Any

import boto3
import pytest

from keyferry.aws.pace import RATES, Pace, Rate
from keyferry.aws.parameter_store import list_parameters
from keyferry.aws.sessions import Sessions
from keyferry.errors import OutOfTime, Throttled
from keyferry.testing import FakeClock
from tests.unit.handlers import FakeAws

SESSION = boto3.Session("AKIAEXAMPLE", "canary-key", region_name="eu-west-1")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    """AWS, which answers at once."""
    fake = FakeAws(wait=lambda _seconds: None)
    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", fake.send)
    return fake


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch, aws: FakeAws) -> list[Rate]:
    """The rate of each request that has waited for its turn."""
    rates = list[Rate]()
    monkeypatch.setattr(Pace, "wait", lambda paced, _deadline: rates.append(paced._rate))
    return rates


def pace(clock: FakeClock) -> Pace:
    return Pace(Rate(5, 10), clock, clock.sleep)


def starts(clock: FakeClock, paced: Pace, count: int) -> list[float]:
    """Let so many requests begin, and return when each did."""
    times = []
    for _ in range(count):
        paced.wait(clock.deadline(1000))
        times.append(round(clock.now, 6))
    return times


def test_after_a_time_without_any_a_burst_begins_at_once_and_the_others_in_order(clock: FakeClock) -> None:
    paced = pace(clock)
    assert starts(clock, paced, 12) == [0.0] * 10 + [0.2, 0.4]
    clock.jump(100)
    assert starts(clock, paced, 11) == [100.4] * 10 + [100.6]


def test_no_second_has_more_than_the_rate_beyond_the_burst(clock: FakeClock) -> None:
    times = starts(clock, pace(clock), 200)
    assert max(sum(start <= time < start + 1 for time in times) for start in times) == 10 + 5 - 1
    assert all(sum(start <= time < start + 1 for time in times) <= 5 for start in times if start > 0)


def test_a_request_whose_turn_comes_after_the_deadline_is_not_waited_for_and_takes_no_turn(clock: FakeClock) -> None:
    paced = pace(clock)
    starts(clock, paced, 10)
    for _ in range(3):
        with pytest.raises(OutOfTime):
            paced.wait(clock.deadline(0.1))
    assert clock.slept == []
    assert starts(clock, paced, 1) == [0.2]


@pytest.mark.parametrize(
    ("service", "operation", "argument", "is_paced"),
    [
        ("ssm", "get_parameter", {"Name": "/a"}, True),
        ("ssm", "get_parameters", {"Names": ["/a"]}, True),
        ("ssm", "describe_parameters", {}, True),
        ("secretsmanager", "list_secrets", {}, True),
        ("secretsmanager", "batch_get_secret_value", {"SecretIdList": ["a"]}, True),
        ("secretsmanager", "get_secret_value", {"SecretId": "a"}, False),
        ("sqs", "get_queue_url", {"QueueName": "a"}, False),
    ],
)
def test_what_aws_counts_for_the_whole_account_is_paced(
    service: Any,  # noqa: ANN401  # a literal type
    operation: str,
    argument: dict[str, Any],
    waits: list[Rate],
    *,
    is_paced: bool,
) -> None:
    client = Sessions(SESSION).client(service)
    getattr(client, operation)(**argument)
    assert len(waits) == is_paced


def test_all_clients_of_a_region_take_turns(waits: list[Rate]) -> None:
    sessions = Sessions(SESSION)
    for client in (sessions.client("ssm"), sessions.client("ssm", fail_fast=True), sessions.client("ssm", "us-east-1")):
        client.describe_parameters()
    assert [region for _, region in sessions._paces] == ["eu-west-1", "us-east-1"]


def test_each_page_and_each_further_try_waits_for_its_turn(waits: list[Rate], aws: FakeAws) -> None:
    pages = iter(['{"Parameters": [], "NextToken": "1"}', '{"Parameters": [], "NextToken": "2"}', '{"Parameters": []}'])
    aws.answers = {"DescribeParameters": lambda _number: next(pages)}
    list_parameters(Sessions(SESSION).client("ssm"))
    assert waits == [RATES["ssm"]] * 3
    waits.clear()
    aws.throttles, aws.answers = True, {}
    with pytest.raises(Throttled):
        list_parameters(Sessions(SESSION).client("ssm"))
    assert waits == [RATES["ssm"]] * 2
