"""The main job on the deployed stack: a changed source reaches the clusters, once, and restarts what uses it, once."""

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

from keyferry_local import stack as stacks
from keyferry_local import world
from keyferry_local.install import STACK, Installation
from keyferry_local.watch import until
from keyferry_local.world import deployment, env_from
from tests.integration.deployed import Deployed, now
from tests.local_aws import function

BOTH = ("prod-eu", "prod-us")
PARAMETER = "/tests/rotated/tls"
ROTATION = """
import json
import boto3

def handler(event, context):
    secrets, arn, token = boto3.client("secretsmanager"), event["SecretId"], event["ClientRequestToken"]
    versions = secrets.describe_secret(SecretId=arn)["VersionIdsToStages"]
    if event["Step"] == "createSecret":
        value = json.dumps({"password": "-".join(["canary", "by", "function", token])})
        secrets.put_secret_value(
            SecretId=arn, ClientRequestToken=token, SecretString=value, VersionStages=["AWSPENDING"]
        )
    if event["Step"] == "finishSecret":
        current = next(version for version, stages in versions.items() if "AWSCURRENT" in stages)
        secrets.update_secret_version_stage(
            SecretId=arn, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current
        )
"""


def value(text: str) -> str:
    return json.dumps({"password": f"canary-{text}", "comment": uuid.uuid4().hex})


@pytest.fixture(scope="module")
def stack(installed: Installation) -> Deployed:
    """The stack, with a secret and a parameter in place on both clusters, and a workload that uses them."""
    stack, since = Deployed(installed), now()
    ssm = installed.cloud.aws.client("ssm")
    ssm.put_parameter(
        Name=PARAMETER, Value="canary-tls-1", Type="SecureString", Overwrite=True
    )  # test_doctor.py has one
    stack.deliveries("rotated", since, 2)
    for admin in stack.cloud.admins.values():
        admin.apply(deployment("api", "rotated", env_from("rotated")), deployment("docs", "rotated", {}))
    since = now()
    stack.put("tests/rotated", value("rotated-1"))
    stack.routed(since, names=["tests/rotated"])
    stack.rest("rotated")
    return stack


def in_aws(stack: Deployed) -> dict[str, bytes]:
    """Return what the Secret must hold by what AWS holds."""
    text = stack.secrets.get_secret_value(SecretId="tests/rotated")["SecretString"]
    ssm = stack.cloud.aws.client("ssm")
    parameter = ssm.get_parameter(Name=PARAMETER, WithDecryption=True)["Parameter"]["Value"]
    return {"password": json.loads(text)["password"].encode(), "tls.pem": parameter.encode()}


def stamp(stack: Deployed, cluster: str) -> str:
    found = stack.cloud.admins[cluster].get("Deployment", "api", "rotated")
    assert found is not None
    return str(found["spec"]["template"]["metadata"]["annotations"]["keyferry.dev/rotated"])


def send_event(stack: Deployed, version: str, event_id: str) -> None:
    url = stack.installed.outputs["ChangesQueueUrl"]
    world.send_event(stack.cloud.aws, url, "tests/rotated", version, event_id)


def put_a_value(stack: Deployed) -> None:
    stack.put("tests/rotated", value(f"put-{uuid.uuid4().hex}"))


def change_the_parameter(stack: Deployed) -> None:
    ssm = stack.cloud.aws.client("ssm")
    ssm.put_parameter(Name=PARAMETER, Value=f"canary-tls-{uuid.uuid4().hex}", Overwrite=True)


def rotate_by_a_function(stack: Deployed) -> None:
    stack.secrets.rotate_secret(SecretId="tests/rotated", RotationLambdaARN=function(stack.cloud.aws, ROTATION))


def roll_back(stack: Deployed) -> None:
    stages = stack.secrets.describe_secret(SecretId="tests/rotated")["VersionIdsToStages"]
    newer, older = (
        next(version for version, labels in stages.items() if label in labels)
        for label in ("AWSCURRENT", "AWSPREVIOUS")
    )
    stack.secrets.update_secret_version_stage(
        SecretId="tests/rotated", VersionStage="AWSCURRENT", MoveToVersionId=older, RemoveFromVersionId=newer
    )


@pytest.mark.parametrize("change", [put_a_value, change_the_parameter, rotate_by_a_function, roll_back])
def test_a_change_reaches_both_clusters_with_one_rollout_in_each(
    stack: Deployed, change: Callable[[Deployed], None]
) -> None:
    before = {name: (in_aws(stack), stack.rollouts(name, "rotated"), stamp(stack, name)) for name in BOTH}
    since = now()
    change(stack)
    lines = stack.deliveries("rotated", since, 2, message="delivered")
    assert sorted(line["cluster"] for line in lines) == list(BOTH)
    for name in BOTH:
        old, replica_sets, stamped = before[name]
        assert stack.cloud.admins[name].data("rotated", "rotated") == in_aws(stack) != old
        assert stamp(stack, name) != stamped
        assert len(stack.rollouts(name, "rotated") - replica_sets) == 1


def test_a_pending_version_is_never_pushed(stack: Deployed) -> None:
    before = {name: stack.cloud.admins[name].get("Secret", "rotated", "rotated") for name in BOTH}
    pending = stack.put("tests/rotated", value("pending"), VersionStages=["AWSPENDING"])
    since = now()
    send_event(stack, pending, uuid.uuid4().hex)
    stack.deliveries("rotated", since, 2, message="delivered")
    assert {name: stack.cloud.admins[name].get("Secret", "rotated", "rotated") for name in BOTH} == before


