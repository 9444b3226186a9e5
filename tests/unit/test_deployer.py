"""examples/deployer-policy.json allows what the deployment of the template takes, on names of the stack alone."""

import json
import re
from fnmatch import fnmatchcase
from typing import Any

import pytest
from cfnlint.data import AdditionalSpecs
from cfnlint.helpers import load_resource

from tests.unit.stack import ROOT, Stack, listed

POLICY: dict[str, Any] = json.loads((ROOT / "examples/deployer-policy.json").read_text())
STATEMENTS: list[dict[str, Any]] = POLICY["Statement"]
MAX_POLICY = 6144
"""Characters of a managed policy, without blanks (IAM quotas)."""
NEEDED = {
    "CloudFormation::Stack": "cloudformation:CreateStack cloudformation:UpdateStack cloudformation:DeleteStack",
    "CloudWatch::Alarm": "cloudwatch:PutMetricAlarm cloudwatch:DeleteAlarms cloudwatch:DescribeAlarms",
    "CloudWatch::Dashboard": "cloudwatch:PutDashboard cloudwatch:GetDashboard cloudwatch:DeleteDashboards",
    "EKS::AccessEntry": "eks:CreateAccessEntry eks:DescribeAccessEntry eks:UpdateAccessEntry eks:DeleteAccessEntry",
    "Events::EventBusPolicy": "events:PutPermission events:RemovePermission events:DescribeEventBus",
    "Events::Rule": "events:PutRule events:DescribeRule events:DeleteRule events:PutTargets events:RemoveTargets"
    " events:ListTargetsByRule",
    "IAM::ManagedPolicy": "iam:CreatePolicy iam:CreatePolicyVersion iam:GetPolicy iam:GetPolicyVersion"
    " iam:ListPolicyVersions iam:DeletePolicy iam:DeletePolicyVersion iam:AttachRolePolicy iam:DetachRolePolicy",
    "IAM::Role": "iam:CreateRole iam:GetRole iam:DeleteRole iam:PutRolePolicy iam:GetRolePolicy iam:DeleteRolePolicy"
    " iam:ListRolePolicies iam:ListAttachedRolePolicies iam:UpdateAssumeRolePolicy iam:UpdateRole"
    " iam:PutRolePermissionsBoundary iam:DeleteRolePermissionsBoundary iam:PassRole iam:TagRole",
    "Logs::LogGroup": "logs:CreateLogGroup logs:DeleteLogGroup logs:PutRetentionPolicy logs:DescribeLogGroups",
    "SNS::Subscription": "sns:Subscribe sns:Unsubscribe sns:GetSubscriptionAttributes sns:ListSubscriptionsByTopic",
    "SNS::Topic": "sns:CreateTopic sns:GetTopicAttributes sns:SetTopicAttributes sns:DeleteTopic",
    "SNS::TopicPolicy": "sns:SetTopicAttributes",
    "SQS::Queue": "sqs:CreateQueue sqs:GetQueueAttributes sqs:SetQueueAttributes sqs:DeleteQueue sqs:GetQueueUrl",
    "SQS::QueuePolicy": "sqs:SetQueueAttributes",
    "Scheduler::Schedule": "scheduler:CreateSchedule scheduler:GetSchedule scheduler:UpdateSchedule"
    " scheduler:DeleteSchedule iam:PassRole",
    "Serverless::Function": "lambda:CreateFunction lambda:GetFunction lambda:UpdateFunctionCode"
    " lambda:UpdateFunctionConfiguration lambda:DeleteFunction lambda:TagResource lambda:PutFunctionRecursionConfig"
    " lambda:CreateEventSourceMapping lambda:GetEventSourceMapping lambda:UpdateEventSourceMapping"
    " lambda:DeleteEventSourceMapping iam:PassRole ec2:DescribeSubnets ec2:DescribeSecurityGroups ec2:DescribeVpcs",
    "Serverless::LayerVersion": "lambda:PublishLayerVersion lambda:GetLayerVersion lambda:DeleteLayerVersion"
    " s3:GetObject",
}
"""Type of a resource → what CloudFormation calls for it with the rights of who deploys: the permissions of its handlers
in the registry."""
LOOKS = {"Template", "Look"}
"""Statements on every resource: they only describe, and AWS has no resources for most of it."""


