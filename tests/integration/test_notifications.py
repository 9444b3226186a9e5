"""What owners are told of a stack at work, by a rule of their own on the default bus; and in whose name it may tell."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from jsonschema import Draft202012Validator

from keyferry.cli.reference.schemas import build_event_schema
from keyferry.model import Delivery
from keyferry_local.cloud import ACCOUNT
from keyferry_local.install import STACK, Installation
from keyferry_local.watch import until
from keyferry_local.world import DATABASE, database
from tests.integration.deployed import PATIENCE_SECONDS, Deployed, now
from tests.unit.guide_blocks import list_blocks

TEMPLATE_OF_MAIL = "Mail:"
ROLE = f"{STACK}-deliver"


@pytest.fixture(scope="module")
def stack(installed: Installation) -> Deployed:
    """The stack at work."""
    stack = Deployed(installed)
    until("the example", lambda: stack.eu.data("payments-db", "payments"), seconds=PATIENCE_SECONDS)
    return stack


def create_queue(stack: Deployed, name: str, service: str) -> tuple[str, str]:
    """Create a queue that a service of AWS may send to, and return its URL and ARN."""
    arn = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:{name}"
    allow = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    url = stack.sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
    return str(url), arn


@pytest.fixture(scope="module")
def told(stack: Deployed) -> Iterator[Callable[..., dict[str, Any]]]:
    """Waits for an event that a rule for the source `keyferry` has put on a queue."""
    events, name = stack.cloud.aws.client("events"), f"told-{uuid.uuid4().hex[:8]}"
    url, arn = create_queue(stack, name, "events.amazonaws.com")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": ["keyferry"]}))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    seen: list[dict[str, Any]] = []

    def wait(detail_type: str, **fields: object) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            for each in stack.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
                assert "canary" not in each["Body"]
                seen.append(json.loads(each["Body"]))
            matching = (each for each in seen if each["detail-type"] == detail_type)
            return next((each for each in matching if fields.items() <= each["detail"].items()), None)

        event: dict[str, Any] = until(f"{detail_type} {fields}", look, seconds=PATIENCE_SECONDS)
        assert event["source"] == "keyferry"
        Draft202012Validator(build_event_schema(detail_type)).validate(event["detail"])  # type: ignore[arg-type]
        return dict(event["detail"])

    yield wait
    events.remove_targets(Rule=name, Ids=["queue"])
    events.delete_rule(Name=name)
    stack.sqs.delete_queue(QueueUrl=url)


def test_a_change_is_told_once_it_is_written_in_each_cluster(
    stack: Deployed, told: Callable[..., dict[str, Any]]
) -> None:
    version = stack.put(DATABASE, database(f"canary-told-{uuid.uuid4().hex[:8]}"))
    for cluster in ("prod-eu", "prod-us"):
        detail = told("Secret Delivered", mapping="payments-db", cluster=cluster, origin="event")
        assert {"store": "secretsmanager", "name": DATABASE, "version": version} in detail["sources"].values()
        assert (detail["stack"], detail["namespaces"], detail["did"]) == (STACK, ["payments"], {"updated": 1})


def test_a_failure_is_told_with_its_cause(stack: Deployed, told: Callable[..., dict[str, Any]]) -> None:
    asked = Delivery(mapping="lacking", cluster="prod-eu", event_id=str(uuid.uuid4()), time=now())
    with stack.by_hand("DeliverFunction", timeout=119):
        pass  # with other settings it begins anew: it tells of the same failure once an hour
    stack.send("DeliveriesQueueUrl", asked.to_json(), asked.group)
    detail = told("Delivery Failed", eventId=asked.event_id)
    letter = stack.dead_letter(asked.event_id)
    assert (detail["isFinal"], detail["error"]["text"] in letter["reason"]) == (True, True)
    assert f"{detail['error']['at']}: " in letter["reason"]


def put(stack: Deployed, source: str) -> None:
    """Put an event in the name of `deliver`."""
    client = stack.cloud.aws.client("events", role=f"arn:aws:iam::{ACCOUNT}:role/{ROLE}")
    answer = client.put_events(Entries=[{"Source": source, "DetailType": "Secret Delivered", "Detail": "{}"}])
    assert answer["FailedEntryCount"] == 0


def test_an_event_in_anothers_name_is_refused_and_taken_without_the_condition(stack: Deployed) -> None:
    iam, where = stack.cloud.aws.client("iam"), {"RoleName": ROLE, "PolicyName": "own-resources"}
    put(stack, "keyferry")
    with pytest.raises(ClientError, match="AccessDenied"):
        put(stack, "shop.orders")
    before = iam.get_role_policy(**where)["PolicyDocument"]
    bare = [
        {key: part for key, part in each.items() if key != "Condition" or each["Sid"] != "Tell"}
        for each in before["Statement"]
    ]
    iam.put_role_policy(**where, PolicyDocument=json.dumps(before | {"Statement": bare}))
    try:
        put(stack, "shop.orders")
    finally:
        iam.put_role_policy(**where, PolicyDocument=json.dumps(before))


def test_the_template_of_the_guide_tells_a_team_of_its_own_failures(stack: Deployed) -> None:
    """The subscription is a queue in place of an address; SNS filters by the body."""
    [template] = [block.text for block in list_blocks("yaml") if TEMPLATE_OF_MAIL in block.text]
    name = f"notify-{uuid.uuid4().hex[:8]}"
    url, queue = create_queue(stack, name, "sns.amazonaws.com")
    formation = stack.cloud.aws.client("cloudformation")
    body = template.replace("Protocol: email", "Protocol: sqs")
    given = [
        {"ParameterKey": "Email", "ParameterValue": queue},
        {"ParameterKey": "Team", "ParameterValue": "payments"},
    ]
    formation.create_stack(StackName=name, TemplateBody=body, Parameters=given)
    formation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    events = stack.cloud.aws.client("events")
    try:
        for team in ("shop", "payments"):
            detail = json.dumps({"owner": {"team": team}})
            events.put_events(Entries=[{"Source": "keyferry", "DetailType": "Delivery Failed", "Detail": detail}])
        events.put_events(Entries=[{"Source": "keyferry", "DetailType": "Secret Delivered", "Detail": detail}])
        time.sleep(1)  # for what must not come
        mails = stack.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5).get("Messages", [])
    finally:
        formation.delete_stack(StackName=name)
        stack.sqs.delete_queue(QueueUrl=url)
    [mail] = [json.loads(json.loads(each["Body"])["Message"]) for each in mails]
    assert (mail["detail-type"], mail["detail"]["owner"]["team"]) == ("Delivery Failed", "payments")
