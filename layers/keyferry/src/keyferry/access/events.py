"""Generate what lets events of other accounts and regions reach the stack: rules there, a policy of the bus here.

A rule of the member account puts the events of its secrets on the default bus of the hub's account and region, where
the rules of the stack match them: those name no account. The events keep the account and region that they are of.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-account.html
"""

from typing import Any

from keyferry.access.entries import NOTHING, is_equal
from keyferry.access.grants import resolve_sources
from keyferry.mapping.catalog import Catalog

type Object = dict[str, Any]

NO_VALUE = {"Ref": "AWS::NoValue"}
"""CloudFormation's way to leave a property out."""
BOUNDARY = {"Fn::If": ["HasPermissionsBoundary", {"Ref": "PermissionsBoundary"}, NO_VALUE]}
"""The permissions boundary of a role in the template of a member account."""
_TRAIL = ["AWS API Call via CloudTrail", "AWS Service Event via CloudTrail"]
RULES: dict[str, Object] = {
    "SecretLabelUpdated": {"source": ["aws.secretsmanager"], "detail-type": ["Secret Label Updated"]},
    "ParameterChanged": {
        "source": ["aws.ssm"],
        "detail-type": ["Parameter Store Change"],
        "detail": {
            "operation": ["Create", "Update", "Delete", "LabelParameterVersion"],
            "exception": [{"exists": False}],
        },
    },
    "RotationFailed": {
        "source": ["aws.secretsmanager"],
        "detail-type": _TRAIL[1:],
        "detail": {"eventSource": ["secretsmanager.amazonaws.com"], "eventName": ["RotationFailed"]},
    },
    "SecretDeletedOrRestored": {
        "source": ["aws.secretsmanager"],
        "detail-type": _TRAIL[:1],
        "detail": {
            "eventSource": ["secretsmanager.amazonaws.com"],
            "eventName": ["DeleteSecret", "RestoreSecret"],
            "errorCode": [{"exists": False}],
        },
    },
    "SecretChanged": {
        "source": ["aws.secretsmanager"],
        "detail-type": _TRAIL,
        "detail": {
            "eventSource": ["secretsmanager.amazonaws.com"],
            "eventName": [
                *("CreateSecret", "PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage"),
                "RotationSucceeded",
            ],
            "errorCode": [{"exists": False}],
        },
    },
}
"""Rule → pattern of the events that it forwards: the rules of template.yaml that send to the queue of changes."""
OPTIONAL_RULE = "SecretChanged"
"""The rule that is there only where `CloudTrailChanges` asks for it."""
BUS = "arn:${AWS::Partition}:events:${HubRegion}:${HubAccount}:event-bus/default"
"""The bus of the stack, in a template with the parameters HubAccount and HubRegion."""


def list_source_accounts(catalog: Catalog) -> list[str]:
    """Return the accounts that sources are in, as far as ARNs say, sorted."""
    sources = (place for source in resolve_sources(catalog) for place in (source, *source.replicas))
    return sorted({account for source in sources if (account := source.holder)})


def build_rules(condition: str, optional_condition: str) -> Object:
    """Return the rules of a member account that forward its events, and the role that they do it with.

    A rule forwards what happens in its own account and region alone: what came from elsewhere never goes round.

    Args:
        condition: the condition of the template under which there are rules.
        optional_condition: the same for the rule that `CloudTrailChanges` asks for.
    """
    here = {"account": [{"Ref": "AWS::AccountId"}], "region": [{"Ref": "AWS::Region"}]}
    target = {"Id": "Hub", "Arn": {"Fn::Sub": BUS}, "RoleArn": {"Fn::GetAtt": ["ForwardRole", "Arn"]}}
    rules = {
        name: {
            "Type": "AWS::Events::Rule",
            "Condition": optional_condition if name == OPTIONAL_RULE else condition,
            "Properties": {
                "Description": "Tells Keyferry in another account or region of changes",
                "EventPattern": here | pattern,
                "Targets": [target],
            },
        }
        for name, pattern in RULES.items()
    }
    return rules | {"ForwardRole": _build_forward_role(condition)}


def _build_forward_role(condition: str) -> Object:
    """Return the role of the rules. CloudFormation names it: each region of an account has its own."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
    }
    put = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": {"Fn::Sub": BUS}}
    return {
        "Type": "AWS::IAM::Role",
        "Condition": condition,
        "Properties": {
            "Description": "Forwards events of secrets and parameters to Keyferry",
            "PermissionsBoundary": BOUNDARY,
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            "Policies": [
                {"PolicyName": "forward", "PolicyDocument": {"Version": "2012-10-17", "Statement": [put]}},
            ],
        },
    }


def build_template(catalog: Catalog) -> Object:
    """Return the nested template that lets other accounts put their events on the bus of the stack.

    Without an organization these are the accounts that the mappings name; with one, all of its accounts.
    """
    accounts = list_source_accounts(catalog)
    root = "arn:${AWS::Partition}:iam::%s:root"
    members = {"AWS": [{"Fn::Sub": root % account} for account in accounts]}
    organization = {"StringEquals": {"aws:PrincipalOrgID": {"Ref": "OrganizationId"}}}
    policies = {"Organization": _build_bus_policy(f"{catalog.stack.prefix}-organization", "*", organization)}
    if accounts:
        policies["Accounts"] = _build_bus_policy(f"{catalog.stack.prefix}-accounts", members, {})
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Lets other accounts tell Keyferry of changes; generated from the mappings",
        "Parameters": {
            "OrganizationId": {
                "Type": "String",
                "Default": "",
                "Description": "Organization whose accounts may, if any",
            }
        },
        "Conditions": {
            "IsOrganization": {"Fn::Not": [is_equal("OrganizationId", "")]},
            **({"IsAccounts": is_equal("OrganizationId", "")} if accounts else {}),
        },
        "Resources": NOTHING | {name: policy | {"Condition": f"Is{name}"} for name, policy in policies.items()},
    }


def _build_bus_policy(statement_id: str, principal: object, more: Object) -> Object:
    """Return a statement of the bus's policy: events of secrets and parameters alone, and only what rules forward.

    The values are compared as AWS does in its own examples of bus policies, which let a request through that lacks
    them; PutEvents refuses sources of AWS to everybody.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
    """
    kinds = {
        "events:source": sorted({name for pattern in RULES.values() for name in pattern["source"]}),
        "events:detail-type": sorted({name for pattern in RULES.values() for name in pattern["detail-type"]}),
    }
    forwarded = {"events:eventBusInvocation": "true"}
    return {
        "Type": "AWS::Events::EventBusPolicy",
        "Properties": {
            "StatementId": statement_id,
            "Statement": {
                "Effect": "Allow",
                "Principal": principal,
                "Action": "events:PutEvents",
                "Resource": {
                    "Fn::Sub": "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default"
                },
                "Condition": {"ForAllValues:StringEquals": kinds, "BoolIfExists": forwarded, **more},
            },
        },
    }
