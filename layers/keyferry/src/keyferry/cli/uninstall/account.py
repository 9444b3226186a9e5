"""What a stack has in AWS: the stack itself, what hinders its deletion, and what others have made for it."""

import shlex
from collections.abc import Container, Iterable, Iterator
from typing import Any

import boto3

from keyferry.access.people import POLICIES
from keyferry.aws.errors import translate_errors
from keyferry.aws.sessions import open_client
from keyferry.cli.doctor.subject import Caller
from keyferry.cli.orphans.entries import read_entries
from keyferry.cli.orphans.names import list_clusters
from keyferry.cli.orphans.orphan import format_entry_deletion
from keyferry.cli.stack import Stack, describe_stack
from keyferry.cli.uninstall.members import list_member_regions, name_member, plan_members
from keyferry.cli.uninstall.removal import Removal, Step, delete_by_cloudformation
from keyferry.cli.uninstall.workflows import name_look_role, plan_unseen_workflows, plan_workflows
from keyferry.errors import KeyferryError
from keyferry.identity import Identity
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import Cluster

_HOLDERS = (
    ("PolicyRoles", "RoleName", "role"),
    ("PolicyUsers", "UserName", "user"),
    ("PolicyGroups", "GroupName", "group"),
)
_PERMISSION_SET = "AWSReservedSSO_"
"""How the names of roles begin that IAM Identity Center makes of permission sets; nobody else may change these."""