def assert_one_write_and_one_rollout(stack: Deployed, since: datetime, before: dict[str, set[str]]) -> None:
    """Check that both clusters have the value of AWS, by one write of content and one rollout."""
    for name in BOTH:
        assert stack.cloud.admins[name].data("rotated", "rotated") == in_aws(stack)
        content_and_mark_taken_off = 2
        assert stack.writes(name, "rotated", "secrets", since) == content_and_mark_taken_off
        assert stack.writes(name, "rotated", "deployments", since) == 1
        assert len(stack.rollouts(name, "rotated") - before[name]) == 1


def test_the_same_event_ten_times_among_older_ones_is_one_write_and_one_rollout(stack: Deployed) -> None:
    stack.rest("rotated")
    older, since = stack.current("tests/rotated"), now()
    before = {name: stack.rollouts(name, "rotated") for name in BOTH}
    version = stack.put("tests/rotated", value("repeated"))
    for number in range(10):  # half with the id of one event, as a duplicate has; half with ids of their own
        send_event(stack, version, f"same-{max(number - 4, 0)}-{version}")
        if number in (3, 7):
            send_event(stack, older, f"older-{number}-{version}")
    stack.routed(since, 13, names=["tests/rotated"])
    stack.rest("rotated")
    events = 1 + 6 + 2  # the change's own, the repeated, the older
    assert len(stack.deliveries("rotated", since, message="delivered")) == events * len(BOTH)
    assert_one_write_and_one_rollout(stack, since, before)


def test_a_label_of_ones_own_is_followed_and_no_other(stack: Deployed) -> None:
    since = now()
    first = stack.put("tests/labelled", "canary-labelled-1")
    move = {"SecretId": "tests/labelled", "VersionStage": "LIVE"}
    stack.secrets.update_secret_version_stage(**move, MoveToVersionId=first)
    stack.deliveries("labelled", since, message="delivered")
    assert stack.eu.data("labelled", "labelled") == {"password": b"canary-labelled-1"}

    since = now()
    second = stack.put("tests/labelled", "canary-labelled-2")
    (routed,) = stack.routed(since, names=["tests/labelled"])
    assert routed["count"] == 0
    since = now()
    stack.secrets.update_secret_version_stage(**move, MoveToVersionId=second, RemoveFromVersionId=first)
    stack.deliveries("labelled", since, message="delivered")
    assert stack.eu.data("labelled", "labelled") == {"password": b"canary-labelled-2"}


def test_a_deleted_secret_stays_in_the_cluster_and_is_reported_until_it_is_restored(stack: Deployed) -> None:
    since = now()
    stack.put("tests/deleted", "canary-deleted")
    stack.deliveries("deleted", since, message="delivered")
    before, since = stack.eu.get("Secret", "deleted", "deleted"), now()

    stack.secrets.delete_secret(SecretId="tests/deleted", RecoveryWindowInDays=7)

    (line,) = stack.deliveries("deleted", since, message="dead letter")
    attributes = stack.dead_letter(line["event_id"])
    assert {name: attributes[name] for name in ("mapping", "cluster", "attempt")} == {
        "mapping": "deleted",
        "cluster": "prod-eu",
        "attempt": "2",  # an event can be early: it was asked for once more
    }
    assert "tests/deleted" in attributes["reason"]
    assert "scheduled for deletion; restore it" in attributes["reason"]
    assert stack.eu.get("Secret", "deleted", "deleted") == before

    stack.secrets.restore_secret(SecretId="tests/deleted")
    stack.deliveries("deleted", since, message="delivered")
    assert stack.eu.get("Secret", "deleted", "deleted") == before


@pytest.fixture(scope="module")
def both_sources(stack: Deployed) -> Iterator[Deployed]:
    """The stack with CloudTrailChanges, once the sweep of its deployment is over; afterwards without it again."""

    def deploy(**parameters: str) -> None:
        checkout = stack.installed.checkout
        stacks.deploy(checkout, stack.cloud.aws, stack_name=STACK, parameters=parameters, say=print)

    def swept() -> bool:
        return any(line.get("message") == "swept" for line in stack.lines("ReconcileFunction", since))

    stack.rest("rotated")
    since = now()
    deploy(CloudTrailChanges="true")
    until("the sweep of the deployment", swept)
    stack.rest("rotated")
    yield stack
    deploy(CloudTrailChanges="false")


def test_a_change_that_the_trail_tells_too_is_one_write_one_rollout_and_a_delivery_with_nothing_to_do(
    both_sources: Deployed,
) -> None:
    stack, since = both_sources, now()
    before = {name: stack.rollouts(name, "rotated") for name in BOTH}

    stack.put("tests/rotated", value("told-twice"))

    lines = stack.deliveries("rotated", since, 2 * len(BOTH), message="delivered")
    assert sorted((line["cluster"], *line["targets"]) for line in lines) == [
        (name, done) for name in BOTH for done in ("unchanged", "updated")
    ]
    assert_one_write_and_one_rollout(stack, since, before)


def test_a_rotation_that_only_begins_is_not_delivered_though_the_trail_tells_of_it(both_sources: Deployed) -> None:
    stack, since = both_sources, now()
    stack.put("tests/rotated", value("only-pending"), VersionStages=["AWSPENDING"])
    (line,) = stack.routed(since, ignored="no change", detail="PutSecretValue: AWSPENDING")
    assert "count" not in line
