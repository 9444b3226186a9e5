"""Generate the EKS access entries that let Keyferry's roles into the clusters: as CloudFormation, and as a list.

An entry has a user name of its own and neither groups nor access policies: what the user may do is in the cluster's
RBAC. https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from keyferry.identity import Identity
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import Cluster

DELIVER_OUTPUT, RECONCILE_OUTPUT, PUSH_OUTPUT = "DeliverRoleArn", "ReconcileRoleArn", "PushRoleArn"
"""The outputs of the stack that hold the ARNs of its roles; `entries.yaml` has parameters of the same names."""
NOTHING: dict[str, Any] = {"Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}
"""A resource that does nothing: a template needs one that is there whatever its conditions say."""
_WORDS = 5
"""How many a line of access-entries.sh has."""

type Object = dict[str, Any]


@dataclass(frozen=True)
class AccessEntry:
    """One role that is let into one cluster."""

    cluster: Cluster
    principal: str
    """The ARN of the cluster's own role, or the output of the stack that holds the ARN."""
    username: str
    """The Kubernetes user that the role signs in as."""

    @property
    def is_optional(self) -> bool:
        """Whether the role need not be there: that for direct pushes, where nobody pushes from a terminal."""
        return self.principal == PUSH_OUTPUT

    @property
    def logical_id(self) -> str:
        """The name of the entry in a template: the same as long as cluster and principal are the same."""
        eks = self.cluster.eks
        text = "/".join((eks.account, eks.region, eks.name, self.principal))
        return f"Entry{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def to_json(self) -> Object:
        """Return the entry as access-entries.json has it."""
        eks = self.cluster.eks
        return {
            "cluster": self.cluster.name,
            "clusterName": eks.name,
            "region": eks.region,
            "account": eks.account,
            "principal": self.principal,
            "optional": self.is_optional,
            "username": self.username,
        }

    def to_line(self) -> str:
        """Return the entry as access-entries.sh has it."""
        eks = self.cluster.eks
        return "\t".join((eks.account, eks.region, eks.name, self.principal, self.username))

    def build_resource(self, principal: object, condition: str) -> Object:
        """Return the entry as a resource of CloudFormation.

        Args:
            principal: the ARN of the role, or a function of CloudFormation that gives it.
            condition: the condition of the template under which the entry is made.
        """
        return {
            "Type": "AWS::EKS::AccessEntry",
            "Condition": condition,
            "Properties": {
                "ClusterName": self.cluster.eks.name,
                "PrincipalArn": principal,
                "Username": self.username,
                "Type": "STANDARD",
            },
        }


def list_access_entries(catalog: Catalog) -> list[AccessEntry]:
    """Return the access entries of the clusters that mappings go to. Others may not be there yet."""
    identity = catalog.stack.identity
    return [entry for cluster in catalog.used_clusters for entry in _list_entries(cluster, identity)]


def _list_entries(cluster: Cluster, identity: Identity) -> Iterator[AccessEntry]:
    if cluster.role:  # EKS allows a role only one entry in a cluster; deliver may do all that reconcile may
        yield AccessEntry(cluster, cluster.role, identity.deliver)
        return
    yield AccessEntry(cluster, DELIVER_OUTPUT, identity.deliver)
    yield AccessEntry(cluster, RECONCILE_OUTPUT, identity.reconcile)
    yield AccessEntry(cluster, PUSH_OUTPUT, identity.push)


def read_clusters(script: str) -> set[tuple[str, ...]]:
    """Return account, region and name in EKS of the clusters that an access-entries.sh has entries for."""
    lines = (line.split("\t") for line in script.splitlines())
    return {tuple(words[:3]) for words in lines if len(words) == _WORDS}


def build_template(catalog: Catalog) -> Object:
    """Return the nested CloudFormation template with the entries for the stack's own account and region.

    Which those are, only CloudFormation knows: so it has all clusters without a role, each under a condition. The
    entry of a cluster with a role is up to the account of the cluster (`accounts.py`).
    """
    entries = [entry for entry in list_access_entries(catalog) if not entry.cluster.role]
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Lets Keyferry's roles into the clusters of the stack's account and region; from clusters.yaml",
        "Parameters": {
            DELIVER_OUTPUT: {"Type": "String", "Description": "ARN of the role that writes"},
            RECONCILE_OUTPUT: {"Type": "String", "Description": "ARN of the role that compares"},
            PUSH_OUTPUT: {"Type": "String", "Default": "", "Description": "ARN of the role of direct pushes, if any"},
        },
        **_build_conditions(entries),
        "Resources": NOTHING
        | {
            entry.logical_id: entry.build_resource({"Ref": entry.principal}, _name_condition(entry))
            for entry in entries
        },
    }


def _build_conditions(entries: Iterable[AccessEntry]) -> Object:
    """Return the `Conditions` of the template; nothing where there are no entries."""
    conditions: Object = {}
    for entry in entries:
        eks = entry.cluster.eks
        here = [is_equal("AWS::AccountId", eks.account), is_equal("AWS::Region", eks.region)]
        has_push_role = [{"Fn::Not": [is_equal(PUSH_OUTPUT, "")]}] if entry.is_optional else []
        conditions[_name_condition(entry)] = {"Fn::And": [*here, *has_push_role]}
    return {"Conditions": conditions} if conditions else {}


def is_equal(parameter: str, value: str) -> Object:
    """Return the condition of CloudFormation that a parameter has a value."""
    return {"Fn::Equals": [{"Ref": parameter}, value]}


def _name_condition(entry: AccessEntry) -> str:
    eks = entry.cluster.eks
    return f"In{eks.account}{name_region(eks.region)}{'WithPushRole' if entry.is_optional else ''}"


def name_region(region: str) -> str:
    """Return a region as it can be in the name of a condition: `EuWest1`."""
    return "".join(word.title() for word in region.split("-"))
