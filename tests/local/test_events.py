"""The local AWS sends the events that AWS documents, where its API is called and where it works by itself."""

import json
import uuid
from typing import Any

import pytest

from keyferry_local import aws_client
from keyferry_local.aws import Aws
from keyferry_local.aws_client import Credentials
from tests.local_aws import ENVELOPE, Bus, Event, denied, function, role

TEMPLATE = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}
ROTATION = """
import boto3

def handler(event, context):
    secrets, arn, token = boto3.client("secretsmanager"), event["SecretId"], event["ClientRequestToken"]
    versions = secrets.describe_secret(SecretId=arn)["VersionIdsToStages"]
    assert versions[token] == ["AWSPENDING"]
    if event["Step"] == "createSecret":
        secrets.put_secret_value(
            SecretId=arn, ClientRequestToken=token, SecretString="canary-rotated", VersionStages=["AWSPENDING"]
        )
    if event["Step"] == "finishSecret":
        current = next(version for version, stages in versions.items() if "AWSCURRENT" in stages)
        secrets.update_secret_version_stage(
            SecretId=arn, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current
        )
"""


@pytest.fixture(scope="module")
def the_bus(services: Aws) -> Bus:
    """Make a queue that a rule fills with every event of AWS services."""
    events = services.client("events")
    rule = events.put_rule(Name="everything", EventPattern=json.dumps({"source": [{"prefix": "aws."}]}))["RuleArn"]
    made = Bus(services, rule)
    events.put_targets(Rule="everything", Targets=[{"Id": "queue", "Arn": made.arn}])
    return made


@pytest.fixture
def bus(the_bus: Bus) -> Bus:
    the_bus.events(0)
    return the_bus


@pytest.fixture
def secret(services: Aws, the_bus: Bus) -> str:
    """Make a secret, its event already taken."""
    name = f"prod/{uuid.uuid4().hex}"
    arn = services.client("secretsmanager").create_secret(Name=name, SecretString="canary-first")["ARN"]
    _moved(the_bus)
    return str(arn)


def _moved(bus: Bus) -> Event:
    """Wait for the two events of a call that moves a label, and return Secrets Manager's own."""
    events = {event["detail-type"]: event for event in bus.events(2)}
    assert set(events) == {"Secret Label Updated", "AWS API Call via CloudTrail"}
    assert set(events["Secret Label Updated"]) == ENVELOPE
    return events["Secret Label Updated"]


def test_a_parameter_tells_of_its_life(services: Aws, bus: Bus) -> None:
    ssm = services.client("ssm")
    ssm.put_parameter(Name="/prod/tls", Value="canary-1", Type="SecureString", Description="of the edge")
    created = bus.event()
    assert (created["source"], created["detail-type"]) == ("aws.ssm", "Parameter Store Change")
    assert created["resources"] == ["arn:aws:ssm:eu-west-1:111122223333:parameter/prod/tls"]
    assert created["detail"] == {
        "operation": "Create",
        "name": "/prod/tls",
        "type": "SecureString",
        "description": "of the edge",
    }
    ssm.put_parameter(Name="/prod/tls", Value="canary-2", Overwrite=True)
    assert bus.event()["detail"] == {"operation": "Update", "name": "/prod/tls", "type": "SecureString"}
    ssm.label_parameter_version(Name="/prod/tls", Labels=["live"])
    assert bus.event()["detail"]["operation"] == "LabelParameterVersion"
    ssm.delete_parameter(Name="/prod/tls")
    assert bus.event()["detail"] == {"operation": "Delete", "name": "/prod/tls", "type": "SecureString"}


def test_each_deleted_parameter_tells_once(services: Aws, bus: Bus) -> None:
    ssm = services.client("ssm")
    for name in ("one", "two"):
        ssm.put_parameter(Name=name, Value="canary-1", Type="StringList")
    bus.events(2)
    ssm.delete_parameters(Names=["one", "two", "three"])
    events = bus.events(2)
    assert [event["detail"] for event in events] == [
        {"operation": "Delete", "name": name, "type": "StringList"} for name in ("one", "two")
    ]
    assert events[0]["resources"] == ["arn:aws:ssm:eu-west-1:111122223333:parameter/one"]


def test_a_refused_parameter_change_tells_nothing(services: Aws, bus: Bus) -> None:
    assert denied(lambda: services.client("ssm").delete_parameter(Name="/prod/missing")) == "ParameterNotFound"
    bus.events(0)


