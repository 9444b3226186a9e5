"""The runbooks of a region that is down and of a role that was made anew: their commands, as they stand, on a stack."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from keyferry_local import cloud as clouds
from keyferry_local import watch
from keyferry_local.cloud import ACCOUNT, SITES, Cloud
from keyferry_local.install import STACK
from keyferry_local.watch import until
from tests.install.repository import Repository, read_commands
from tests.integration.outages.regions import Regions, regions

STALE, PUSH, AFTERWARDS = read_commands("docs/runbooks/region-down.md")
DOCTOR, COMPARE, DELETE, CREATE, STORED, SEE = read_commands("docs/runbooks/role-made-anew.md")
HOME = "eu-west-1"
DELIVER = "keyferry-deliver"
SOURCE = "prod/payments/db"
MAPPING = f"""\
apiVersion: keyferry.dev/v1
kind: SecretMapping
metadata: {{name: payments-db}}
spec:
  sources: {{db: {{secretsManager: {SOURCE}, failover: [us-east-1]}}}}
  clusters: [prod-eu]
  namespaces: [payments]
  secret: {{name: payments-db, data: {{password: {{from: db}}}}}}
---
apiVersion: keyferry.dev/v1
kind: Clusters
clusters: [{{name: prod-eu, eks: {{name: prod-eu, region: {HOME}, account: "{ACCOUNT}"}}}}]
"""
_TAIL = re.compile(r"aws logs tail (\S+) --since 1h --format short")
_FILTER = r"aws logs filter-log-events --query 'events[].[message]' --output text --log-group-name \1"
"""The command of the guide in version 2 of the AWS CLI, and the same in version 1, which is the one here."""
YES = "--yes"
"""What a person answers to a push at a terminal, and here is none."""
PERSON = "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; export AWS_CONFIG_FILE=$PWD/aws-config"
"""Lets the profile count that a command names: keys in the environment come before it."""
PROFILE = """\
[profile administrator]
aws_access_key_id = {access_key}
aws_secret_access_key = {secret_key}

[profile keyferry-push]
role_arn = arn:aws:iam::{account}:role/keyferry-push
source_profile = administrator
"""


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An account with one cluster, and a secret with a replica."""
    with clouds.running(tmp_path_factory.mktemp("account"), print, sites=SITES[:1]) as running:
        running.admins["prod-eu"].apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments"}})
        secrets = running.aws.client("secretsmanager")
        secrets.create_secret(Name=SOURCE, SecretString="canary-1")
        secrets.replicate_secret_to_regions(SecretId=SOURCE, AddReplicaRegions=[{"Region": "us-east-1"}])
        yield running


