"""Grants → the statements of IAM policies, as CloudFormation takes them, and as many policies as they need."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from keyferry.stores.grant import Condition, Grant, group_conditions

MAX_CHARACTERS = 6000
"""Characters of the statements in one managed policy; AWS allows a policy 6,144, white space not counted."""
LONGEST = {
    "${AWS::Partition}": "aws-us-gov",
    "${AWS::Region}": "ap-southeast-1",
    "${HubRegion}": "ap-southeast-1",
    "${AWS::AccountId}": "111122223333",
    "${AWS::URLSuffix}": "amazonaws.com.cn",
}
"""Parameter → the longest value that it has anywhere. `HubRegion` is one of the templates of other accounts."""

type Object = dict[str, Any]


def split_into_policies(grants: Iterable[Grant]) -> Iterator[list[Object]]:
    """Yield the IAM statements of one managed policy after the other, until all grants are in one."""
    policy: list[Grant] = []
    for grant in grants:
        if policy and measure([*policy, grant]) > MAX_CHARACTERS:
            yield build_statements(policy)
            policy = []
        policy.append(grant)
    if policy:
        yield build_statements(policy)


def build_statements(grants: Iterable[Grant]) -> list[Object]:
    """Return the IAM statements of grants: one for all resources that have actions and conditions in common."""
    return [
        _build_statement(actions, list(map(substitute, resources)), conditions)
        for (actions, conditions), resources in _group(grants).items()
    ]


def _build_statement(actions: Sequence[str], resources: Sequence[object], conditions: Sequence[Condition]) -> Object:
    groups = group_conditions(conditions)
    return {
        "Effect": "Allow",
        "Action": actions[0] if len(actions) == 1 else list(actions),
        "Resource": list(resources),
    } | ({"Condition": {name: _substitute_values(group) for name, group in groups.items()}} if groups else {})


def _substitute_values(values: dict[str, str]) -> Object:
    return {key: substitute(value) for key, value in values.items()}


def substitute(text: str) -> str | Object:
    """Return a text as CloudFormation takes it: by `Fn::Sub`, if there are parameters in it."""
    return {"Fn::Sub": text} if "${" in text else text


def _group(grants: Iterable[Grant]) -> dict[tuple[tuple[str, ...], tuple[Condition, ...]], list[str]]:
    """Return (actions, conditions) → the resources that have these in common, in the order of the grants."""
    actions: dict[tuple[str, tuple[Condition, ...]], list[str]] = {}
    for grant in grants:
        actions.setdefault((grant.resource, grant.conditions), []).append(grant.action)
    groups: dict[tuple[tuple[str, ...], tuple[Condition, ...]], list[str]] = {}
    for (resource, conditions), names in actions.items():
        groups.setdefault((tuple(names), conditions), []).append(resource)
    return groups


def measure(grants: Iterable[Grant]) -> int:
    """Return how many characters the statements of grants have where the pseudo parameters are the longest."""
    statements = [
        _build_statement(actions, resources, ()) | {"Condition": group_conditions(conditions)}
        for (actions, conditions), resources in _group(grants).items()
    ]
    return len(fill_longest(json.dumps(statements, separators=(",", ":"))))


def fill_longest(text: str) -> str:
    """Return a text with the longest value in place of each pseudo parameter."""
    for name, value in LONGEST.items():
        text = text.replace(name, value)
    return text
