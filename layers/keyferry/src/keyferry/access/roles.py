"""Generate the roles of other accounts that the stack assumes, with their trust policies and rights."""

import hashlib
from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import Any

from keyferry.access.events import BOUNDARY, NO_VALUE
from keyferry.access.grants import sort_grants
from keyferry.access.iam import MAX_POLICIES
from keyferry.access.statements import split_into_policies
from keyferry.access.trust import Tags, Use
from keyferry.errors import InvalidInput
from keyferry.mapping.catalog import Catalog

type Object = dict[str, Any]


def build_roles(catalog: Catalog, uses: Iterable[Use]) -> Object:
    """Return the roles that are used, each with its policies, as resources of the template of their account.

    Args:
        catalog: whose stack uses them.
        uses: how, sorted by role.

    Raises:
        InvalidInput: a role would need more managed policies than AWS allows.
    """
    resources: Object = {}
    for arn, group in groupby(uses, key=attrgetter("role")):
        own = list(group)
        name = name_role(arn)
        path, _, called = arn.partition(":role")[2].rpartition("/")
        resources[name] = {
            "Type": "AWS::IAM::Role",
            "Condition": "MakesRoles",
            "Properties": {
                "RoleName": called,
                "Path": f"{path}/",
                "Description": "Keyferry assumes it to read secrets, or to sign in to clusters",
                "PermissionsBoundary": BOUNDARY,
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": _build_trust(catalog, own)},
            },
        }
        policies = list(split_into_policies(sort_grants(grant for use in own for grant in use.grants)))
        if len(policies) > MAX_POLICIES:
            raise InvalidInput(
                f"{arn} would need {len(policies)} managed policies, and AWS allows {MAX_POLICIES}:"
                " read some of the secrets with another role"
            )
        for number, statements in enumerate(policies, start=1):
            resources[f"{name}Policy{number}"] = {
                "Type": "AWS::IAM::ManagedPolicy",
                "Condition": "MakesRoles",
                "Properties": {
                    "Description": "Generated from Keyferry's mappings",
                    "Roles": [{"Ref": name}],
                    "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
                },
            }
    return resources


def name_role(arn: str) -> str:
    """Return the name of a role in the template: the same as long as its ARN is the same."""
    return f"Role{hashlib.sha256(arn.encode()).hexdigest()[:12]}"


def _build_trust(catalog: Catalog, uses: Iterable[Use]) -> list[Object]:
    """Return the trust policy's statements: who may assume the role, and with which session tags.

    Tags are a statement of their own: whether the external id counts for them as well, AWS does not say.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_permissions-required
    """
    statements: list[Object] = []
    for users, group in groupby(sorted(uses, key=attrgetter("users")), key=attrgetter("users")):
        own = list(group)
        principal = {"AWS": [_build_user(catalog, user) for user in users]}
        external_ids = sorted({use.external_id for use in own if use.external_id})
        asks = external_ids and all(use.external_id for use in own)
        condition = {"Condition": {"StringEquals": {"sts:ExternalId": external_ids}}} if asks else {}
        statements.append({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **condition})
        for tags in sorted({use.session_tags for use in own if use.session_tags}):
            statements.append({"Effect": "Allow", "Principal": principal, "Action": "sts:TagSession", **_limit(tags)})
    return statements


def _limit(tags: Tags) -> Object:
    """Return the condition that a session has these tags, and no others."""
    return {
        "Condition": {
            "StringEquals": {f"aws:RequestTag/{key}": value for key, value in tags},
            "ForAllValues:StringEquals": {"aws:TagKeys": [key for key, _ in tags]},
        }
    }


def _build_user(catalog: Catalog, user: str) -> Object | str:
    """Return a principal of a trust policy: a role of the stack, or the role before it in a chain."""
    if user.startswith("arn:"):
        return user
    arn = build_role_arn(catalog, user)
    return {"Fn::If": ["HasPushRole", arn, NO_VALUE]} if user == "push" else arn


def build_role_arn(catalog: Catalog, user: str) -> Object:
    """Return the ARN of a role of the stack, given the end of the role's name."""
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::${{HubAccount}}:role/{catalog.stack.prefix}-{user}"}
