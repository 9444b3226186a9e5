"""The access entries in EKS that let a stack's users into clusters to which none of its mappings goes any more."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import boto3

from keyferry.access.entries import list_access_entries
from keyferry.aws.errors import translate_errors
from keyferry.aws.sessions import open_client
from keyferry.cli.orphans.names import Names
from keyferry.cli.orphans.orphan import Orphan
from keyferry.cli.orphans.search import Findings
from keyferry.errors import KeyferryError
from keyferry.identity import Identity
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import Cluster

CONCURRENCY = 8
"""How many entries of a cluster are read at once: EKS lists principals alone."""


@dataclass(frozen=True)
class Stacks:
    """The stacks that are asked about."""

    catalogs: Sequence[Catalog]
    """What the folder has, then what is deployed."""
    outputs: Sequence[Mapping[str, str]]
    """The outputs of the stacks that answer, with the ARNs of their roles."""

    @property
    def usernames(self) -> frozenset[str]:
        """The Kubernetes users of these stacks."""
        return frozenset(user for catalog in self.catalogs for user in Identity(catalog.stack.prefix).users)

    def list_principals(self, cluster: Cluster) -> set[str]:
        """Return the ARNs of the roles that these stacks sign in to a cluster with, or have signed in with."""
        entries = [entry for catalog in self.catalogs for entry in list_access_entries(catalog)]
        names = {entry.principal for entry in entries if entry.cluster.eks == cluster.eks}
        roles = {arn for outputs in self.outputs for name, arn in outputs.items() if name.endswith("RoleArn")}
        return {name for name in names if name.startswith("arn:")} | roles | ({cluster.role} if cluster.role else set())


def find_entries(session: boto3.Session, account: str, clusters: Collection[Cluster], stacks: Stacks) -> Findings:
    """Return the access entries that are left over in the clusters of one account.

    Args:
        session: the session of the person who asks.
        account: the account that it is of. Clusters of other accounts are noted.
        clusters: the clusters to look at.
        stacks: whose entries are looked for.
    """
    findings = Findings()
    for cluster in clusters:
        if cluster.eks.account != account:
            findings.notes.append(
                f"access entries of cluster {cluster.name} are not looked at: it is in account {cluster.eks.account},"
                f" and these are credentials of {account}"
            )
            continue
        try:
            findings.orphans += _list_left(session, cluster, stacks)
        except KeyferryError as error:
            findings.notes.append(f"access entries of cluster {cluster.name} are not looked at: {error}")
    return findings


def delete_entry(session: boto3.Session, orphan: Orphan) -> None:
    """Delete an access entry.

    Raises:
        KeyferryError: AWS refuses it, or does not answer.
    """
    client = open_client(session, "eks", orphan.eks.region)
    with translate_errors(f"eks:DeleteAccessEntry on {orphan.eks.name}"):
        client.delete_access_entry(clusterName=orphan.eks.name, principalArn=orphan.name)


def _list_left(session: boto3.Session, cluster: Cluster, stacks: Stacks) -> Iterator[Orphan]:
    is_used = Names(stacks.catalogs, cluster, None).is_used
    known = stacks.list_principals(cluster)
    for principal, username in read_entries(session, cluster):
        is_ours = username in stacks.usernames
        # Who pushes from a terminal may have an entry that no stack makes.
        if not is_ours or (is_used and (principal in known or not stacks.outputs or username.endswith(":push"))):
            continue
        why = f"it lets a role in as {username} that the stack does not have" if is_used else _UNUSED
        orphan = Orphan(cluster=cluster.name, eks=cluster.eks, name=principal, why=why)
        yield orphan if principal in known else orphan.refuse(["its role is none of the stack's: it may be another's"])


_UNUSED = "no mapping goes to its cluster any more"


def read_entries(session: boto3.Session, cluster: Cluster) -> list[tuple[str, str]]:
    """Return the principal and the user name of each entry of a cluster.

    Raises:
        KeyferryError: AWS refuses it, or does not answer.
    """
    name = cluster.eks.name
    client = open_client(session, "eks", cluster.eks.region)

    def read(principal: str) -> tuple[str, str]:
        with translate_errors(f"eks:DescribeAccessEntry on {name}"):
            entry = client.describe_access_entry(clusterName=name, principalArn=principal)["accessEntry"]
            return principal, str(entry.get("username", ""))

    with translate_errors(f"eks:ListAccessEntries on {name}"):
        pages = client.get_paginator("list_access_entries").paginate(clusterName=name)
        principals = [principal for page in pages for principal in page["accessEntries"]]
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        return list(pool.map(read, principals))