def test_a_secret_tells_of_every_label_but_pending(services: Aws, bus: Bus) -> None:
    secrets = services.client("secretsmanager")
    created = secrets.create_secret(Name="prod/db", SecretString="canary-1")
    event = _moved(bus)
    assert (event["source"], event["detail-type"]) == ("aws.secretsmanager", "Secret Label Updated")
    assert event["resources"] == [created["ARN"]]
    assert event["detail"] == {
        "name": "prod/db",
        "labelUpdated": "AWSCURRENT",
        "versionId": created["VersionId"],
    }
    put = secrets.put_secret_value(SecretId="prod/db", SecretString="canary-2")
    assert _moved(bus)["detail"]["versionId"] == put["VersionId"]
    updated = secrets.update_secret(SecretId="prod/db", SecretString="canary-3")
    assert _moved(bus)["detail"]["versionId"] == updated["VersionId"]
    secrets.update_secret_version_stage(
        SecretId="prod/db",
        VersionStage="AWSCURRENT",
        MoveToVersionId=put["VersionId"],
        RemoveFromVersionId=updated["VersionId"],
    )
    assert _moved(bus)["detail"]["versionId"] == put["VersionId"]
    secrets.put_secret_value(SecretId="prod/db", SecretString="canary-4", VersionStages=["AWSPENDING"])
    secrets.update_secret(SecretId="prod/db", Description="of the payments")
    assert [event["detail"]["eventName"] for event in bus.events(2)] == ["PutSecretValue", "UpdateSecret"]
    bus.events(0)


def test_a_put_is_in_the_trail_without_its_value(services: Aws, bus: Bus, secret: str) -> None:
    secrets = services.client("secretsmanager")
    secrets.put_secret_value(SecretId=secret, SecretString="canary-put", VersionStages=["AWSPENDING"])
    secrets.put_secret_value(SecretId=secret, SecretBinary=b"canary-put", VersionStages=["AWSPENDING"])
    events = bus.events(2)
    assert [event["detail"]["eventName"] for event in events] == ["PutSecretValue", "PutSecretValue"]
    for detail in (event["detail"] for event in events):
        assert detail["requestParameters"].keys() == {"secretId", "versionStages", "clientRequestToken"}
        assert detail["responseElements"]["arn"] == secret
        assert "canary-put" not in json.dumps(detail)


def test_a_deleted_and_restored_secret_is_in_the_trail(services: Aws, bus: Bus, secret: str) -> None:
    secrets = services.client("secretsmanager")
    name = secret.rpartition("secret:")[2][:-7]
    secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    event = bus.event()
    assert (event["source"], event["detail-type"]) == ("aws.secretsmanager", "AWS API Call via CloudTrail")
    assert event["resources"] == []
    deleted = event["detail"]
    assert (deleted["eventType"], deleted["eventName"]) == ("AwsApiCall", "DeleteSecret")
    assert deleted["requestParameters"] == {"secretId": name, "recoveryWindowInDays": 7}
    assert deleted["responseElements"].pop("deletionDate").endswith("M")
    assert deleted["responseElements"] == {"name": name, "arn": secret}
    assert deleted["userIdentity"]["arn"] == "arn:aws:iam::111122223333:user/administrator"
    assert "errorCode" not in deleted
    secrets.restore_secret(SecretId=secret)
    restored = bus.event()["detail"]
    assert (restored["eventName"], restored["requestParameters"]) == ("RestoreSecret", {"secretId": secret})


def test_a_refused_deletion_is_in_the_trail_with_its_error(services: Aws, bus: Bus) -> None:
    nobody = services.client("secretsmanager", role=role(services))
    assert denied(lambda: nobody.delete_secret(SecretId="prod/missing")) == "AccessDeniedException"
    detail = bus.event()["detail"]
    assert (detail["errorCode"], detail["responseElements"]) == ("AccessDeniedException", None)
    assert detail["userIdentity"]["type"] == "AssumedRole"


def test_a_rotation_runs_the_rotation_function(services: Aws, bus: Bus, secret: str) -> None:
    secrets = services.client("secretsmanager")
    token = secrets.rotate_secret(SecretId=secret, RotationLambdaARN=function(services, ROTATION))["VersionId"]
    events = [event["detail"] for event in bus.events(5)]
    assert {detail.get("eventName", "a label moved") for detail in events} == {
        *("RotationStarted", "PutSecretValue", "UpdateSecretVersionStage", "a label moved", "RotationSucceeded")
    }
    assert [detail["versionId"] for detail in events if "versionId" in detail] == [token]
    assert secrets.get_secret_value(SecretId=secret)["SecretString"] == "canary-rotated"


