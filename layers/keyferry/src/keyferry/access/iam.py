"""Generate the CloudFormation template that attaches the generated IAM policies to the stack's roles."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from keyferry.access.grants import list_cluster_grants, list_source_grants, list_version_grants
from keyferry.access.statements import MAX_CHARACTERS, Object, fill_longest, split_into_policies
from keyferry.errors import InvalidInput
from keyferry.mapping.catalog import Catalog
from keyferry.stores.grant import Grant

MAX_POLICIES = 20
"""Managed policies that AWS can attach to a role, on request."""
DEFAULT_MAX_POLICIES = 10
"""Managed policies that AWS can attach to a role without a request."""
RESERVED_POLICIES = 1
"""Managed policies that template.yaml attaches to the roles itself."""
OVERHEAD = 200
"""Characters of a managed policy, at least, that are not the ARNs of its resources."""
NEAR = 0.8
"""The part of the room that has to be used before it is worth a line."""
USUAL_LENGTH = 100
"""Characters of an ARN of a secret, as long as there is none to go by."""

_PUSH_ROLE = {"Fn::If": ["HasPushRole", {"Ref": "PushRole"}, {"Ref": "AWS::NoValue"}]}
_DELIVER, _RECONCILE = {"Ref": "DeliverRole"}, {"Ref": "ReconcileRole"}


@dataclass(frozen=True)
class Usage:
    """How much of what AWS allows a role the role of deliver needs."""

    policies: int
    """Managed policies."""
    names: int
    """Secrets and parameters, or patterns of them, that its policies name."""
    room: int
    """About how many such names, of the same length, fit into `MAX_POLICIES`."""
    default_room: int
    """The same for `DEFAULT_MAX_POLICIES`, before AWS has raised the quota."""

    @property
    def fits(self) -> bool:
        """Whether AWS can attach so many policies."""
        return self.policies <= MAX_POLICIES

    @property
    def is_near(self) -> bool:
        """Whether there is little room left before AWS has to raise the quota, or none."""
        return self.policies > NEAR * DEFAULT_MAX_POLICIES or self.names > NEAR * self.default_room

    def __str__(self) -> str:
        """Return it as a sentence, with the remedy where it does not fit."""
        needs = f"IAM: the role of deliver needs {self.policies}"
        if not self.fits:
            return (
                f"{needs} of {MAX_POLICIES} managed policies: it names {self.names:,} of about {self.room:,} sources"
                " that fit: allow patterns in place of names by `grant: prefix` in policy.yaml, or deploy a second"
                " stack for some of the mappings"
            )
        sentence = (
            f"{needs} of {DEFAULT_MAX_POLICIES} managed policies, or of {MAX_POLICIES} once AWS has raised the quota:"
            f" it names {self.names:,} of about {self.default_room:,} sources that fit, or of {self.room:,}"
        )
        if self.policies > DEFAULT_MAX_POLICIES:
            sentence += "; ask AWS first (Service Quotas, IAM)"
        return f"{sentence}; more do by `grant: prefix` in policy.yaml"


def compute_usage(catalog: Catalog) -> Usage:
    """Return how much of what AWS allows a role the role of deliver needs."""
    source_grants = list_source_grants(catalog)
    sign_in = sum(1 for _ in split_into_policies(list_cluster_grants(catalog)))
    names = {
        grant.resource for grant in source_grants if ":secret:" in grant.resource or ":parameter/" in grant.resource
    }
    length = fmean(len(fill_longest(name)) + len('"",') for name in names) if names else USUAL_LENGTH
    room = [
        max(0, maximum - RESERVED_POLICIES - sign_in) * int((MAX_CHARACTERS - OVERHEAD) // length)
        for maximum in (MAX_POLICIES, DEFAULT_MAX_POLICIES)
    ]
    return Usage(
        policies=sum(1 for _ in split_into_policies(source_grants)) + sign_in + RESERVED_POLICIES,
        names=len(names),
        room=room[0],
        default_room=room[1],
    )


def build_template(catalog: Catalog) -> Object:
    """Return the nested CloudFormation template that attaches the IAM policies to the stack's roles.

    Raises:
        InvalidInput: a role would need more managed policies than AWS allows.
    """
    usage = compute_usage(catalog)
    if not usage.fits:
        raise InvalidInput(str(usage))
    policies = _build_policies(catalog)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "What Keyferry's roles may use, generated from the mappings",
        "Parameters": {
            "DeliverRole": {"Type": "String", "Description": "Name of the role that reads secrets and writes"},
            "ReconcileRole": {"Type": "String", "Description": "Name of the role that compares"},
            "PushRole": {"Type": "String", "Description": "Name of the role that people push with; empty for none"},
        },
        "Conditions": {"HasPushRole": {"Fn::Not": [{"Fn::Equals": [{"Ref": "PushRole"}, ""]}]}},
        # A template needs at least one resource: this one does nothing, if there are no mappings.
        "Resources": policies or {"Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}},
    }


def _build_policies(catalog: Catalog) -> Object:
    """Return the managed policies, by their names in the template."""
    return {
        **_build_policy_resources("Deliver", [_DELIVER, _PUSH_ROLE], list_source_grants(catalog)),
        **_build_policy_resources("Reconcile", [_RECONCILE], list_version_grants(catalog)),
        **_build_policy_resources("SignIn", [_DELIVER, _RECONCILE, _PUSH_ROLE], list_cluster_grants(catalog)),
    }


def _build_policy_resources(prefix: str, roles: list[Object], grants: Iterable[Grant]) -> Object:
    return {
        f"{prefix}{number}": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {
                "Description": "Generated from Keyferry's mappings",
                "Roles": roles,
                "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
            },
        }
        for number, statements in enumerate(split_into_policies(grants), start=1)
    }
