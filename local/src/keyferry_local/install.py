"""Keyferry installed in the local cloud by the steps of the README: RBAC, deploy the stack, let its roles in."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from keyferry.identity import IDENTITY
from keyferry_local import aws, stack
from keyferry_local.admin import Admin
from keyferry_local.cloud import Cloud

STACK = "keyferry"


@dataclass(frozen=True)
class Installation:
    """A deployed stack on a local cloud."""

    cloud: Cloud
    checkout: Path
    outputs: Mapping[str, str]

    @property
    def admins(self) -> Mapping[str, Admin]:
        """An administrator of each cluster."""
        return self.cloud.admins


def install(
    cloud: Cloud,
    mappings: Path,
    say: Callable[[str], None],
    *,
    parameters: Mapping[str, str] | None = None,
) -> Installation:
    """Build and deploy the stack with these mappings, and let its roles into every cluster.

    The namespaces that the mappings name must exist: Roles are made in them.
    """
    checkout = stack.stage(cloud.directory, mappings)
    stack.build(checkout, say, work=cloud.directory)
    for name, admin in cloud.admins.items():
        grant(admin, checkout / "generated/clusters" / name / "rbac.yaml")
    outputs = stack.deploy(checkout, cloud.aws, stack_name=STACK, parameters=parameters or {}, say=say)
    let_roles_in(cloud, outputs, checkout / "generated/stack/access-entries.json")
    say("let its roles into the clusters")
    return Installation(cloud, checkout, outputs)


def let_roles_in(cloud: Cloud, outputs: Mapping[str, str], listed: Path) -> None:
    """Make the access entries of a list, access-entries.json, as access-entries.sh does; those that are there stay."""
    for entry in json.loads(listed.read_text()):
        cluster, region, principal = entry["clusterName"], entry["region"], outputs.get(entry["principal"])
        eks = cloud.aws.client("eks", region=region)
        if principal in eks.list_access_entries(clusterName=cluster)["accessEntries"]:
            continue
        if principal or not entry["optional"]:
            aws.add_access_entry(cloud.aws, cluster, str(principal), entry["username"], region=region)


def let_administrator_in(cloud: Cloud, username: str = IDENTITY.push) -> None:
    """Let the administrator of AWS into every cluster with the rights of deliver: to push from a terminal.

    Args:
        cloud: the cloud.
        username: the name of those who push, which is made from the stack's prefix.
    """
    arn = cloud.aws.client("sts").get_caller_identity()["Arn"]
    for name, plane in cloud.clusters.items():
        eks = cloud.aws.client("eks", region=plane.region)
        if arn not in eks.list_access_entries(clusterName=name)["accessEntries"]:
            aws.add_access_entry(cloud.aws, name, arn, username, region=plane.region)


def grant(admin: Admin, rbac: Path) -> None:
    """Apply the generated RBAC of a cluster, as `kubectl apply -f` does."""
    admin.apply(*(each for each in yaml.safe_load_all(rbac.read_text()) if each))