def test_a_failed_rotation_changes_no_value(services: Aws, bus: Bus, secret: str) -> None:
    secrets = services.client("secretsmanager")
    secrets.rotate_secret(SecretId=secret, RotationLambdaARN=function(services, "def handler(event, context): 1 / 0"))
    _, failed = bus.events(2)
    assert failed["detail-type"] == "AWS Service Event via CloudTrail"
    detail = failed["detail"]
    assert (detail["eventType"], detail["eventName"]) == ("AwsServiceEvent", "RotationFailed")
    assert detail["additionalEventData"] == {"SecretId": secret}
    assert detail["errorMessage"].endswith("during createSecret step")
    assert (detail["requestParameters"], detail["responseElements"]) == (None, None)
    assert "errorCode" not in detail
    assert secrets.get_secret_value(SecretId=secret)["SecretString"] == "canary-first"


def test_a_stack_tells_when_it_is_complete(services: Aws, bus: Bus) -> None:
    cloudformation = services.client("cloudformation")
    stack = cloudformation.create_stack(StackName="small", TemplateBody=json.dumps(TEMPLATE))["StackId"]
    started, complete = bus.events(2)
    assert (complete["source"], complete["detail-type"]) == (
        "aws.cloudformation",
        "CloudFormation Stack Status Change",
    )
    assert (started["resources"], complete["resources"]) == ([stack], [stack])
    assert complete["detail"] == {
        "stack-id": stack,
        "status-details": {"status": "CREATE_COMPLETE", "status-reason": ""},
        "client-request-token": "",
    }


def test_nobody_can_put_an_event_of_aws(services: Aws, bus: Bus) -> None:
    answer = services.client("events").put_events(
        Entries=[{"Source": "aws.secretsmanager", "DetailType": "Secret Label Updated", "Detail": "{}"}]
    )
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"
    bus.events(0)


def test_a_queue_takes_events_of_the_rules_that_its_policy_names(services: Aws) -> None:
    events = services.client("events")
    rule = events.put_rule(Name="ours", EventPattern=json.dumps({"source": ["ours"]}))["RuleArn"]
    let_in, closed, dead_letters = Bus(services, rule), Bus(services, f"{rule}-of-others"), Bus(services, rule)
    targets: list[dict[str, Any]] = [{"Id": queue.arn[-8:], "Arn": queue.arn} for queue in (let_in, closed)]
    for target in targets:
        target["DeadLetterConfig"] = {"Arn": dead_letters.arn}
    events.put_targets(Rule="ours", Targets=targets)
    events.put_events(Entries=[{"Source": "ours", "DetailType": "Something", "Detail": "{}"}])
    assert let_in.event()["id"] == dead_letters.event()["id"]
    closed.events(0)


def test_a_rule_forwards_to_another_account_and_region_whose_bus_lets_it_and_events_stay_as_they_are(
    services: Aws, bus: Bus
) -> None:
    other, region = "444455556666", "us-east-1"
    session = aws_client.session(region, Credentials(other, "canary-root"))
    events, ssm = (aws_client.client(session, service, services.endpoint, region) for service in ("events", "ssm"))
    events.put_rule(Name="forward", EventPattern=json.dumps({"source": ["aws.ssm"]}))
    hub = f"arn:aws:events:{services.region}:{services.account}:event-bus/default"
    role_arn = f"arn:aws:iam::{other}:role/forward"
    events.put_targets(Rule="forward", Targets=[{"Id": "hub", "Arn": hub, "RoleArn": role_arn}])

    ssm.put_parameter(Name="/refused", Value="canary-forwarded", Type="String")
    services.client("events").put_permission(StatementId="other", Principal=other, Action="events:PutEvents")
    ssm.put_parameter(Name="/forwarded", Value="canary-forwarded", Type="String")

    [event] = bus.events(1)
    assert (event["detail"]["name"], event["account"], event["region"]) == ("/forwarded", other, region)


def test_conditions_of_a_template_know_the_account_and_the_region(services: Aws) -> None:
    here = {
        "InAccount": {"Fn::Equals": [{"Ref": "AWS::AccountId"}, services.account]},
        "InRegion": {"Fn::Equals": [{"Ref": "AWS::Region"}, services.region]},
        "Elsewhere": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]},
    }
    resources = {name: {"Type": "AWS::SQS::Queue", "Condition": name} for name in here}
    cloudformation = services.client("cloudformation")
    template = json.dumps({"Conditions": here, "Resources": resources})
    cloudformation.create_stack(StackName="conditional", TemplateBody=template)
    cloudformation.get_waiter("stack_create_complete").wait(StackName="conditional", WaiterConfig={"Delay": 1})
    made = cloudformation.describe_stack_resources(StackName="conditional")["StackResources"]
    assert {resource["LogicalResourceId"] for resource in made} == {"InAccount", "InRegion"}
