"""The roles of other accounts that the stack assumes: who assumes each, with its trust policy and rights."""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Any

from keyferry.access.events import BOUNDARY, NO_VALUE
from keyferry.access.grants import describe_grant, list_batched, resolve, sort_grants
from keyferry.access.iam import MAX_POLICIES
from keyferry.access.statements import fill_longest, split_into_policies
from keyferry.errors import InvalidInput
from keyferry.mapping.catalog import Catalog
from keyferry.role import Role
from keyferry.stores.grant import Grant
from keyferry.stores.source import Source

type Object = dict[str, Any]
type Tags = tuple[tuple[str, str], ...]

MAX_TRUST = 4096
"""Characters of a trust policy, white space not counted, that AWS allows on request; otherwise 2,048 (IAM quotas)."""
SOURCE_READERS, CLUSTER_USERS = ("deliver", "push"), ("deliver", "reconcile", "push")
"""The roles of the stack, by the ends of their names, that read sources, and that sign in to clusters."""


@dataclass(frozen=True)
class Use:
    """One way in which a role is assumed."""

    role: str
    """The ARN of the role that is assumed."""
    users: tuple[str, ...]
    """Who assumes it: roles of the stack by the ends of their names, or the ARN of the role before it in a chain."""
    grants: tuple[Grant, ...]
    """What it has to be able to do, as the account of the role sees it."""
    external_id: str | None = None
    session_tags: Tags = ()


def list_uses(catalog: Catalog) -> list[Use]:
    """Return how the roles that sources and clusters name are assumed, sorted by role."""
    return sorted({*_list_source_uses(catalog), *_list_cluster_uses(catalog)}, key=lambda use: (use.role, repr(use)))


def _list_source_uses(catalog: Catalog) -> Iterator[Use]:
    for mapping in catalog.mappings.values():
        batched = list_batched(mapping)
        for alias, source in mapping.spec.sources.items():
            for resolved in resolve(catalog, mapping, source):
                yield from _list_chain_uses(resolved, is_batched=alias in batched)


def _list_chain_uses(source: Source, *, is_batched: bool) -> Iterator[Use]:
    places = (source, *source.replicas)
    grants = [grant for place in places for grant in place.store.get_grants(place)]
    read = tuple(map(_replace_region, [*grants, *(source.store.get_batch_grants(source) if is_batched else ())]))
    users: tuple[str, ...] = SOURCE_READERS
    for number, role in enumerate(source.role, start=1):
        following = source.role[number:]
        needed = _list_assume_grants(following[0]) if following else read
        yield Use(role.arn, users, needed, role.external_id, tuple(sorted(role.session_tags.items())))
        users = (role.arn,)


def _list_assume_grants(role: Role) -> tuple[Grant, ...]:
    actions = ("sts:AssumeRole", "sts:TagSession") if role.session_tags else ("sts:AssumeRole",)
    return tuple(Grant(action, role.arn) for action in actions)


def _list_cluster_uses(catalog: Catalog) -> Iterator[Use]:
    for cluster in catalog.clusters.values():
        for role in cluster.roles:
            grants = () if cluster.given_endpoint else (describe_grant(cluster),)
            yield Use(role.arn, CLUSTER_USERS, grants)


def _replace_region(grant: Grant) -> Grant:
    """Return a grant for the template of another account: what has no region of its own is in the stack's.

    What has no account of its own is in that of the role already: `AWS::AccountId` is the account of the template.
    """
    conditions = (replace(condition, value=_put_hub_region(condition.value)) for condition in grant.conditions)
    return replace(grant, resource=_put_hub_region(grant.resource), conditions=tuple(conditions))


def _put_hub_region(text: str) -> str:
    return text.replace("${AWS::Region}", "${HubRegion}")


def build_roles(catalog: Catalog, uses: Iterable[Use]) -> Object:
    """Return the roles that are used, each with its policies, as resources of the template of their account.

    Args:
        catalog: whose stack uses them.
        uses: how, sorted by role.

    Raises:
        InvalidInput: a role would need more managed policies, or a longer trust policy, than AWS allows; or two roles
            would have one name.
    """
    groups = {arn: list(group) for arn, group in groupby(uses, key=attrgetter("role"))}
    _check_names(groups)
    resources: Object = {}
    for arn, own in groups.items():
        resources[name_role(arn)] = _build_role(catalog, arn, own, groups.keys())
        resources |= _build_policies(arn, own)
    return resources


def _check_names(arns: Iterable[str]) -> None:
    """Refuse ARNs that differ in path or case alone: an account has one role of a name (IAM quotas, "Names")."""
    known: dict[str, str] = {}
    for arn in arns:
        other = known.setdefault(arn.rpartition("/")[2].lower(), arn)
        if other != arn:
            raise InvalidInput(
                f"{other} and {arn} cannot both be there, as IAM has each name once: write the right one"
            )


