"""The rights that Keyferry's users gain and lose, in words: of what `generate` makes of the two catalogues."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from keyferry.access.grants import list_cluster_grants, list_source_grants, list_version_grants
from keyferry.access.rbac import Object, identify
from keyferry.cli.plan.access import Access
from keyferry.cli.plan.document import RightChange
from keyferry.stores.grant import Grant

ACTIONS = {
    "secretsmanager:GetSecretValue": "read the secret",
    "secretsmanager:DescribeSecret": "read the tags of the secret",
    "secretsmanager:BatchGetSecretValue": "read several secrets by one call",
    "secretsmanager:ListSecrets": "list secrets",
    "ssm:GetParameter": "read the parameter",
    "ssm:GetParameters": "read the parameters",
    "ssm:DescribeParameters": "list parameters",
    "ssm:ListTagsForResource": "read the tags of the parameter",
    "kms:Decrypt": "decrypt what is held by",
    "sts:AssumeRole": "assume the role",
    "sts:TagSession": "pass session tags to the role",
    "eks:DescribeCluster": "ask EKS for the cluster",
}
"""Action of IAM → what it is to people."""
_POLICIES = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
_OWN = re.compile(r"\$\{AWS::[A-Za-z]+\}")
"""The parts of an ARN that are the stack's own."""


class Right(NamedTuple):
    """Something that a user may do."""

    who: str
    cluster: str
    may: str
    namespace: str = ""


def list_right_changes(folder: Access, deployed: Access) -> list[RightChange]:
    """Return the rights that are gained and lost: those in AWS first, then those in each cluster."""
    after, before = set(_list_rights(folder)), set(_list_rights(deployed))
    lost, gained = _fold(before - after, "lost"), _fold(after - before, "gained")
    return sorted([*gained, *lost], key=lambda each: (each.cluster, each.may, each.change, each.who))


def _fold(rights: Iterable[Right], change: Literal["gained", "lost"]) -> list[RightChange]:
    """Return a line for each right, with all who have it, and all namespaces in which it is the same."""
    users: defaultdict[Right, list[str]] = defaultdict(list)
    for right in sorted(rights):
        users[right._replace(who="")].append(right.who)
    namespaces: defaultdict[Right, list[str]] = defaultdict(list)
    for right, names in users.items():
        folded = right._replace(who=", ".join(names), namespace="")
        namespaces[folded] += [right.namespace] if right.namespace else []
    return [
        RightChange(change=change, who=right.who, cluster=right.cluster, may=right.may, namespaces=names)
        for right, names in namespaces.items()
    ]


def _list_rights(access: Access) -> Iterator[Right]:
    catalog = access.catalog
    for who, grants in (
        ("deliver", list_source_grants(catalog)),
        ("reconcile", list_version_grants(catalog)),
        ("deliver, reconcile", list_cluster_grants(catalog)),
    ):
        yield from (Right(who, "", describe_grant(grant)) for grant in grants)
    for entry in access.entries:
        yield Right(entry.username, entry.cluster.name, f"sign in, as {entry.principal}")
    for cluster, objects in access.objects.items():
        yield from _list_cluster_rights(objects, cluster)


def describe_grant(grant: Grant) -> str:
    """Return what a grant lets somebody do, in words."""
    action = ACTIONS.get(grant.action, f"call {grant.action} on")
    if grant.action == "kms:Decrypt":
        via = next(each.value for each in grant.conditions if each.key == "kms:ViaService")
        service, region, *_ = _OWN.sub("", via).split(".")
        return f"{action} {service}" + (f" ({region})" if region else "")
    conditions = [f"{each.key.rpartition('/')[2]}={each.value}" for each in grant.conditions]
    with_tags = f" with the tags {', '.join(conditions)}" if conditions else ""
    return (f"{action} {_shorten(grant.resource)}".removesuffix(" *")) + with_tags


def _shorten(arn: str) -> str:
    """Return the name in an ARN, with region and account where these are not the stack's own."""
    parts = _OWN.sub("", arn).split(":", 5)
    if len(parts) < 6 or parts[2] in ("iam", "sts"):
        return arn
    region, account, resource = parts[3:]
    name = resource.removeprefix("secret:").removeprefix("parameter").removeprefix("cluster/").removesuffix("-??????")
    own = ", ".join(filter(None, [region, account]))
    return name + (f" ({own})" if own else "")


def _list_cluster_rights(objects: Sequence[Object], cluster: str) -> Iterator[Right]:
    """Yield what the Roles of a cluster let their users do."""
    users = {_name_role(each): each["subjects"] for each in objects if "roleRef" in each}
    for each in objects:
        _, namespace, _ = identify(each)
        for rule in each.get("rules", ()):
            for subject in users.get(identify(each), ()):
                for may in _describe_rule(rule):
                    yield Right(subject["name"], cluster, may, namespace)


def _name_role(binding: Object) -> tuple[str, str, str]:
    _, namespace, _ = identify(binding)
    return binding["roleRef"]["kind"], namespace, binding["roleRef"]["name"]


def _describe_rule(rule: Object) -> Iterator[str]:
    """Yield what a rule allows, for each object that it names."""
    resources = ", ".join(rule["resources"])
    for name in rule.get("resourceNames", [""]):
        yield f"{_describe_verbs(rule['verbs'], resources)} {resources}" + (f"/{name}" if name else "")


def _describe_verbs(verbs: Sequence[str], resources: str) -> str:
    if "patch" not in verbs:
        return ", ".join(verbs)
    return "restart" if resources != "secrets" else "write and delete" if "delete" in verbs else "write"


def list_policy_changes(folder: Access, deployed: Access) -> list[str]:
    """Return the admission policies that differ, each as `cluster/name`: what limits the users that write."""
    before, after = deployed.select(_POLICIES), folder.select(_POLICIES)
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
