"""The CloudFormation template of the two roles that a user's workflows have in AWS: one looks, the other deploys.

GitHub signs a token for each job, whose `sub` says repository and environment (docs.github.com, "OpenID Connect
reference"); repositories made since July 2026 have the ids of owner and repository in it, after an @. AWS compares
`repository_id` and `ref` as well (IAM, "Available keys for AWS OIDC federation").
"""

import json
from collections.abc import Mapping
from typing import Any

from keyferry.cli.init.answers import FORMS
from keyferry.formats import yamltext
from keyferry.guides import link

ISSUER = "token.actions.githubusercontent.com"
_HEADER = """\
# The roles of the workflows in .github/workflows, for an administrator of the account. Deploy it once for each
# environment of samconfig.toml, after its stack: README.md has the command. Written by `keyferry init`.
# Their names do not begin as the stack's do: the role that deploys cannot write to these two. But it writes the policy
# PREFIX-look, which the role that looks has, and the policies of roles that it passes: it is near to an administrator
# of the account, other environments there included. Those that must not reach each other need accounts of their own.
# More, and a boundary: {who}
# The OIDC provider stays where this stack is deleted: other roles may need it.
""".format(who=link("deploy", "who-deploys"))
_PARAMETERS = {
    "Repository": {"Type": "String", "AllowedPattern": "[^/@:*?]+/[^/@:*?]+", "Description": "OWNER/NAME on GitHub"},
    "RepositoryId": {
        "Type": "String",
        "AllowedPattern": "[0-9]+",
        "Description": "The number that GitHub has given the repository: gh api repos/OWNER/NAME --jq .id",
    },
    "Environment": {
        "Type": "String",
        "Default": "default",
        "AllowedPattern": FORMS["config-env"][0],
        "Description": "The environment of the workflow, and of samconfig.toml, that deploys",
    },
    "Branch": {"Type": "String", "Default": "main", "Description": "The only branch that deploys"},
    "StackName": {
        "Type": "String",
        "Default": "keyferry",
        "AllowedPattern": FORMS["stack_name"][0],
        "Description": "The stack that is looked at and deployed",
    },
    "RoleNamePrefix": {
        "Type": "String",
        "Default": "keyferry",
        "AllowedPattern": FORMS["prefix"][0],
        "Description": "RoleNamePrefix of that stack",
    },
    "CreateProvider": {
        "Type": "String",
        "Default": "true",
        "AllowedValues": ["true", "false"],
        "Description": "false where the account has the OIDC provider of GitHub already: it can have one only",
    },
}


def render(deployer_policy: str) -> str:
    """Return the template.

    Args:
        deployer_policy: the JSON of examples/deployer-policy.json, which is for account 111122223333 and a stack
            `keyferry`.
    """
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Roles of the GitHub workflows that look at and deploy Keyferry",
        "Parameters": _PARAMETERS,
        "Conditions": {"CreatesProvider": {"Fn::Equals": [{"Ref": "CreateProvider"}, "true"]}},
        "Resources": _build_resources(json.loads(deployer_policy)),
        "Outputs": {f"{name}Arn": {"Value": {"Fn::GetAtt": [name, "Arn"]}} for name in ("LookRole", "DeployRole")},
    }
    return _HEADER + yamltext.text(template, width=120) + "\n"


def _build_resources(policy: Mapping[str, Any]) -> dict[str, Any]:
    look = "arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/${RoleNamePrefix}-look"
    of_branch = {f"{ISSUER}:ref": {"Fn::Sub": "refs/heads/${Branch}"}}
    return {
        "Provider": {
            "Type": "AWS::IAM::OIDCProvider",
            "Condition": "CreatesProvider",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {"Url": f"https://{ISSUER}", "ClientIdList": ["sts.amazonaws.com"]},
        },
        "LookRole": _build_role("look", "pull_request", {}, {"ManagedPolicyArns": [{"Fn::Sub": look}]}),
        "DeployRole": _build_role(
            "deploy",
            "environment:${Environment}",
            of_branch,
            {"Policies": [{"PolicyName": "deploy", "PolicyDocument": generalize(policy)}]},
        ),
    }


def _build_role(name: str, context: str, conditions: Mapping[str, Any], rights: Mapping[str, Any]) -> dict[str, Any]:
    """Return a role that jobs of the repository may assume whose token has this context in its `sub`."""
    provider = f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:oidc-provider/{ISSUER}"
    names = {
        part: {"Fn::Select": [number, {"Fn::Split": ["/", {"Ref": "Repository"}]}]}
        for number, part in enumerate(("Owner", "Name"))
    }
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": {"Fn::If": ["CreatesProvider", {"Ref": "Provider"}, {"Fn::Sub": provider}]}},
        "Condition": {
            "StringEquals": {
                f"{ISSUER}:aud": "sts.amazonaws.com",
                f"{ISSUER}:repository_id": {"Ref": "RepositoryId"},
                **conditions,
            },
            "StringLike": {
                f"{ISSUER}:sub": [
                    {"Fn::Sub": f"repo:${{Repository}}:{context}"},
                    {"Fn::Sub": [f"repo:${{Owner}}@*/${{Name}}@*:{context}", names]},
                ]
            },
        },
    }
    trust = {"Version": "2012-10-17", "Statement": [statement]}
    properties = {"RoleName": {"Fn::Sub": f"github-${{RoleNamePrefix}}-{name}"}, "AssumeRolePolicyDocument": trust}
    return {"Type": "AWS::IAM::Role", "Properties": {**properties, **rights}}


def generalize(part: Any) -> Any:  # noqa: ANN401  # JSON
    """Return a part of the policy with the account, the partition and the names as CloudFormation has them."""
    if isinstance(part, dict):
        return {key: generalize(value) for key, value in part.items()}
    if isinstance(part, list):
        return [generalize(value) for value in part]
    name = "${RoleNamePrefix}" if ":iam::" in part else "${StackName}"
    text = part.replace("keyferry", name) if part.startswith("arn:") else part
    text = text.replace("111122223333", "${AWS::AccountId}").replace("arn:aws:", "arn:${AWS::Partition}:")
    return {"Fn::Sub": text} if "${" in text else text