class Account:
    """What is asked of AWS, with the credentials of one account."""

    def __init__(self, session: boto3.Session, caller: Caller, name: str, stack: Stack | None) -> None:
        """Look at a stack; nothing is asked yet.

        Args:
            session: the session of the person who asks, in the region of the stack.
            caller: who that is.
            name: the name of the stack.
            stack: the stack; None where there is none any more.
        """
        self._session, self._caller, self._name, self._stack = session, caller, name, stack
        self._region = str(session.region_name)
        self._regions_with_entries = set[str]()
        """The regions where the template of the stack's own account makes access entries."""

    def plan_stack(self, prefix: str) -> Removal:
        """Return the steps that delete the stack: first those without which IAM refuses it."""
        removal = Removal(self._name)
        removal.add(plan_workflows(open_client(self._session, "cloudformation"), prefix, self._region))
        if self._stack is None:
            return removal
        try:
            removal.steps += self._list_detachments(prefix, gone={name_look_role(prefix)} if removal.steps else set())
        except KeyferryError as error:
            removal.notes.append(
                f"who has the policies {prefix}-{', -'.join(POLICIES)} is not known: {error}; IAM deletes none that"
                " somebody has"
            )
        removal.steps.append(delete_stack(self._name, self._region))
        removal.stays.append(
            "SAM's own bucket, by its stack aws-sam-cli-managed-default: all SAM applications of the region share it;"
            " `sam delete` takes what it had of this one out of it"
        )
        return removal

    def plan_accounts(self, catalogs: Iterable[Catalog]) -> Removal:
        """Return the steps that delete what the owners of accounts have deployed from generated/accounts."""
        removal = Removal()
        for account, regions in list_member_regions(catalogs).items():
            if account != self._caller.account:
                removal.steps += plan_members(self._name, account, regions)
                continue
            for region in regions:
                removal.add(self._plan_own_region(name_member(self._name), region))
        return removal

    def _plan_own_region(self, member: str, region: str) -> Removal:
        """Return the step for a region of the stack's own account, if something was deployed there for it."""
        client = open_client(self._session, "cloudformation", region)
        try:
            described = describe_stack(client, member)
        except KeyferryError as error:
            return Removal(notes=[f"whether there is a stack {member} in {region} is not known: {error}"])
        if described is None:
            return Removal()
        parameters = {each["ParameterKey"]: each["ParameterValue"] for each in described.get("Parameters", [])}
        if parameters.get("AccessEntries") == "true":
            self._regions_with_entries.add(region)
        what = f"stack {member} in {region}: roles, access entries and event rules"
        return Removal(steps=[Step(what, delete_by_cloudformation(member, region))])

    def plan_entries(self, catalogs: Iterable[Catalog], prefix: str) -> Removal:
        """Return the step for the access entries that no stack deletes with itself; `plan_accounts` comes before."""
        removal, users = Removal(), Identity(prefix).users
        for cluster in list_clusters(catalogs):
            if cluster.eks.account != self._caller.account:
                removal.notes.append(
                    f"access entries of cluster {cluster.name} are not looked at: it is in account"
                    f" {cluster.eks.account}, and these are credentials of {self._caller.account}"
                )
                continue
            if self._makes_entries(cluster):
                continue
            try:
                entries = read_entries(self._session, cluster)
            except KeyferryError as error:
                removal.notes.append(f"access entries of cluster {cluster.name} are not looked at: {error}")
                continue
            commands = [format_entry_deletion(cluster.eks, role) for role, user in entries if user in users]
            if commands:
                what = f"in {cluster.name}: {len(commands)} access entries; where Terraform has made them, by Terraform"
                removal.steps.append(Step(what, commands))
        return removal

    def _makes_entries(self, cluster: Cluster) -> bool:
        """Return whether the access entries of a cluster are a stack's, and go with it."""
        if cluster.eks.region == self._region and cluster.role is None:
            return self._stack is not None and self._stack.parameters.get("AccessEntries") == "true"
        return cluster.eks.region in self._regions_with_entries

    def _list_detachments(self, prefix: str, gone: Container[str]) -> Iterator[Step]:
        """Yield the step that takes the policies for people from whoever has them.

        Args:
            prefix: the prefix of the stack.
            gone: the roles that a step before has deleted.

        Raises:
            KeyferryError: AWS does not say who has them.
        """
        client, commands, details = open_client(self._session, "iam"), list[str](), list[str]()
        for policy in POLICIES:
            arn = f"arn:{self._caller.partition}:iam::{self._caller.account}:policy/{prefix}-{policy}"
            holders = [(noun, name) for noun, name in _list_holders(client, arn) if name not in gone]
            for noun, name in holders:
                if name.startswith(_PERMISSION_SET):
                    details.append(f"{name} has {prefix}-{policy}: take it off the permission set")
                else:
                    words = ["aws", "iam", f"detach-{noun}-policy", f"--{noun}-name", name, "--policy-arn", arn]
                    commands.append(shlex.join(words))
        if commands or details:
            yield Step("policies for people, from whoever has them: IAM deletes none before", commands, details)


def delete_stack(name: str, region: str | None) -> Step:
    """Return the step that deletes a stack; in the region of the credentials where none is given."""
    where = ["--region", region] if region else []
    what = (
        f"stack {name}: its roles, queues, rules, functions, logs and alarms, and the access entries that it has made"
    )
    return Step(what, [shlex.join(["sam", "delete", "--stack-name", name, *where])])


def plan_unseen_stack(name: str, prefix: str, region: str | None) -> Removal:
    """Return the steps that delete the stack where AWS cannot be asked."""
    removal = plan_unseen_workflows(prefix, region)
    removal.steps.append(delete_stack(name, region))
    return removal


def _list_holders(client: Any, arn: str) -> list[tuple[str, str]]:  # noqa: ANN401  # one of boto3's generated classes
    """Return what has a policy: `role`, `user` or `group`, and its name; nothing where there is no such policy."""
    with translate_errors(f"iam:ListEntitiesForPolicy on {arn}"):
        try:
            pages = list(client.get_paginator("list_entities_for_policy").paginate(PolicyArn=arn))
        except client.exceptions.NoSuchEntityException:
            return []
    return [(noun, each[key]) for page in pages for part, key, noun in _HOLDERS for each in page.get(part, ())]