def _build_role(catalog: Catalog, arn: str, uses: list[Use], made_here: Collection[str]) -> Object:
    path, _, name = arn.partition(":role")[2].rpartition("/")
    trust = {"Version": "2012-10-17", "Statement": _build_trust(catalog, uses, made_here)}
    length = _measure(trust)
    if length > MAX_TRUST:
        raise InvalidInput(
            f"{arn} would need a trust policy of {length:,} characters, and AWS allows {MAX_TRUST:,}: read with fewer"
            " session tags and external ids, or with several roles"
        )
    return {
        "Type": "AWS::IAM::Role",
        "Condition": "MakesRoles",
        "Properties": {
            "RoleName": name,
            "Path": f"{path}/",
            "Description": "Keyferry assumes it to read secrets, or to sign in to clusters",
            "PermissionsBoundary": BOUNDARY,
            "AssumeRolePolicyDocument": trust,
        },
    }


def _build_policies(arn: str, uses: list[Use]) -> Object:
    policies = list(split_into_policies(sort_grants(grant for use in uses for grant in use.grants)))
    if len(policies) > MAX_POLICIES:
        raise InvalidInput(
            f"{arn} would need {len(policies)} managed policies, and AWS allows {MAX_POLICIES}:"
            " read some of the secrets with another role"
        )
    name = name_role(arn)
    return {
        f"{name}Policy{number}": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Condition": "MakesRoles",
            "Properties": {
                "Description": "Generated from Keyferry's mappings",
                "Roles": [{"Ref": name}],
                "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
            },
        }
        for number, statements in enumerate(policies, start=1)
    }


def _measure(document: Object) -> int:
    """Return how many characters a document has where all of its conditions hold and its parameters are the longest."""
    return len(fill_longest(json.dumps(_fill_in(document), separators=(",", ":"))))


def _fill_in(value: Any) -> Any:  # noqa: ANN401  # JSON
    """Return a part of a document with the functions of CloudFormation carried out that make it longer."""
    match value:
        case {"Fn::Sub": text}:
            return text
        case {"Fn::If": [_, then, _]}:
            return _fill_in(then)
        case dict():
            return {key: _fill_in(part) for key, part in value.items()}
        case list():
            return list(map(_fill_in, value))
    return value


def name_role(arn: str) -> str:
    """Return the name of a role in the template: the same as long as its ARN is the same."""
    return f"Role{hashlib.sha256(arn.encode()).hexdigest()[:12]}"


def _build_trust(catalog: Catalog, uses: Iterable[Use], made_here: Collection[str]) -> list[Object]:
    """Return the trust policy's statements: who may assume the role, and with which session tags.

    Tags are a statement of their own: whether the external id counts for them as well, AWS does not say.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_permissions-required
    """
    statements: list[Object] = []
    for users, group in groupby(sorted(uses, key=attrgetter("users")), key=attrgetter("users")):
        own = list(group)
        principal = {"AWS": [_build_user(catalog, user, made_here) for user in users]}
        external_ids = sorted({use.external_id for use in own if use.external_id})
        asks = external_ids and all(use.external_id for use in own)
        condition = {"Condition": {"StringEquals": {"sts:ExternalId": external_ids}}} if asks else {}
        statements.append({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **condition})
        for tags in _list_tags(own):
            statements.append({"Effect": "Allow", "Principal": principal, "Action": "sts:TagSession", **_limit(tags)})
    return statements


def _list_tags(uses: Iterable[Use]) -> Iterator[dict[str, list[str]]]:
    """Yield key → values of the tags that sessions may have together. One tag with several values is one entry."""
    tags = sorted({use.session_tags for use in uses if use.session_tags}, key=lambda tags: (len(tags), tags))
    for _, group in groupby(tags, key=lambda tags: tags[0][0] if len(tags) == 1 else tags):
        alternatives = [dict(each) for each in group]
        yield {key: [each[key] for each in alternatives] for key in alternatives[0]}


def _limit(tags: dict[str, list[str]]) -> Object:
    """Return the condition that a session has these tags, and no others."""
    return {
        "Condition": {
            "StringEquals": {f"aws:RequestTag/{key}": values for key, values in tags.items()},
            "ForAllValues:StringEquals": {"aws:TagKeys": list(tags)},
        }
    }


def _build_user(catalog: Catalog, user: str, made_here: Collection[str]) -> Object | str:
    """Return a principal of a trust policy: a role of the stack, or the role before it in a chain.

    IAM takes only principals that exist: so a role waits for one of the same template.
    """
    if user in made_here:
        return {"Fn::GetAtt": [name_role(user), "Arn"]}
    if user.startswith("arn:"):
        return user
    arn = build_role_arn(catalog, user)
    return {"Fn::If": ["HasPushRole", arn, NO_VALUE]} if user == "push" else arn


def build_role_arn(catalog: Catalog, user: str) -> Object:
    """Return the ARN of a role of the stack, given the end of the role's name."""
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::${{HubAccount}}:role/{catalog.stack.prefix}-{user}"}
