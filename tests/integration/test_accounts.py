"""Events of another account or region reach the deployed stack by the generated template, whose roles are assumed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from keyferry.access import accounts
from keyferry_local import aws_client
from keyferry_local.aws_client import Credentials
from keyferry_local.cloud import ACCOUNT
from keyferry_local.direct import catalog
from keyferry_local.install import Installation
from tests.integration.deployed import Deployed, now
from tests.integration.scene import Scene

MEMBER, HUB_REGION, ELSEWHERE = "444455556666", "eu-west-1", "us-east-1"


@dataclass(frozen=True)
class Owner:
    """Whoever owns an account: a client of theirs, in a region. An account's number is the key of its root here."""

    scene: Scene
    account: str
    region: str

    def client(self, service: str) -> Any:  # noqa: ANN401
        """Return a client of a service."""
        aws = self.scene.cloud.aws
        if self.account == ACCOUNT:
            return aws.client(service, region=self.region)
        opened = aws_client.session(self.region, Credentials(self.account, "canary-root"))
        return aws_client.client(opened, service, aws.endpoint, self.region)

    def deploy(self, template: dict[str, Any], **parameters: str) -> None:
        """Deploy the template of the account. The emulator has no access entries for CloudFormation to make."""
        given = {"HubAccount": ACCOUNT, "HubRegion": HUB_REGION, "AccessEntries": "false"} | parameters
        known = template["Parameters"].keys() & given.keys()
        self.client("cloudformation").create_stack(
            StackName=f"member-{self.scene.namespace}",
            TemplateBody=json.dumps(template),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[{"ParameterKey": name, "ParameterValue": given[name]} for name in sorted(known)],
        )
        waiter = self.client("cloudformation").get_waiter("stack_create_complete")
        waiter.wait(StackName=f"member-{self.scene.namespace}", WaiterConfig={"Delay": 1, "MaxAttempts": 30})


@pytest.mark.parametrize(("account", "region"), [(ACCOUNT, ELSEWHERE), (MEMBER, HUB_REGION), (MEMBER, ELSEWHERE)])
def test_events_of_another_account_and_region_reach_the_stack(
    scene: Scene, installed: Installation, account: str, region: str
) -> None:
    owner, stack, since = Owner(scene, account, region), Deployed(installed), now()
    # CloudFormation's type for this is not there: stack/events.yaml is checked by tests/unit/test_accounts.py.
    scene.cloud.aws.client("events").put_permission(
        StatementId=MEMBER, Principal=MEMBER, Action="events:PutEvents", EventBusName="default"
    )
    owner.deploy(accounts.build_template(catalog(scene.cloud, []), account), ForwardEvents="true")
    owner.client("secretsmanager").create_secret(Name=scene.source, SecretString="canary-elsewhere")
    owner.client("ssm").put_parameter(Name=f"/{scene.source}", Value="canary-elsewhere", Type="SecureString")
    stack.routed(since, names=[scene.source], store="secretsmanager")
    stack.routed(since, names=[scene.source], store="parameterstore")


@contextmanager
def assuming(installed: Installation, role: str) -> Iterator[Any]:
    """Let deliver assume a role for a while, as access.yaml does, and give its client of STS."""
    iam, deliver = installed.cloud.aws.client("iam"), installed.outputs["DeliverRoleArn"]
    statement = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": role}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    named = {"RoleName": deliver.rpartition("/")[2], "PolicyName": "assume-for-a-test"}
    iam.put_role_policy(**named, PolicyDocument=policy)
    try:
        yield installed.cloud.aws.client("sts", role=deliver)
    finally:
        iam.delete_role_policy(**named)


def test_deliver_assumes_the_role_that_the_template_makes_and_reads_what_is_mapped_alone(
    scene: Scene, installed: Installation
) -> None:
    owner = Owner(scene, MEMBER, HUB_REGION)
    role = {
        "arn": f"arn:aws:iam::{MEMBER}:role/teams/{scene.namespace}",
        "externalId": "payments-7f3a",
        "sessionTags": {"team": "payments"},
    }
    mapped = scene.mapping(
        sources={"db": {"secretsManager": scene.source, "role": role}},
        secret={"name": "db", "data": {"value": {"from": "db"}}},
    )
    owner.deploy(accounts.build_template(catalog(scene.cloud, [mapped]), MEMBER), RolesRegion=HUB_REGION)
    for name in (scene.source, f"{scene.source}-2"):
        owner.client("secretsmanager").create_secret(Name=name, SecretString="canary-of-a-member")

    asked = {"RoleArn": role["arn"], "RoleSessionName": "deliver", "ExternalId": "payments-7f3a"}
    tags = {"Tags": [{"Key": "team", "Value": "payments"}]}
    with assuming(installed, str(role["arn"])) as sts:
        given = sts.assume_role(**asked, **tags)["Credentials"]
        for wrong in ({**asked, "ExternalId": "somebody-else"}, {**asked, "Tags": [{"Key": "team", "Value": "shop"}]}):
            with pytest.raises(ClientError, match="AccessDenied"):
                sts.assume_role(**wrong)

    keys = Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    aws = scene.cloud.aws
    reader = aws_client.client(aws_client.session(HUB_REGION, keys), "secretsmanager", aws.endpoint, HUB_REGION)
    assert reader.get_secret_value(SecretId=scene.source)["SecretString"] == "canary-of-a-member"
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.get_secret_value(SecretId=f"{scene.source}-2")
