"""Generate, for each account that mappings or clusters name, the template that its owner deploys there.

It holds the account's half of everything that the stack does there: rules that forward events, the roles that the
stack assumes, and the access entries of clusters. It is deployed once in each region that has events or clusters of
interest, also in other regions of the stack's own account, and with CloudFormation StackSets just as well.
"""

import json
from collections.abc import Iterable
from typing import Any

from keyferry.access import entries, events, grants, roles
from keyferry.access.entries import NOTHING, AccessEntry, is_equal, name_region
from keyferry.mapping.catalog import Catalog
from keyferry.role import Role

type Object = dict[str, Any]

_USERS = {entries.DELIVER_OUTPUT: "deliver", entries.RECONCILE_OUTPUT: "reconcile", entries.PUSH_OUTPUT: "push"}
"""Output of the stack → the end of the name of the role whose ARN it holds."""
_REGION = "[a-z]{2,}(-[a-z]+)+-[0-9]+"
_ELSEWHERE, _FORWARDS, _TRAIL = "IsNotTheHub", "Forwards", "ForwardsFromTrail"
"""Conditions: not in the account and region of the stack; events are forwarded; those of a trail are, too."""


def list_accounts(catalog: Catalog) -> list[str]:
    """Return the accounts of clusters, sources and roles, sorted. That of the stack is among them if one is there."""
    named = {cluster.eks.account for cluster in catalog.clusters.values()} | set(events.list_source_accounts(catalog))
    return sorted(named | {Role(arn=use.role).account for use in roles.list_uses(catalog)})


def build_template(catalog: Catalog, account: str) -> Object:
    """Return the template of one account, with the parameters and conditions that something in it refers to."""
    uses = [use for use in roles.list_uses(catalog) if Role(arn=use.role).account == account]
    own = [entry for entry in entries.list_access_entries(catalog) if entry.cluster.eks.account == account]
    own_roles = roles.build_roles(catalog, uses)
    own_entries = _build_entries(catalog, own, {use.role for use in uses})
    resources = NOTHING | events.build_rules(_FORWARDS, _TRAIL) | own_roles | own_entries
    conditions = _keep_named(_build_conditions(own), [resources, _ELSEWHERE])
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"What Keyferry needs in account {account}; generated from the mappings and clusters.yaml",
        "Parameters": _keep_named(
            _build_parameters(catalog, account), [resources, conditions, "HubAccount", "HubRegion"]
        ),
        "Conditions": conditions,
        "Resources": resources,
    }


def _keep_named(parts: Object, referring: list[object]) -> Object:
    """Return the parameters or conditions that are named in what refers to them."""
    text = json.dumps(referring)
    return {name: part for name, part in parts.items() if f'"{name}"' in text}


def list_regions(catalog: Catalog, account: str) -> list[str]:
    """Return the regions of an account that clusters and sources name, sorted."""
    places = (place for source in grants.resolve_sources(catalog) for place in (source, *source.replicas))
    regions = {place.home_region for place in places if place.holder == account}
    clusters = {cluster.eks.region for cluster in catalog.clusters.values() if cluster.eks.account == account}
    return sorted(clusters | {region for region in regions if region})


def _has_sources(catalog: Catalog, account: str) -> bool:
    """Return whether sources may be in an account outside of the stack's region.

    A source of the stack's own account does not name it: that is an account with clusters that have no role.
    """
    places = (place for source in grants.resolve_sources(catalog) for place in (source, *source.replicas))
    has_regions = any(place.holder is None and place.home_region for place in places)
    roleless = {cluster.eks.account for cluster in catalog.clusters.values() if not cluster.role}
    return account in events.list_source_accounts(catalog) or (has_regions and account in roleless)


def _build_parameters(catalog: Catalog, account: str) -> Object:
    first = list_regions(catalog, account)[:1]
    forwards = "true" if _has_sources(catalog, account) else "false"
    truth = {"Type": "String", "AllowedValues": ["true", "false"]}
    return {
        "HubAccount": {"Type": "String", "AllowedPattern": "[0-9]{12}", "Description": "Account of Keyferry's stack"},
        "HubRegion": {"Type": "String", "AllowedPattern": _REGION, "Description": "Region of Keyferry's stack"},
        "RolesRegion": {
            "Type": "String",
            **({"Default": first[0]} if first else {}),
            "AllowedPattern": f"none|{_REGION}",
            "Description": "Region in which the roles are made, once for the account; none - they are there already",
        },
        "PushRole": {**truth, "Default": "false", "Description": "Whether the stack has a role for direct pushes"},
        "AccessEntries": {**truth, "Default": "true", "Description": "false - somebody else makes the access entries"},
        "ForwardEvents": {
            **truth,
            "Default": forwards,
            "Description": "Whether changes of secrets are told to the stack",
        },
        "CloudTrailChanges": {**truth, "Default": "false", "Description": "As the parameter of the stack"},
        "PermissionsBoundary": {
            "Type": "String",
            "Default": "",
            "Description": "ARN of the policy that bounds the roles, if any",
        },
    }


def _build_conditions(own: Iterable[AccessEntry]) -> Object:
    is_hub = {"Fn::And": [_is_parameter("AWS::AccountId", "HubAccount"), _is_parameter("AWS::Region", "HubRegion")]}
    has_push_role = is_equal("PushRole", "true")
    conditions: Object = {
        _ELSEWHERE: {"Fn::Not": [is_hub]},
        _FORWARDS: {"Fn::And": [{"Condition": _ELSEWHERE}, is_equal("ForwardEvents", "true")]},
        _TRAIL: {"Fn::And": [{"Condition": _FORWARDS}, is_equal("CloudTrailChanges", "true")]},
        "MakesRoles": _is_parameter("AWS::Region", "RolesRegion"),
        "HasPushRole": has_push_role,
        "HasPermissionsBoundary": {"Fn::Not": [is_equal("PermissionsBoundary", "")]},
    }
    for entry in own:
        here = [is_equal("AccessEntries", "true"), is_equal("AWS::Region", entry.cluster.eks.region)]
        elsewhere = [] if entry.cluster.role else [{"Condition": _ELSEWHERE}]  # in the hub it is up to the stack
        pushes = [has_push_role] if entry.is_optional else []
        conditions[_name_condition(entry)] = {"Fn::And": [*here, *elsewhere, *pushes]}
    return conditions


def _is_parameter(pseudo: str, parameter: str) -> Object:
    return {"Fn::Equals": [{"Ref": pseudo}, {"Ref": parameter}]}


def _name_condition(entry: AccessEntry) -> str:
    kind = "OfItsRole" if entry.cluster.role else "OfPushRole" if entry.is_optional else "OfTheStack"
    return f"In{name_region(entry.cluster.eks.region)}{kind}"


def _build_entries(catalog: Catalog, own: Iterable[AccessEntry], roles_here: set[str]) -> Object:
    """Return the access entries of the account's clusters."""
    return {
        entry.logical_id: entry.build_resource(_build_principal(catalog, entry, roles_here), _name_condition(entry))
        for entry in own
    }


def _build_principal(catalog: Catalog, entry: AccessEntry, roles_here: set[str]) -> object:
    """Return the ARN of an entry's role. Where the template makes the role, the entry has to wait for it."""
    role = entry.principal
    if role in _USERS:
        return roles.build_role_arn(catalog, _USERS[role])
    return (
        {"Fn::If": ["MakesRoles", {"Fn::GetAtt": [roles.name_role(role), "Arn"]}, role]} if role in roles_here else role
    )
