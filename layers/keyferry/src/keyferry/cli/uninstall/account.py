"""What a stack has in AWS: the stack itself, what hinders its deletion, and what others have made for it."""

import shlex
from collections.abc import Iterable, Iterator
from typing import Any

import boto3

from keyferry.access.accounts import list_accounts, list_regions
from keyferry.access.people import POLICIES
from keyferry.aws.errors import translate_errors
from keyferry.aws.sessions import open_client
from keyferry.cli.doctor.subject import Caller
from keyferry.cli.orphans.entries import read_entries
from keyferry.cli.orphans.names import list_clusters
from keyferry.cli.orphans.orphan import format_entry_deletion
from keyferry.cli.stack import Stack, describe_stack
from keyferry.cli.uninstall.removal import Removal, Step
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
        if self._stack is None:
            return removal
        try:
            removal.steps += self._list_detachments(prefix)
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
        removal, member = Removal(), f"{self._name}-member"
        regions: dict[str, set[str]] = {}
        for catalog in catalogs:
            for account in list_accounts(catalog):
                regions.setdefault(account, set()).update(list_regions(catalog, account))
        for account, named in sorted(regions.items()):
            for region in sorted(named):
                if account == self._caller.account:
                    removal.add(self._plan_own_region(member, region))
                else:
                    what = f"roles, access entries and event rules in account {account}, with credentials of it"
                    removal.steps.append(Step(f"{what}, {region}", _delete(member, region)))
            if account != self._caller.account and not named:
                what = f"roles and event rules in account {account}, with credentials of it, where they were deployed"
                removal.steps.append(Step(what, _delete(member, "REGION")))
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
        return Removal(steps=[Step(what, _delete(member, region))])

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

    def _list_detachments(self, prefix: str) -> Iterator[Step]:
        """Yield the step that takes the policies for people from whoever has them.

        Raises:
            KeyferryError: AWS does not say who has them.
        """
        client, commands, details = open_client(self._session, "iam"), list[str](), list[str]()
        for policy in POLICIES:
            arn = f"arn:{self._caller.partition}:iam::{self._caller.account}:policy/{prefix}-{policy}"
            for noun, name in _list_holders(client, arn):
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


def _list_holders(client: Any, arn: str) -> list[tuple[str, str]]:  # noqa: ANN401  # one of boto3's generated classes
    """Return what has a policy: `role`, `user` or `group`, and its name; nothing where there is no such policy."""
    with translate_errors(f"iam:ListEntitiesForPolicy on {arn}"):
        try:
            pages = list(client.get_paginator("list_entities_for_policy").paginate(PolicyArn=arn))
        except client.exceptions.NoSuchEntityException:
            return []
    return [(noun, each[key]) for page in pages for part, key, noun in _HOLDERS for each in page.get(part, ())]


def _delete(stack: str, region: str) -> list[str]:
    where = ["--stack-name", stack, "--region", region]
    return [
        shlex.join(["aws", "cloudformation", verb, *more, *where])
        for verb, *more in (("delete-stack",), ("wait", "stack-delete-complete"))
    ]