@pytest.fixture(scope="module")
def repository(account: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The repository of a stack at work, whose administrators may push."""
    repository = Repository(account, tmp_path_factory.mktemp("repository"))
    profile = PROFILE.format(**asdict(account.aws.administrator), account=ACCOUNT)
    repository.write({"mappings/payments.yaml": MAPPING, "aws-config": profile})
    repository.add_environment(STACK)
    settings = repository.folder / "samconfig.toml"
    pushers = f'"PushPrincipals=arn:aws:iam::{ACCOUNT}:root", "EventBusPolicy=false"'
    settings.write_text(settings.read_text().replace('"EventBusPolicy=false"', pushers))
    repository.run("keyferry generate && kubectl apply --server-side -f generated/clusters/prod-eu/")
    repository.run("keyferry build && sam deploy")
    time.sleep(1.1)  # the emulator's times are whole seconds: an entry of the same second as its role looks older
    repository.run(f"sh generated/stack/access-entries.sh {STACK}")
    expect(account, "canary-1")
    rest(account)
    return repository


def rest(account: Cloud) -> None:
    """Wait until no delivery is under way: the emulator ends it where the function gets other settings."""
    sqs = account.aws.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{STACK}-deliveries.fifo")["QueueUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def is_empty() -> bool:
        known = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return set(known.values()) == {"0"}

    until("no delivery under way", is_empty, seconds=90)


def put(account: Cloud, password: str) -> None:
    account.aws.client("secretsmanager").put_secret_value(SecretId=SOURCE, SecretString=password)


def expect(account: Cloud, password: str) -> None:
    """Wait until the Secret has a value."""
    until(f"{password} in prod-eu", partial(has, account, password), seconds=90)


def has(account: Cloud, password: str) -> bool:
    return account.admins["prod-eu"].data("payments-db", "payments") == {"password": password.encode()}


@pytest.fixture
def home_down(account: Cloud, repository: Repository) -> Iterator[Regions]:
    """Secrets Manager, whose region of the stack answers nothing but errors to the function that delivers."""
    functions = account.aws.client("lambda")
    before = functions.get_function_configuration(FunctionName=DELIVER)["Environment"]["Variables"]
    with regions(account.aws.endpoint) as gate:
        gate.trouble = {HOME: "broken"}
        through = before | {"AWS_ENDPOINT_URL_SECRETS_MANAGER": gate.url}
        functions.update_function_configuration(FunctionName=DELIVER, Environment={"Variables": through})
        yield gate
        rest(account)
        functions.update_function_configuration(FunctionName=DELIVER, Environment={"Variables": before})


def let_deliver(account: Cloud, *, enabled: bool) -> None:
    """Let the function take deliveries from the queue, or no longer."""
    functions = account.aws.client("lambda")
    [source] = functions.list_event_source_mappings(FunctionName=DELIVER)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=source["UUID"], Enabled=enabled)


def test_a_change_arrives_from_the_replica_and_by_a_push_while_the_region_of_the_stack_is_down(
    account: Cloud, repository: Repository, home_down: Regions
) -> None:
    put(account, "canary-2")
    expect(account, "canary-2")
    status, tail = STALE.splitlines()
    repository.run(status, 0, 1)
    said = repository.run(_TAIL.sub(_FILTER, tail)).splitlines()  # the emulator does not filter by fields
    assert {"db": "us-east-1"} in [json.loads(line).get("served") for line in said if line.startswith("{")]

    let_deliver(account, enabled=False)
    put(account, "canary-3")
    shown, pushed = [line for line in PUSH.splitlines() if line]
    elsewhere = f"{PERSON}\nexport AWS_ENDPOINT_URL_SECRETS_MANAGER={home_down.url}"
    assert "payments-db" in repository.run(f"{elsewhere}\n{shown}")
    assert has(account, "canary-2")
    repository.run(f"{elsewhere}\n{pushed} {YES}")
    assert has(account, "canary-3")

    home_down.trouble = {}
    let_deliver(account, enabled=True)
    put(account, "canary-4")
    expect(account, "canary-4")
    assert "right" in repository.run(AFTERWARDS, 0, 1)


def make_role_anew(account: Cloud, name: str) -> None:
    """Delete a role and create it again, with the same trust and the same policies."""
    iam = account.aws.client("iam")
    role = iam.get_role(RoleName=name)["Role"]
    attached = [each["PolicyArn"] for each in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]]
    inline = {
        each: iam.get_role_policy(RoleName=name, PolicyName=each)["PolicyDocument"] for each in list_inline(iam, name)
    }
    for arn in attached:
        iam.detach_role_policy(RoleName=name, PolicyArn=arn)
    for policy in inline:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)
    time.sleep(1.1)  # the emulator's times are whole seconds
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(role["AssumeRolePolicyDocument"]))
    for arn in attached:
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    for policy, document in inline.items():
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))


def list_inline(iam: Any, name: str) -> list[str]:  # noqa: ANN401 - one of boto3's generated classes
    return list(iam.list_role_policies(RoleName=name)["PolicyNames"])


def read_time(said: str) -> datetime:
    """Return a time that the AWS CLI shows; version 1, which is the one here, shows some as seconds since 1970."""
    value = json.loads(said)
    return datetime.fromisoformat(value) if isinstance(value, str) else datetime.fromtimestamp(value, UTC)


def test_a_role_that_was_made_anew_is_found_let_in_again_and_delivers(account: Cloud, repository: Repository) -> None:
    iam, kms = account.aws.client("iam"), account.aws.client("kms")
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    iam.create_role(RoleName="keyferry", AssumeRolePolicyDocument=trust)  # as in the account of another cluster
    key = kms.create_key()["KeyMetadata"]["KeyId"]

    begun = datetime.now(UTC)
    make_role_anew(account, DELIVER)
    put(account, "canary-5")
    logged = partial(watch.log_lines, account.aws, DELIVER, since=begun)
    until("Unauthorized", lambda: any("Unauthorized" in json.dumps(line) for line in logged()), seconds=90)
    told = repository.run(DOCTOR, 1)
    assert f"role/{DELIVER}" in told
    entry, role = map(read_time, repository.run(COMPARE).splitlines())
    assert entry < role
    repository.run(DELETE)
    repository.run(CREATE)
    said = repository.run(STORED.replace("KEY", key))
    assert "Statement" in said
    repository.run(SEE.replace("--stack keyferry", f"--stack keyferry {YES}"), 0, 1)
    expect(account, "canary-5")
