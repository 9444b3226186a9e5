"""Who has examples/deployer-policy.json and nothing else deploys the stack, changes it and takes it away.

The local cloud asks IAM about what SAM calls, CloudFormation and S3. What CloudFormation does with the caller's rights,
it does there without asking: tests/unit/test_deployer.py compares those rights with the template.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keyferry_local import stack as stacks
from keyferry_local.aws import Aws
from keyferry_local.cloud import Cloud
from keyferry_local.stack import StackError

ROOT = Path(__file__).resolve().parents[2]
POLICY: dict[str, Any] = json.loads((ROOT / "examples/deployer-policy.json").read_text())
NAME = "keyferry-by-deployer"
PARAMETERS = {"RoleNamePrefix": NAME}
ASKED = ["Stack", "Artifacts"]
"""The statements about calls that the local cloud asks IAM about."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout without mappings, built."""
    folder = tmp_path_factory.mktemp("deployer")
    checkout = stacks.stage(folder, ROOT / "mappings")
    stacks.build(checkout, print, work=folder)
    return checkout


@pytest.fixture
def role(cloud: Cloud) -> Iterator[str]:
    """A role without any rights."""
    iam, trust = cloud.aws.client("iam"), {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    yield iam.create_role(RoleName="deployer", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    iam.delete_role_policy(RoleName="deployer", PolicyName="deploy")
    iam.delete_role(RoleName="deployer")


def with_rights(cloud: Cloud, role: str, without: str = "") -> Aws:
    """Return AWS as the role sees it, which has the policy but for one statement."""
    statements = [statement for statement in POLICY["Statement"] if statement["Sid"] != without]
    document = json.dumps(POLICY | {"Statement": statements})
    cloud.aws.client("iam").put_role_policy(RoleName="deployer", PolicyName="deploy", PolicyDocument=document)
    return replace(cloud.aws, administrator=cloud.aws.credentials(role), _clients={})


def deploy(aws: Aws, checkout: Path, **parameters: str) -> dict[str, str]:
    return stacks.deploy(checkout, aws, stack_name=NAME, parameters=PARAMETERS | parameters, say=print)


def test_a_role_with_this_policy_deploys_changes_and_deletes_the_stack(cloud: Cloud, role: str, checkout: Path) -> None:
    aws = with_rights(cloud, role)
    outputs = deploy(aws, checkout)
    assert outputs["DeliverRoleArn"].endswith(f":role/{NAME}-deliver")
    deploy(aws, checkout, LogRetentionDays="7")

    for statement in ASKED:
        with pytest.raises(StackError, match=r"AccessDenied|not authorized|403"):
            deploy(with_rights(cloud, role, statement), checkout, LogRetentionDays="14")

    formation = with_rights(cloud, role).client("cloudformation")
    formation.delete_stack(StackName=NAME)
    formation.get_waiter("stack_delete_complete").wait(StackName=NAME, WaiterConfig={"Delay": 1})


def test_a_stack_of_others_is_none_of_its_business(cloud: Cloud, role: str, checkout: Path) -> None:
    with pytest.raises(StackError, match=r"AccessDenied|not authorized"):
        stacks.deploy(checkout, with_rights(cloud, role), stack_name="payments", parameters=PARAMETERS, say=print)
