"""Look at a stack and its clusters, as far as one may, and say what it takes to remove it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import boto3

from keyferry.aws.sessions import Sessions, open_session
from keyferry.cli.clusters.client import OperatorClient
from keyferry.cli.clusters.reach import reach_clusters
from keyferry.cli.deployment import load_deployment
from keyferry.cli.doctor.stack.caller import identify
from keyferry.cli.options import Settings
from keyferry.cli.orphans.names import list_clusters
from keyferry.cli.orphans.search import ClusterSearch, Findings
from keyferry.cli.orphans.survey import MAX_SECONDS, check_prefix, run_searches
from keyferry.cli.stack import Stack, StackMissing, find_stack, name_stack
from keyferry.cli.uninstall.account import Account, plan_unseen_stack
from keyferry.cli.uninstall.clusters import plan_cluster
from keyferry.cli.uninstall.members import list_member_regions, plan_members
from keyferry.cli.uninstall.removal import Removal
from keyferry.deadline import Deadline
from keyferry.errors import KeyferryError
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.stack import StackNames

_WRONG_NAME = "If its name is wrong, these steps take the rights of one that is alive"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for."""

    folder: Catalog
    """The mappings and clusters of the folder."""
    settings: Settings
    """The options of `keyferry`, by which samconfig.toml names a stack."""
    environment: Mapping[str, str]
    """The environment variables."""
    stack: str | None = None
    """The name of the stack; None for the one of samconfig.toml."""
    contexts: Sequence[str] = ()
    """Which contexts lead to which clusters, as the option `--context` has it."""
    secrets: bool = False
    """Whether the Secrets and stamps go too."""


def plan_removal(request: Request, step: Callable[[], None] = lambda: None) -> Removal:
    """Return what it takes to remove a stack, in order. What cannot be looked at is noted, and stops nothing else.

    Args:
        request: what is asked for.
        step: called after each cluster.

    Raises:
        InvalidInput: nothing names a stack; the folder is of another one; the kubeconfig cannot be read.
    """
    removal, catalogs, account = Removal(name_stack(request.stack, request.settings)), [request.folder], None
    try:
        session = open_session(request.settings.choose_region(request.environment, request.stack))
        caller = identify(Sessions(session))
        stack = _ask_stack(session, request, removal, catalogs)
        account = Account(session, caller, removal.stack, stack)
    except KeyferryError as error:
        removal.notes.append(
            f"AWS is not looked at, so that nothing says who has the policies for people, nor which access entries no"
            f" stack has made: {error}"
        )
    check_prefix(request.folder, catalogs[1:] or catalogs)
    prefix, region = request.folder.stack.prefix, request.settings.config.region
    removal.add(account.plan_stack(prefix) if account else plan_unseen_stack(removal.stack, prefix, region))
    for each in _plan_clusters(request, catalogs, step):
        removal.add(each)
    if account:
        removal.add(account.plan_accounts(catalogs))
        removal.add(account.plan_entries(catalogs, prefix))
        if stack is None and removal.steps:
            first, *others = removal.steps
            removal.steps = [replace(first, details=[f"{removal.stays[0]}. {_WRONG_NAME}", *first.details]), *others]
        return removal
    for number, regions in list_member_regions(catalogs).items():
        removal.steps += plan_members(removal.stack, number, regions, ", if they were deployed there")
    return removal


def _ask_stack(session: boto3.Session, request: Request, removal: Removal, catalogs: list[Catalog]) -> Stack | None:
    """Return the stack, None where it is gone, and add what it is deployed with to the catalogues.

    Raises:
        KeyferryError: AWS refused the call or gave no answer.
    """
    try:
        stack = find_stack(session, request.stack, request.settings)
    except StackMissing:
        removal.stays.append(f"no stack {removal.stack} is in {session.region_name}: it is gone, or somewhere else")
        return None
    try:
        catalogs.append(load_deployment(stack).catalog)
    except KeyferryError as error:
        removal.notes.append(f"the mappings that are deployed are not known, and those of the folder count: {error}")
    return stack


def _plan_clusters(request: Request, catalogs: Sequence[Catalog], step: Callable[[], None]) -> Iterator[Removal]:
    """Yield what removal takes in each cluster: all of the stack is left over where no mapping names anything."""
    prefix = request.folder.stack.prefix
    nothing = build_catalog([], [], StackNames(prefix=prefix))
    deadline = Deadline.after(MAX_SECONDS)
    reached = list(reach_clusters(list_clusters(catalogs), request.contexts, request.environment, deadline))
    searches = [
        ClusterSearch(client, cluster, [nothing], catalogs)
        for cluster, client in reached
        if isinstance(client, OperatorClient)
    ]
    found = iter(run_searches(searches, step))
    for cluster, client in reached:
        if isinstance(client, OperatorClient):
            context, findings = client.context.name, next(found)
        else:
            context, findings = cluster.name, Findings(notes=[f"{cluster.name} is not looked at: {client}"])
        yield plan_cluster(cluster.name, context, findings, prefix, secrets=request.secrets)