def allows(action: str, statements: list[dict[str, Any]]) -> bool:
    return any(fnmatchcase(action, pattern) for one in statements for pattern in listed(one["Action"]))


def test_every_kind_of_resource_of_the_template_has_what_it_takes() -> None:
    kinds = {one["Type"].removeprefix("AWS::") for one in Stack.load().template["Resources"].values()}
    assert kinds <= NEEDED.keys()
    missing = {action for needs in NEEDED.values() for action in needs.split() if not allows(action, STATEMENTS)}
    assert missing == set()


@pytest.mark.parametrize("left_out", [statement["Sid"] for statement in STATEMENTS])
def test_without_a_statement_something_that_is_needed_is_not_allowed(left_out: str) -> None:
    rest = [statement for statement in STATEMENTS if statement["Sid"] != left_out]
    needed = {action for needs in NEEDED.values() for action in needs.split()}
    alone = {pattern for one in STATEMENTS if one["Sid"] == left_out for pattern in listed(one["Action"])}
    used = {action for action in needed if any(fnmatchcase(action, pattern) for pattern in alone)}
    of_sam = {"Stack", "Transform", "Template", "Bucket"}  # what SAM itself calls
    assert used or left_out in of_sam
    if left_out not in {"PassToLambda", "PassToScheduler", *of_sam}:  # those are told apart by their resources
        assert not all(allows(action, rest) for action in used)


def test_roles_are_passed_by_name_and_to_their_service() -> None:
    passes = [one for one in STATEMENTS if allows("iam:PassRole", [one])]
    roles = {
        role: one["Condition"]["StringEquals"]["iam:PassedToService"]
        for one in passes
        for role in listed(one["Resource"])
    }
    prefix = "arn:aws:iam::111122223333:role/keyferry-"
    assert roles == {
        **dict.fromkeys((f"{prefix}{name}" for name in ("route", "deliver", "reconcile")), "lambda.amazonaws.com"),
        f"{prefix}schedule": "scheduler.amazonaws.com",
    }


def test_what_changes_anything_names_the_stack_s_own_resources() -> None:
    for one in STATEMENTS:
        own = [
            re.search(r"keyferry|aws-sam-cli-managed-default|layer:(Code|Mappings)Layer", arn)
            for arn in listed(one["Resource"])
        ]
        special = (
            one["Sid"] in {"Transform", "EventSources", "ReadEventSources", "NoResources", "AccessEntries"} | LOOKS
        )
        assert all(own) or special, one["Sid"]
        if one["Sid"] in LOOKS:
            assert all(re.match(r"[a-z0-9]+:(Describe|Get|List|Validate)", action) for action in one["Action"])


def test_an_action_for_which_aws_has_no_resources_names_none() -> None:
    services = load_resource(AdditionalSpecs, "Policies.json")
    needed = {action for needs in NEEDED.values() for action in needs.split()}
    for action in needed:
        service, _, name = action.partition(":")
        known = {key.lower(): value for key, value in services[service]["Actions"].items()}
        if not known[name.lower()].get("Resources"):
            assert allows(action, [one for one in STATEMENTS if one["Resource"] == "*"]), action
    [none] = [one for one in STATEMENTS if one["Sid"] == "NoResources"]
    assert none["Action"] == ["events:PutPermission", "events:RemovePermission", "sns:Unsubscribe"]


def test_nothing_is_said_of_keys_or_values() -> None:
    assert not any(
        allows(action, STATEMENTS) for action in ("kms:Decrypt", "secretsmanager:GetSecretValue", "ssm:GetParameter")
    )


def test_aws_takes_it_as_one_policy_of_actions_that_there_are() -> None:
    longest = "keyferry-east1"  # as docs/deploy/index.md says
    assert len(json.dumps(POLICY, separators=(",", ":")).replace("keyferry", longest)) <= MAX_POLICY
    services = load_resource(AdditionalSpecs, "Policies.json")  # the actions that cfn-lint knows
    for one in STATEMENTS:
        for action in listed(one["Action"]):
            service, _, name = action.partition(":")
            assert any(fnmatchcase(known.lower(), name.lower()) for known in services[service]["Actions"]), action
